//! Percent encoding as Go's `net/url` does it (RFC 3986 with Go's habits): which bytes stay, part by part.

use std::borrow::Cow;

/// The part of a URL that a text belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    User,
    Host,
    /// The zone of an IPv6 address.
    HostZone,
    Path,
    Query,
    Fragment,
}

/// Whether `byte` is percent-encoded in `part`.
pub(super) fn is_escaped(byte: u8, part: Part) -> bool {
    match byte {
        _ if byte.is_ascii_alphanumeric() => false,
        b'-' | b'_' | b'.' | b'~' => false,
        b'!' | b'\'' | b'(' | b')' | b'*' | b'[' | b']' | b'<' | b'>' | b'"'
            if matches!(part, Part::Host | Part::HostZone) =>
        {
            false
        }
        b'$' | b'&' | b'+' | b',' | b';' | b'=' => part == Part::Query,
        b':' => matches!(part, Part::User | Part::Query),
        b'/' | b'@' => !matches!(part, Part::Path | Part::Fragment),
        b'?' => part != Part::Fragment,
        b'!' | b'(' | b')' | b'*' => part != Part::Fragment,
        _ => true,
    }
}

/// Encodes `text`; a blank in a query becomes `+`.
pub(super) fn escape(text: &[u8], part: Part) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut escaped = String::with_capacity(text.len());
    for &byte in text {
        if byte == b' ' && part == Part::Query {
            escaped.push('+');
        } else if is_escaped(byte, part) {
            escaped.push('%');
            escaped.push(char::from(HEX[usize::from(byte >> 4)]));
            escaped.push(char::from(HEX[usize::from(byte & 15)]));
        } else {
            escaped.push(char::from(byte));
        }
    }
    escaped
}

/// Decodes `text`.
///
/// # Errors
///
/// A `%` without two hexadecimal digits; in a host also what may not stand there.
pub(super) fn unescape(text: &[u8], part: Part) -> Result<Cow<'_, [u8]>, &'static str> {
    let in_host = matches!(part, Part::Host | Part::HostZone);
    let mut decoded = Vec::new();
    let mut at = 0;
    let mut run = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'%' => {
                let value = text.get(at + 1..at + 3).and_then(hex_byte).ok_or("invalid percent encoding")?;
                let allowed = match part {
                    Part::Host => value >= 0x80 || value == b'%',
                    Part::HostZone => value == b'%' || value == b' ' || !is_escaped(value, Part::Host),
                    _ => true,
                };
                if !allowed {
                    return Err("invalid percent encoding in the host");
                }
                decoded.extend_from_slice(&text[run..at]);
                decoded.push(value);
                at += 3;
                run = at;
                continue;
            }
            b'+' if part == Part::Query => {
                decoded.extend_from_slice(&text[run..at]);
                decoded.push(b' ');
                run = at + 1;
            }
            _ if in_host && byte.is_ascii() && is_escaped(byte, part) => {
                return Err("invalid character in the host");
            }
            _ => {}
        }
        at += 1;
    }
    if run == 0 {
        return Ok(Cow::Borrowed(text));
    }
    decoded.extend_from_slice(&text[run..]);
    Ok(Cow::Owned(decoded))
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let [high, low] = digits else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
}
