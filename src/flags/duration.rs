//! Go's notation of durations (`time.ParseDuration`): `300ms`, `1m30s`, `-1.5h`, and a bare `0`.
//!
//! In: the text of a flag. Out: a [`Duration`], since none of our flags can use a negative one. Go counts in
//! signed 64-bit nanoseconds; what does not fit there is refused here too.

use std::time::Duration;

/// The units, the longer name before the one that it starts with. Both signs for micro are Unicode's.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// A duration as Go has it: it may be negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signed {
    pub negative: bool,
    pub length: Duration,
}

/// Reads Go's notation; `None` where it is not one.
pub(super) fn parse(text: &str) -> Option<Signed> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let nanos = if unsigned == "0" { 0 } else { terms(unsigned)? };
    i64::try_from(nanos).ok()?;
    Some(Signed { negative: negative && nanos > 0, length: Duration::from_nanos(nanos) })
}

/// Writes a duration as Go does where that is shortest: `2.4s`, `700ms`, `1m30s`.
pub(super) fn print(length: Duration) -> String {
    let minutes = length.as_secs() / 60;
    let seconds = length - Duration::from_secs(minutes * 60);
    match (minutes, seconds.is_zero()) {
        (0, _) => format!("{seconds:?}"),
        (_, true) => format!("{minutes}m"),
        _ => format!("{minutes}m{seconds:?}"),
    }
}

/// One or more of number and unit, added up.
fn terms(mut rest: &str) -> Option<u64> {
    let mut sum = 0_u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        // `m` starts `ms`: the unit runs to the next digit or dot, as in Go.
        let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (name, after) = after.split_at(end);
        let unit = UNITS.iter().find(|(known, _)| *known == name)?.1;
        let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()? };
        sum = sum.checked_add(whole.checked_mul(unit)?)?.checked_add(part(fraction, unit))?;
        rest = after;
    }
    Some(sum)
}

/// The digits at the front, and what follows them.
fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// `fraction` of `unit`, cut off below a nanosecond. Eighteen digits are finer than that for every unit.
fn part(fraction: &str, unit: u64) -> u64 {
    let fraction = &fraction[..fraction.len().min(18)];
    let value: u128 = fraction.parse().unwrap_or(0);
    let nanos = value * u128::from(unit) / 10_u128.pow(fraction.len() as u32);
    u64::try_from(nanos).expect("a fraction is less than its unit")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(text: &str) -> Option<i128> {
        let signed = parse(text)?;
        let length = signed.length.as_nanos() as i128;
        Some(if signed.negative { -length } else { length })
    }

    #[test]
    fn go_notation_is_read() {
        for (text, expected) in [
            ("0", 0),
            ("+0", 0),
            ("45s", 45_000_000_000),
            ("1m30s", 90_000_000_000),
            ("1h2m3s4ms5us6ns", 3_723_004_005_006),
            ("1.5h", 5_400_000_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("10µs", 10_000),
            ("10μs", 10_000),
            ("-1.5s", -1_500_000_000),
            ("0.000000001s", 1),
            ("0.9999999999999999999999s", 999_999_999),
            ("9223372036854775807ns", i64::MAX.into()),
        ] {
            assert_eq!(nanos(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for text in [
            "",
            "-",
            "5",
            "s",
            ".s",
            "5 s",
            "5x",
            "5S",
            "1d",
            "1e3s",
            "--5s",
            "9223372036854775808ns",
            "10000000h",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn printing_reads_back() {
        for text in ["0ns", "700ms", "2.4s", "45s", "1m", "1m30s", "90m"] {
            let length = parse(text).unwrap().length;
            assert_eq!(print(length), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*") {
            let _ = parse(&text);
        }

        #[test]
        fn any_printed_duration_reads_back(nanos in 0..i64::MAX as u64) {
            let length = Duration::from_nanos(nanos);
            proptest::prop_assert_eq!(parse(&print(length)).map(|signed| signed.length), Some(length));
        }
    }
}
