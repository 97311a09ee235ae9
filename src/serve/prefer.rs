//! Whether a poll may wait for a change, and for how long: pure, from its head and what `--hold` says.
//!
//! A Skipper does not ask for a wait; it has three seconds for a poll, body included, and gets `--hold`, which leaves it the
//! time for the body. Whoever says `Prefer: wait=N` (RFC 7240 section 4.3) knows its own time, and gets that, up to a bound.
//! Only a client that names a table waits for another one: one without a tag needs what there is, a `HEAD` or a range no table.

use std::time::Duration;

use http::header::{HeaderName, IF_NONE_MATCH, RANGE};
use http::{HeaderMap, Method};

use super::conditional;

/// What a client would like.
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// What of it was done.
pub(super) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The longest wait that a client may ask for.
const LONGEST: Duration = Duration::from_secs(60);

/// A wait that a poll may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// How long.
    pub(super) length: Duration,
    /// Whether the client asked for it: then its time is not a Skipper's.
    pub(super) asked: bool,
}

/// How long a poll may wait for a change, where all that do not ask wait for `usual`; zero is nobody.
pub(super) fn wish(method: &Method, headers: &HeaderMap, usual: Duration) -> Option<Wish> {
    // `*` names no table: no change is news to it.
    let names = conditional::first(headers, IF_NONE_MATCH).is_some_and(|tags| !tags.contains(&b'*'));
    if usual.is_zero() || method != Method::GET || !names || headers.contains_key(RANGE) {
        return None;
    }
    let wish = match preferred(headers) {
        Some(length) => Wish { length: length.min(LONGEST), asked: true },
        None => Wish { length: usual, asked: false },
    };
    (!wish.length.is_zero()).then_some(wish)
}

/// The first wait that is asked for, in whole seconds. What cannot be read is no preference (RFC 7240 section 2).
fn preferred(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(PREFER).into_iter().filter_map(|value| value.to_str().ok());
    let seconds = values.flat_map(|value| value.split(',')).find_map(|preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        let digits = value.trim().trim_matches('"');
        let is_wait = name.trim().eq_ignore_ascii_case("wait")
            && !digits.is_empty()
            && digits.bytes().all(|digit| digit.is_ascii_digit());
        is_wait.then(|| digits.parse().unwrap_or(u64::MAX))
    });
    seconds.map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const USUAL: Duration = Duration::from_millis(1500);

    fn wish_of(lines: &[(HeaderName, &'static str)]) -> Option<Wish> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_static(value));
        }
        wish(&Method::GET, &headers, USUAL)
    }

    #[test]
    fn who_names_a_table_waits_as_long_as_the_flag_says_and_nobody_where_it_is_off() {
        let named = [(IF_NONE_MATCH, "\"abc\"")];
        assert_eq!(wish_of(&named), Some(Wish { length: USUAL, asked: false }));
        let headers: HeaderMap = [(IF_NONE_MATCH, HeaderValue::from_static("\"abc\""))].into_iter().collect();
        assert_eq!(wish(&Method::GET, &headers, Duration::ZERO), None);
        assert_eq!(wish(&Method::HEAD, &headers, USUAL), None);
        assert_eq!(wish_of(&[]), None, "it needs what there is");
        for names_none in ["*", ""] {
            assert_eq!(wish_of(&[(IF_NONE_MATCH, names_none)]), None);
        }
        assert_eq!(wish_of(&[(IF_NONE_MATCH, "\"abc\""), (RANGE, "bytes=0-1")]), None);
    }

    #[test]
    fn whoever_asks_gets_its_wait_up_to_a_bound() {
        type Case = (&'static [&'static str], Option<(u64, bool)>);
        let cases: &[Case] = &[
            (&["wait=10"], Some((10, true))),
            (&["respond-async, Wait = \"7\" ; foo=bar"], Some((7, true))),
            (&["return=minimal", "wait=5, wait=9"], Some((5, true))),
            (&["wait=600"], Some((60, true))),
            (&["wait=99999999999999999999999"], Some((60, true))),
            (&["wait=0"], None),
            (&["wait=-1"], Some((0, false))),
            (&["wait"], Some((0, false))),
            (&["wait=1.5"], Some((0, false))),
            (&["waiting=9"], Some((0, false))),
        ];
        for (values, expected) in cases {
            let mut lines = vec![(IF_NONE_MATCH, "\"abc\"")];
            lines.extend(values.iter().map(|value| (PREFER, *value)));
            let expected = expected.map(|(seconds, asked)| Wish {
                length: if asked { Duration::from_secs(seconds) } else { USUAL },
                asked,
            });
            assert_eq!(wish_of(&lines), expected, "{values:?}");
        }
    }
}
