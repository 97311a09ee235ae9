//! URLs as Go's `net/url` (1.27) takes and writes them: the peer's rules for addresses are Go's.
//!
//! What comes out is decoded where Go decodes it, and so may be bytes that are no text.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv6Addr;

use super::percent::{Part, escape, is_escaped, unescape};

/// A URL in its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Url {
    /// In lower case, without its colon; empty in a reference.
    pub scheme: String,
    /// What follows the scheme if that is no slash.
    pub opaque: String,
    /// Name and password, both decoded.
    pub user: Option<(Vec<u8>, Option<Vec<u8>>)>,
    /// Host and port, decoded; an IPv6 address in brackets.
    pub host: Vec<u8>,
    /// Decoded.
    pub path: Vec<u8>,
    /// As written, without its `?`.
    pub query: String,
    /// Decoded, without its `#`.
    pub fragment: Vec<u8>,
    raw_path: String,
    raw_fragment: String,
    bare_question_mark: bool,
    no_authority: bool,
}

impl Url {
    /// Go's `url.Parse`.
    ///
    /// # Errors
    ///
    /// Why the text is no URL reference.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
        let mut url = Self::parse_reference(text, false)?;
        url.fragment = unescape(fragment.as_bytes(), Part::Fragment)?.into_owned();
        url.raw_fragment = fragment.to_owned();
        Ok(url)
    }

    /// Go's `url.ParseRequestURI`: an absolute URL or an absolute path; a `#` has no meaning.
    ///
    /// # Errors
    ///
    /// Why the text is neither.
    pub fn parse_request(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() { Err("it is empty") } else { Self::parse_reference(text, true) }
    }

    /// The host without port and brackets, as Go's `URL.Hostname`.
    pub fn hostname(&self) -> Cow<'_, str> {
        let host = match self.host.iter().rposition(|&byte| byte == b':') {
            Some(colon) if is_port(&self.host[colon..]) => &self.host[..colon],
            _ => &self.host,
        };
        let bare = host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]"));
        String::from_utf8_lossy(bare.unwrap_or(host))
    }

    fn parse_reference(text: &str, request: bool) -> Result<Self, &'static str> {
        if text.bytes().any(|byte| byte.is_ascii_control()) {
            return Err("it has a control character");
        }
        let mut url = Self::default();
        if text == "*" {
            url.path = b"*".to_vec();
            url.raw_path = text.to_owned();
            return Ok(url);
        }
        let (scheme, rest) = split_scheme(text)?;
        url.scheme = scheme.to_ascii_lowercase();
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        url.bare_question_mark = query.is_empty() && text.ends_with('?');
        url.query = query.to_owned();

        if !rest.starts_with('/') {
            if !url.scheme.is_empty() {
                url.opaque = rest.to_owned();
                return Ok(url);
            }
            if request {
                return Err("it has neither a scheme nor a leading slash");
            }
            if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
                return Err("its first segment has a colon");
            }
        }
        let mut path = rest;
        let may_have_authority = !url.scheme.is_empty() || !request && !rest.starts_with("///");
        if may_have_authority && let Some(rest) = rest.strip_prefix("//") {
            let (authority, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            path = rest;
            url.parse_authority(authority)?;
        } else {
            url.no_authority = !url.scheme.is_empty();
        }
        url.path = unescape(path.as_bytes(), Part::Path)?.into_owned();
        url.raw_path = path.to_owned();
        Ok(url)
    }

    fn parse_authority(&mut self, authority: &str) -> Result<(), &'static str> {
        let Some((user, host)) = authority.rsplit_once('@') else {
            self.host = parse_host(&self.scheme, authority)?;
            return Ok(());
        };
        self.host = parse_host(&self.scheme, host)?;
        if !user.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte)) {
            return Err("invalid character in the user's name or password");
        }
        let decode = |part: &str| unescape(part.as_bytes(), Part::User).map(Cow::into_owned);
        self.user = Some(match user.split_once(':') {
            Some((name, password)) => (decode(name)?, Some(decode(password)?)),
            None => (decode(user)?, None),
        });
        Ok(())
    }
}

