//! The conditional headers of a request against one representation (RFC 9110 section 13), in the order and with
//! the leniencies of Go's `http.ServeContent`, which is what the peer answers with.

use http::HeaderMap;
use http::header::{
    HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};
use jiff::civil::date;
use jiff::fmt::strtime;

/// The representation that a request is held against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Validators<'a> {
    /// The entity tag of the representation that was selected.
    pub etag: &'a [u8],
    /// The tag of the same table in its other encoding: whoever holds it holds this table.
    pub sibling: &'a [u8],
    /// `Last-Modified`; 0 where it is not known.
    pub modified_secs: u64,
}

/// What the conditions of a request come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict<'a> {
    /// Send the representation.
    Send,
    /// The client holds it: 304.
    Unchanged,
    /// The client holds another table, under this tag.
    Holds(&'a [u8]),
    /// A precondition does not hold: 412.
    Failed,
}

/// Evaluates the conditions. Of a header that comes twice only the first counts, and an empty one is none.
pub(super) fn check<'a>(headers: &'a HeaderMap, now: Validators<'_>) -> Verdict<'a> {
    let unmodified = || seconds(headers, IF_UNMODIFIED_SINCE).is_none_or(|since| !now.modified_after(since));
    let fulfilled = match first(headers, IF_MATCH) {
        Some(list) => Tags(list).any(|tag| tag.is_star() || tag.strongly(now.etag)),
        None => now.modified_secs == 0 || unmodified(),
    };
    if !fulfilled {
        return Verdict::Failed;
    }
    match first(headers, IF_NONE_MATCH) {
        Some(list) => held(list, now),
        None => match seconds(headers, IF_MODIFIED_SINCE) {
            Some(since) if now.modified_secs != 0 && !now.modified_after(since) => Verdict::Unchanged,
            _ => Verdict::Send,
        },
    }
}

/// The `Range` header, unless `If-Range` takes it back.
pub(super) fn range<'a>(headers: &'a HeaderMap, now: Validators<'_>) -> Option<&'a [u8]> {
    let wanted = first(headers, RANGE)?;
    let Some(condition) = first(headers, IF_RANGE) else { return Some(wanted) };
    let same = match Tag::scan(trim(condition)) {
        Some((tag, _)) => tag.strongly(now.etag),
        None => seconds(headers, IF_RANGE).is_some_and(|at| i128::from(at) == i128::from(now.modified_secs)),
    };
    same.then_some(wanted)
}

fn held<'a>(list: &'a [u8], now: Validators<'_>) -> Verdict<'a> {
    let (mut holds, mut sibling) = (None, false);
    for tag in Tags(list) {
        if tag.is_star() || tag.weakly(now.etag) {
            return Verdict::Unchanged;
        }
        sibling |= tag.weakly(now.sibling);
        holds = holds.or(Some(tag.0));
    }
    match holds {
        Some(tag) if !sibling => Verdict::Holds(tag),
        _ => Verdict::Send,
    }
}

impl Validators<'_> {
    /// Whether the table changed after `date`, in Unix seconds.
    fn modified_after(&self, date: i64) -> bool {
        i128::from(self.modified_secs) > i128::from(date)
    }
}

/// One member of a list: `*`, or a tag with its quotes and its `W/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tag<'a>(&'a [u8]);

impl<'a> Tag<'a> {
    /// The tag that `text` begins with, and what follows it.
    fn scan(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let start = if text.starts_with(b"W/") { 2 } else { 0 };
        let opaque = text[start..].strip_prefix(b"\"")?;
        let length = opaque.iter().position(|&c| !matches!(c, 0x21 | 0x23..=0x7e | 0x80..))?;
        (opaque[length] == b'"').then(|| {
            let (tag, rest) = text.split_at(start + length + 2);
            (Self(tag), rest)
        })
    }

    fn is_star(self) -> bool {
        self.0 == b"*"
    }

    fn strongly(self, etag: &[u8]) -> bool {
        self.0 == etag
    }

