//! What a flag's value must look like, checked where it is given so that the error can name the flag.
//!
//! The peer checks most of these when it parses its command line and the rest when it starts; here all of them are
//! refused before anything runs.

mod structured;

use super::duration;
use super::language;

/// The values of `-tls-client-auth` (Go's `crypto/tls`).
pub(super) const CLIENT_AUTH: &[&str] = &[
    "NoClientCert",
    "RequestClientCert",
    "RequireAnyClientCert",
    "VerifyClientCertIfGiven",
    "RequireAndVerifyClientCert",
];

/// The kinds of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `true` where the flag stands alone; `-flag=false` to switch off.
    Bool,
    /// A whole number, in any of Go's bases.
    Int,
    /// A whole number from 0.
    Uint,
    /// A number.
    Float,
    /// A duration in Go's notation.
    Duration,
    /// Any text.
    Text,
    /// A file or a folder.
    Path,
    /// A host and a port; what is wrong with one is said where it is looked up.
    Address,
    /// `http://…` or `https://…`.
    Url,
    /// Exactly one of these.
    Choice(&'static [&'static str]),
    /// A logrus level, in any case.
    Level,
    /// Texts with commas between them.
    List,
    /// Each one of these, with commas between them.
    Choices(&'static [&'static str]),
    /// Addresses or networks, with commas between them.
    Cidrs,
    /// Numbers with commas between them: the buckets of a histogram.
    Buckets,
    /// Names of forwarded headers, with commas between them.
    ForwardedHeaders,
    /// `key=value,…`.
    Map,
    /// A YAML document.
    Yaml,
    /// A regular expression.
    Regexp,
    /// Predicates with `&&` between them.
    Predicates,
    /// May be given again: any text.
    Many,
    /// May be given again: a regular expression.
    Regexps,
    /// May be given again: filters with `->` between them.
    Filters,
    /// May be given again: `/pattern/replacement/`.
    Rewrites,
    /// May be given again: `key=value=<predicates>`.
    AnnotationPredicates,
    /// May be given again: `key=value=<filters>`.
    AnnotationFilters,
    /// May be given again: the settings of a circuit breaker.
    Breaker,
    /// May be given again: the settings of a rate limit.
    Ratelimit,
}

impl Kind {
    /// Whether giving the flag again adds a value instead of replacing it.
    pub(super) const fn adds_up(self) -> bool {
        matches!(
            self,
            Self::Many
                | Self::Regexps
                | Self::Filters
                | Self::Rewrites
                | Self::AnnotationPredicates
                | Self::AnnotationFilters
                | Self::Breaker
                | Self::Ratelimit
        )
    }

    /// Whether a list in the configuration file is one value with commas.
    pub(super) const fn is_list(self) -> bool {
        matches!(self, Self::List | Self::Choices(_) | Self::Cidrs | Self::Buckets | Self::ForwardedHeaders)
    }

    /// The word for the value in a usage line; empty for a switch.
    pub(super) const fn placeholder(self) -> &'static str {
        match self {
            Self::Bool => "",
            Self::Int | Self::Uint | Self::Float => "N",
            Self::Duration => "DURATION",
            Self::Path => "PATH",
            Self::Address => "HOST:PORT",
            Self::Url => "URL",
            Self::Choice(_) => "WORD",
            Self::Level => "LEVEL",
            Self::List | Self::Choices(_) | Self::Buckets | Self::ForwardedHeaders => "A,B",
            Self::Cidrs => "CIDR,CIDR",
            Self::Map => "K=V,K=V",
            Self::Yaml => "YAML",
            Self::Regexp | Self::Regexps => "REGEXP",
            Self::Predicates => "PREDICATES",
            Self::Filters => "FILTERS",
            Self::Rewrites => "/REGEXP/TEXT/",
            Self::AnnotationPredicates => "KEY=VALUE=PREDICATES",
            Self::AnnotationFilters => "KEY=VALUE=FILTERS",
            Self::Text | Self::Many | Self::Breaker | Self::Ratelimit => "TEXT",
        }
    }

    /// Checks one value as it was given.
    ///
    /// # Errors
    ///
    /// What is wrong, as the end of a sentence that starts with the value, with what is allowed.
    pub(super) fn check(self, value: &str) -> Result<(), String> {
        match self {
            Self::Text | Self::Path | Self::Address | Self::List | Self::Many => Ok(()),
            Self::Url => structured::url(value),
            Self::Bool => known(boolean(value), "is neither true nor false (1, 0, t, f, true and false are)"),
            Self::Int => known(integer(value), "is not a whole number"),
            Self::Uint => {
                known(integer(value).filter(|number| *number >= 0), "is not a whole number from 0 on")
            }
            Self::Float => known(value.parse::<f64>().ok(), "is not a number"),
            Self::Duration => {
                known(duration::parse(value), "is not a duration; write it as 300ms, 45s or 1m30s")
            }
            Self::Choice(allowed) => one_of(value, allowed),
            Self::Level => {
                known(level(value), "is not a level; use panic, fatal, error, warn, info, debug or trace")
            }
            Self::Choices(allowed) => items(value).try_for_each(|item| one_of(item, allowed)),
            Self::Cidrs => items(value).try_for_each(structured::network),
            Self::Buckets => items(value).try_for_each(|item| {
                known(item.trim().parse::<f64>().ok(), "is not a comma-separated list of numbers")
            }),
            Self::ForwardedHeaders => items(value).try_for_each(structured::forwarded_header),
            Self::Map => value.split(',').try_for_each(structured::pair),
            Self::Yaml => structured::yaml(value),
            Self::Regexp | Self::Regexps => structured::regexp(value),
            Self::Predicates => language::predicates(value).map(drop),
            Self::Filters => language::filters(value).map(drop),
            Self::Rewrites => language::rewrite(value).map(drop),
            Self::AnnotationPredicates => language::annotation_predicates(value).map(drop),
            Self::AnnotationFilters => language::annotation_filters(value).map(drop),
            Self::Breaker => structured::breaker(value),
            Self::Ratelimit => structured::rate_limit(value),
        }
    }
}

