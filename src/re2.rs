//! Go's regular expressions (RE2 syntax) on Rust's engine.
//!
//! In: the patterns that the peer's flags carry. Out: a matcher that agrees with Go: ASCII classes, unanchored search,
//! `$1` in replacements. What Go refuses is mostly refused here too; no pattern can take more than linear time.
//! The two languages differ in a few corners (`\w`, `[[]`, `{`, `\Q…\E`), so a pattern is rewritten before it is compiled.

mod translate;

use std::fmt::Write as _;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Regexp(regex::Regex);

/// Why a pattern was refused.
#[derive(Debug, thiserror::Error)]
#[error("`{pattern}` is not a regular expression")]
pub struct RegexpError {
    pattern: String,
    #[source]
    cause: regex::Error,
}

impl Regexp {
    /// Compiles `pattern`.
    ///
    /// # Errors
    ///
    /// Where it is no regular expression.
    pub fn new(pattern: &str) -> Result<Self, RegexpError> {
        regex::RegexBuilder::new(&translate::translate(pattern))
            .octal(true)
            .build()
            .map(Self)
            .map_err(|cause| RegexpError { pattern: pattern.to_owned(), cause })
    }

    /// Whether any part of `text` matches: Go's `MatchString`.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// `text` with each match replaced by `template`: Go's `ReplaceAllString`. In the template `$name` and `${name}` stand for
    /// groups; a name is as long as it can be, so `$1x` is the group `1x`; a group that there is not is empty; `$$` is a `$`.
    pub fn replace_all(&self, text: &str, template: &str) -> String {
        let mut replaced = String::with_capacity(text.len());
        let mut end = 0;
        for captures in self.0.captures_iter(text) {
            let whole = captures.get_match();
            replaced.push_str(&text[end..whole.start()]);
            expand(&captures, template, &mut replaced);
            end = whole.end();
        }
        replaced.push_str(&text[end..]);
        replaced
    }
}

fn expand(captures: &regex::Captures<'_>, template: &str, into: &mut String) {
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        into.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            into.push('$');
            rest = after;
        } else if let Some((name, after)) = reference(after) {
            let group = match number(name) {
                Some(index) => captures.get(index),
                None => captures.name(name),
            };
            into.push_str(group.map_or("", |group| group.as_str()));
            rest = after;
        } else {
            into.push('$');
            rest = after;
        }
    }
    let _ = into.write_str(rest);
}

/// The name at the start of what follows a `$`, and what follows it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let braced = text.strip_prefix('{');
    let from = braced.unwrap_or(text);
    let length = from.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(from.len());
    let (name, after) = from.split_at(length);
    let after = if braced.is_some() { after.strip_prefix('}')? } else { after };
    (!name.is_empty()).then_some((name, after))
}

/// Go takes a name of digits as a number, unless it begins with a needless zero.
fn number(name: &str) -> Option<usize> {
    let needless_zero = name.len() > 1 && name.starts_with('0');
    (name.bytes().all(|b| b.is_ascii_digit()) && !needless_zero).then(|| name.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(pattern: &str, template: &str, text: &str) -> String {
        Regexp::new(pattern).unwrap().replace_all(text, template)
    }

    #[test]
    fn search_is_not_anchored() {
        assert!(Regexp::new("kip").unwrap().is_match("skipper"));
        assert!(!Regexp::new("^kip$").unwrap().is_match("skipper"));
    }

    #[test]
    fn classes_are_ascii() {
        assert!(!Regexp::new(r"^\w+$").unwrap().is_match("tür"));
        assert!(!Regexp::new(r"\d").unwrap().is_match("٣"));
        assert!(Regexp::new(r"^[\w.]+$").unwrap().is_match("a.b"));
    }

    #[test]
    fn go_reads_literally_what_rust_would_not() {
        assert!(Regexp::new("a{").unwrap().is_match("a{"));
        assert!(Regexp::new("^[[]$").unwrap().is_match("["));
        assert!(Regexp::new("^[a&&b]+$").unwrap().is_match("&"));
        assert!(Regexp::new(r"^\Qa.b\E$").unwrap().is_match("a.b"));
        assert!(!Regexp::new(r"^\Qa.b\E$").unwrap().is_match("axb"));
        assert!(Regexp::new(r"^\<a\>$").unwrap().is_match("<a>"));
        assert!(Regexp::new("^[]a^-]+$").unwrap().is_match("]a^-"));
        assert!(Regexp::new("^[+--]+$").unwrap().is_match("+,-"));
        assert!(Regexp::new("^[a-c-e]+$").unwrap().is_match("ab-e"));
        assert!(!Regexp::new("^[a-c-e]+$").unwrap().is_match("d"));
    }

    #[test]
    fn pattern_that_is_none_is_named() {
        assert_eq!(Regexp::new("a(").unwrap_err().to_string(), "`a(` is not a regular expression");
    }

    #[test]
    fn groups_are_put_into_the_template() {
        assert_eq!(replaced("Source[(](.*)[)]", "ClientIP($1)", r#"Source("a")"#), r#"ClientIP("a")"#);
        assert_eq!(replaced("(a)(?P<n>b)", "${n}-$1", "xabx"), "xb-ax");
    }

    #[test]
    fn name_is_as_long_as_it_can_be() {
        assert_eq!(replaced("(a)", "$1x", "a"), "");
        assert_eq!(replaced("(a)", "${1}x", "a"), "ax");
    }

    #[test]
    fn dollar_without_a_name_stays() {
        assert_eq!(replaced("a", "$$", "a"), "$");
        assert_eq!(replaced("a", "$-${-}$", "a"), "$-${-}$");
    }

    #[test]
    fn empty_match_after_a_match_does_not_count() {
        assert_eq!(replaced("a*", "x", "baaac"), "xbxcx");
    }
}