    fn weakly(self, etag: &[u8]) -> bool {
        self.0.strip_prefix(b"W/").unwrap_or(self.0) == etag
    }
}

/// The members of a list of tags, up to the first that is not one.
struct Tags<'a>(&'a [u8]);

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        let mut text = trim(self.0);
        while let Some(rest) = text.strip_prefix(b",") {
            text = trim(rest);
        }
        if text.starts_with(b"*") {
            self.0 = b"";
            return Some(Tag(b"*"));
        }
        let (tag, rest) = Tag::scan(text)?;
        self.0 = rest;
        Some(tag)
    }
}

/// The first value of a header, where that is not empty.
pub(super) fn first(headers: &HeaderMap, name: HeaderName) -> Option<&[u8]> {
    headers.get(name).map(http::HeaderValue::as_bytes).filter(|value| !value.is_empty())
}

/// A header's HTTP date in Unix seconds; `None` where it is missing or is not one.
fn seconds(headers: &HeaderMap, name: HeaderName) -> Option<i64> {
    http_date(std::str::from_utf8(first(headers, name)?).ok()?)
}

/// The three forms of RFC 9110 section 5.6.7. As in Go the day of the week is read and not believed.
fn http_date(text: &str) -> Option<i64> {
    let (day, rest) = text.split_once(' ')?;
    let (day, comma) = day.strip_suffix(',').map_or((day, false), |day| (day, true));
    let (weekday, format, length) = match (comma, rest.contains('-')) {
        (true, false) => ("%a", "%d %b %Y %H:%M:%S GMT", 24),
        (true, true) => ("%A", "%d-%b-%y %H:%M:%S GMT", 22),
        (false, _) => ("%a", "%b %e %H:%M:%S %Y", 20),
    };
    strtime::parse(weekday, day).ok()?;
    // The parser takes a leap second for the one before it, and shorter numbers; Go does neither.
    if rest.len() != length || rest.contains(":60") {
        return None;
    }
    let time = strtime::parse(format, rest).ok()?.to_datetime().ok()?;
    Some(time.duration_since(date(1970, 1, 1).at(0, 0, 0, 0)).as_secs())
}