/// Go's `strconv.ParseBool`.
pub(super) fn boolean(value: &str) -> Option<bool> {
    match value {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// Go's `strconv.ParseInt` with base 0: a prefix tells the base, and underscores may stand between digits.
pub(super) fn integer(value: &str) -> Option<i64> {
    let (sign, digits) = match value.as_bytes().first()? {
        b'-' => ("-", &value[1..]),
        b'+' => ("", &value[1..]),
        _ => ("", value),
    };
    let (radix, rest) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    let first_may_be_underscore = radix != 10;
    let well_placed = !rest.ends_with('_')
        && !rest.contains("__")
        && (first_may_be_underscore || !rest.starts_with('_'))
        && rest.bytes().all(|byte| byte == b'_' || byte.is_ascii_hexdigit());
    if !well_placed {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{}", rest.replace('_', "")), radix).ok()
}

/// The levels of logrus, in the words of `tracing`: it has none above error.
pub(super) fn level(value: &str) -> Option<tracing::Level> {
    match value.to_ascii_lowercase().as_str() {
        "panic" | "fatal" | "error" => Some(tracing::Level::ERROR),
        "warn" | "warning" => Some(tracing::Level::WARN),
        "info" => Some(tracing::Level::INFO),
        "debug" => Some(tracing::Level::DEBUG),
        "trace" => Some(tracing::Level::TRACE),
        _ => None,
    }
}

/// The items of a list: none in an empty text, and no trimming, as with the peer.
pub(super) fn items(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').filter(move |_| !value.is_empty())
}

fn known<T>(value: Option<T>, complaint: &str) -> Result<(), String> {
    value.map(drop).ok_or_else(|| complaint.to_owned())
}

fn one_of(value: &str, allowed: &[&str]) -> Result<(), String> {
    if allowed.contains(&value) {
        return Ok(());
    }
    let (last, others) = allowed.split_last().expect("a choice has words");
    Err(format!("is not allowed; use {} or {last}", others.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_as_go_reads_them() {
        for (text, expected) in [
            ("0", Some(0)),
            ("-7", Some(-7)),
            ("+7", Some(7)),
            ("0x1F", Some(31)),
            ("0o17", Some(15)),
            ("017", Some(15)),
            ("0b101", Some(5)),
            ("1_000", Some(1000)),
            ("0x_f", Some(15)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("", None),
            ("-", None),
            ("0x", None),
            ("--1", None),
            ("0x-1", None),
            ("1__0", None),
            ("_1", None),
            ("1_", None),
            ("1.0", None),
            ("08", None),
            (" 1", None),
        ] {
            assert_eq!(integer(text), expected, "{text:?}");
        }
    }

    #[test]
    fn each_kind_says_what_is_allowed() {
        for (kind, value, part) in [
            (Kind::Bool, "yes", "true"),
            (Kind::Url, "localhost:8001", "http://"),
            (Kind::Int, "a", "whole number"),
            (Kind::Uint, "-1", "from 0"),
            (Kind::Float, "x", "number"),
            (Kind::Duration, "5", "45s"),
            (Kind::Choice(&["a", "b", "c"]), "d", "use a, b or c"),
            (Kind::Level, "loud", "panic, fatal"),
            (Kind::Choices(&["a", "b"]), "a,d", "use a or b"),
            (Kind::Cidrs, "10.0.0.0/8,10.0.0.0/99", "10.0.0.0/99"),
            (Kind::Buckets, "1,x", "numbers"),
            (Kind::ForwardedHeaders, "X-Forwarded-Foo", "X-Forwarded-For"),
            (Kind::Map, "a", "key=value"),
            (Kind::Yaml, "{", "YAML"),
            (Kind::Regexp, "(", "regular expression"),
            (Kind::Breaker, "type=odd", "consecutive"),
            (Kind::Ratelimit, "type=odd", "client"),
        ] {
            let complaint = kind.check(value).unwrap_err();
            assert!(complaint.contains(part), "{kind:?}: {complaint}");
        }
    }

    #[test]
    fn empty_lists_have_no_items() {
        assert_eq!(items("").count(), 0);
        assert_eq!(items("a,,b").collect::<Vec<_>>(), ["a", "", "b"]);
        assert_eq!(Kind::Choices(&["a"]).check(""), Ok(()));
    }
}