/// Go's `URL.String`.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.scheme.is_empty() {
            write!(f, "{}:", self.scheme)?;
        }
        if self.opaque.is_empty() {
            let has_authority = !self.host.is_empty() || self.user.is_some();
            let slashes =
                has_authority || !self.scheme.is_empty() && !self.no_authority && !self.path.is_empty();
            if slashes {
                f.write_str("//")?;
            }
            if let Some((name, password)) = &self.user {
                f.write_str(&escape(name, Part::User))?;
                if let Some(password) = password {
                    write!(f, ":{}", escape(password, Part::User))?;
                }
                f.write_str("@")?;
            }
            f.write_str(&escape(&self.host, Part::Host))?;
            let path = as_written(&self.raw_path, &self.path, Part::Path);
            let first_segment = path.split('/').next().unwrap_or_default();
            if self.no_authority && path.starts_with("//") {
                write!(f, "%2F{}", &path[1..])?;
            } else if self.scheme.is_empty() && !has_authority && first_segment.contains(':') {
                write!(f, "./{path}")?;
            } else {
                f.write_str(&path)?;
            }
        } else {
            f.write_str(&self.opaque)?;
        }
        if self.bare_question_mark || !self.query.is_empty() {
            write!(f, "?{}", self.query)?;
        }
        if self.fragment.is_empty() {
            return Ok(());
        }
        write!(f, "#{}", as_written(&self.raw_fragment, &self.fragment, Part::Fragment))
    }
}

/// The query's values by key. Pairs that do not decode are left out, as are those with a `;`.
pub fn parse_query(query: &str) -> BTreeMap<Vec<u8>, Vec<Vec<u8>>> {
    let mut values = BTreeMap::<_, Vec<_>>::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';')) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decode = |text: &str| unescape(text.as_bytes(), Part::Query).map(Cow::into_owned);
        if let (Ok(key), Ok(value)) = (decode(key), decode(value)) {
            values.entry(key).or_default().push(value);
        }
    }
    values
}

/// Go's `url.Values.Encode`: sorted by key.
pub fn write_query(values: &BTreeMap<Vec<u8>, Vec<Vec<u8>>>) -> String {
    let mut query = String::new();
    for (key, value) in values.iter().flat_map(|(key, values)| values.iter().map(move |value| (key, value))) {
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(&escape(key, Part::Query));
        query.push('=');
        query.push_str(&escape(value, Part::Query));
    }
    query
}

/// Go's `url.QueryEscape`.
pub fn query_escape(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| is_escaped(byte, Part::Query)) {
        Cow::Owned(escape(text.as_bytes(), Part::Query))
    } else {
        Cow::Borrowed(text)
    }
}

fn split_scheme(text: &str) -> Result<(&str, &str), &'static str> {
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err("the scheme is missing before the colon"),
            b':' => return Ok((&text[..at], &text[at + 1..])),
            _ => break,
        }
    }
    Ok(("", text))
}

fn parse_host(scheme: &str, host: &str) -> Result<Vec<u8>, &'static str> {
    const PORT: &str = "the port is not a number";
    match host.rfind('[') {
        Some(0) => {
            let (address, port) = host[1..].rsplit_once(']').ok_or("a bracket is missing in the host")?;
            if !is_port(port.as_bytes()) {
                return Err(PORT);
            }
            let mut decoded = b"[".to_vec();
            let (bare, zone) = address.split_at(address.find("%25").unwrap_or(address.len()));
            let bare = unescape(bare.as_bytes(), Part::Host)?;
            let zone = unescape(zone.as_bytes(), Part::HostZone)?;
            let is_ipv6 = std::str::from_utf8(&bare).is_ok_and(|bare| bare.parse::<Ipv6Addr>().is_ok());
            if !is_ipv6 || zone.len() == 1 {
                return Err("what stands in brackets is not an IPv6 address");
            }
            decoded.extend_from_slice(&bare);
            decoded.extend_from_slice(&zone);
            decoded.push(b']');
            decoded.extend_from_slice(port.as_bytes());
            return Ok(decoded);
        }
        Some(_) => return Err("a bracket stands inside the host"),
        None => {}
    }
    // Go takes several hosts with ports for other schemes, as databases have them.
    let colon = if matches!(scheme, "http" | "https") { host.find(':') } else { host.rfind(':') };
    if colon.is_some_and(|colon| !is_port(&host.as_bytes()[colon..])) {
        return Err(PORT);
    }
    unescape(host.as_bytes(), Part::Host).map(Cow::into_owned)
}

/// Whether `text` is empty or a colon and digits.
fn is_port(text: &[u8]) -> bool {
    match text {
        [] => true,
        [colon, digits @ ..] => *colon == b':' && digits.iter().all(u8::is_ascii_digit),
    }
}

/// The encoded form: the one that was written if it is valid, else Go's own.
fn as_written<'a>(raw: &'a str, decoded: &[u8], part: Part) -> Cow<'a, str> {
    let stays = |byte: u8| b"!$&'()*+,;=:@[]%".contains(&byte) || !is_escaped(byte, part);
    if raw.bytes().all(stays) { Cow::Borrowed(raw) } else { Cow::Owned(escape(decoded, part)) }
}

#[cfg(test)]
mod tests;