fn trim(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const NOW: Validators<'_> =
        Validators { etag: b"\"abc\"", sibling: b"\"abc+gzip\"", modified_secs: 1_800_000_000 };
    const BEFORE: &str = "Fri, 15 Jan 2027 07:59:59 GMT";
    const AT: &str = "Fri, 15 Jan 2027 08:00:00 GMT";

    fn map(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_bytes(value.as_bytes()).unwrap()))
            .collect()
    }

    fn none_match(value: &str) -> Verdict<'static> {
        match check(&map(&[(IF_NONE_MATCH, value)]), NOW) {
            Verdict::Send => Verdict::Send,
            Verdict::Unchanged => Verdict::Unchanged,
            Verdict::Failed => Verdict::Failed,
            Verdict::Holds(tag) => Verdict::Holds(tag.to_vec().leak()),
        }
    }

    #[test]
    fn if_none_match_knows_lists_weak_tags_and_the_star() {
        use Verdict::{Holds, Send, Unchanged};
        let cases: &[(&str, Verdict<'_>)] = &[
            ("\"abc\"", Unchanged),
            ("W/\"abc\"", Unchanged),
            ("*", Unchanged),
            ("*garbage", Unchanged),
            (" \"x\" ,\t\"abc\"", Unchanged),
            (",,\"abc\"", Unchanged),
            ("\"x\"\"abc\"", Unchanged),
            ("\"x\"", Holds(b"\"x\"")),
            ("W/\"x\", \"y\"", Holds(b"W/\"x\"")),
            ("\"x\", garbage, \"abc\"", Holds(b"\"x\"")),
            ("\"abc+gzip\"", Send),
            ("\"x\", \"abc+gzip\"", Send),
            ("abc", Send),
            ("\"abc", Send),
            ("\"a bc\"", Send),
            ("w/\"abc\"", Send),
            ("", Send),
        ];
        for (value, expected) in cases {
            assert_eq!(none_match(value), *expected, "{value:?}");
        }
    }

    #[test]
    fn preconditions_come_first_and_dates_only_without_tags() {
        use Verdict::{Failed, Send, Unchanged};
        let cases: &[(&[(HeaderName, &str)], Verdict<'_>)] = &[
            (&[], Send),
            (&[(IF_MATCH, "\"abc\"")], Send),
            (&[(IF_MATCH, "*")], Send),
            (&[(IF_MATCH, "\"x\", \"abc\"")], Send),
            (&[(IF_MATCH, "W/\"abc\"")], Failed),
            (&[(IF_MATCH, "\"x\"")], Failed),
            (&[(IF_MATCH, "garbage")], Failed),
            (&[(IF_MATCH, "\"x\""), (IF_NONE_MATCH, "\"abc\"")], Failed),
            (&[(IF_MATCH, "\"abc\""), (IF_UNMODIFIED_SINCE, BEFORE)], Send),
            (&[(IF_UNMODIFIED_SINCE, BEFORE)], Failed),
            (&[(IF_UNMODIFIED_SINCE, AT)], Send),
            (&[(IF_UNMODIFIED_SINCE, "yesterday")], Send),
            (&[(IF_UNMODIFIED_SINCE, "Thu, 01 Jan 1960 00:00:00 GMT")], Failed),
            (&[(IF_UNMODIFIED_SINCE, "Fri, 15 Jan 2027 07:59:59 UTC")], Send),
            (&[(IF_UNMODIFIED_SINCE, "Xyz, 15 Jan 2027 07:59:59 GMT")], Send),
            (&[(IF_MODIFIED_SINCE, "Sun, 15 Jan 2027 08:00:00 GMT")], Unchanged),
            (&[(IF_MODIFIED_SINCE, AT)], Unchanged),
            (&[(IF_MODIFIED_SINCE, BEFORE)], Send),
            (&[(IF_MODIFIED_SINCE, "Friday, 15-Jan-27 08:00:00 GMT")], Unchanged),
            (&[(IF_MODIFIED_SINCE, "Fri Jan 15 08:00:00 2027")], Unchanged),
            (&[(IF_MODIFIED_SINCE, AT), (IF_NONE_MATCH, "garbage")], Send),
            (&[(IF_MODIFIED_SINCE, AT), (IF_NONE_MATCH, "")], Unchanged),
        ];
        for (headers, expected) in cases {
            assert_eq!(check(&map(headers), NOW), *expected, "{headers:?}");
        }
    }

    #[test]
    fn if_range_takes_the_range_back_where_the_representation_changed() {
        let cases = [
            (None, true),
            (Some("\"abc\""), true),
            (Some(AT), true),
            (Some("\"x\""), false),
            (Some("W/\"abc\""), false),
            (Some(BEFORE), false),
            (Some("garbage"), false),
        ];
        for (condition, kept) in cases {
            let mut headers = map(&[(RANGE, "bytes=0-1")]);
            if let Some(condition) = condition {
                headers.insert(IF_RANGE, HeaderValue::from_static(condition));
            }
            assert_eq!(range(&headers, NOW).is_some(), kept, "{condition:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_in_a_condition_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                for name in [IF_NONE_MATCH, IF_MATCH, IF_RANGE, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE] {
                    let mut headers = HeaderMap::new();
                    headers.insert(RANGE, value.clone());
                    headers.insert(name, value.clone());
                    let _ = (check(&headers, NOW), range(&headers, NOW));
                }
            }
        }

        #[test]
        fn a_well_formed_list_matches_where_it_names_the_tag(
            others in proptest::collection::vec("(W/)?\"[!#-~]{0,9}\"", 0..5),
            at in 0usize..6,
            weak: bool,
        ) {
            let mut list = others;
            let tag = if weak { "W/\"abc\"" } else { "\"abc\"" };
            list.insert(at.min(list.len()), tag.to_owned());
            prop_assert_eq!(none_match(&list.join(", ")), Verdict::Unchanged);
        }
    }
}
