//! The checks of values that have a structure of their own.

use std::error::Error as _;
use std::net::IpAddr;

use super::{integer, one_of};
use crate::flags::duration;
use crate::re2::Regexp;

const FORWARDED: [&str; 4] = ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Method", "X-Forwarded-Uri"];
const PROTOCOLS: [&str; 3] = ["X-Forwarded-Proto=http", "X-Forwarded-Proto=https", "X-Forwarded-Proto=auto"];

/// An address or a network, as `Source(…)` takes it.
pub(super) fn network(text: &str) -> Result<(), String> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let longest = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return Err(format!("has {text:?}, which is no address or network like 10.0.0.0/8")),
    };
    match length.map(str::parse::<u8>) {
        None => Ok(()),
        Some(Ok(bits)) if bits <= longest => Ok(()),
        _ => Err(format!("has {text:?}, whose prefix is not within 0 and {longest}")),
    }
}

/// An address of HTTP; none in an empty text.
pub(super) fn url(text: &str) -> Result<(), String> {
    let known = |url: &url::Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    match url::Url::parse(text) {
        Ok(url) if known(&url) => Ok(()),
        _ if text.is_empty() => Ok(()),
        _ => Err("is no address like http://localhost:8001".to_owned()),
    }
}

/// One entry of `-forwarded-headers`.
pub(super) fn forwarded_header(text: &str) -> Result<(), String> {
    if FORWARDED.contains(&text) || PROTOCOLS.contains(&text) || text.starts_with("X-Forwarded-Port=") {
        return Ok(());
    }
    Err(format!(
        "has {text:?}; use {}, X-Forwarded-Port=<port|auto> or X-Forwarded-Proto=<http|https|auto>",
        FORWARDED.join(", ")
    ))
}

/// One entry of a map.
pub(super) fn pair(text: &str) -> Result<(), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() && !value.trim().is_empty() => Ok(()),
        _ => Err(format!("has {text:?}, which is not key=value")),
    }
}

/// A YAML document of any shape.
pub(super) fn yaml(text: &str) -> Result<(), String> {
    serde_saphyr::from_str::<serde_json::Value>(text)
        .map(drop)
        .map_err(|error| format!("is not YAML: {}", first_line(&error.to_string())))
}

/// A regular expression (RE2).
pub(super) fn regexp(text: &str) -> Result<(), String> {
    Regexp::new(text).map(drop).map_err(|error| {
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        // The engine draws where the error is; its last line says what it is.
        let what = cause.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("is not a regular expression: {what}")
    })
}

/// `-breaker`: settings of Skipper's circuit breakers.
pub(super) fn breaker(text: &str) -> Result<(), String> {
    settings(text, |key, value| match key {
        "type" => one_of(value, &["consecutive", "rate", "disabled"]),
        "host" => Ok(()),
        "window" | "failures" | "half-open-requests" => number(key, value),
        "timeout" | "idle-ttl" => length(key, value),
        _ => Err(format!(
            "has {key:?}; use type, host, window, failures, timeout, half-open-requests or idle-ttl"
        )),
    })
}

/// `-ratelimits`: settings of Skipper's rate limits.
pub(super) fn rate_limit(text: &str) -> Result<(), String> {
    settings(text, |key, value| match key {
        "type" => {
            one_of(value, &["local", "client", "service", "clusterClient", "clusterService", "disabled"])
        }
        "max-hits" => number(key, value),
        "time-window" => length(key, value),
        "group" => Ok(()),
        _ => Err(format!("has {key:?}; use type, max-hits, time-window or group")),
    })
}

fn settings(text: &str, check: impl Fn(&str, &str) -> Result<(), String>) -> Result<(), String> {
    text.split(',').try_for_each(|entry| {
        let (key, value) =
            entry.split_once('=').ok_or_else(|| format!("has {entry:?}, which is not key=value"))?;
        check(key, value)
    })
}

fn number(key: &str, value: &str) -> Result<(), String> {
    integer(value).map(drop).ok_or_else(|| format!("has {key}={value}, which is not a whole number"))
}

fn length(key: &str, value: &str) -> Result<(), String> {
    duration::parse(value)
        .map(drop)
        .ok_or_else(|| format!("has {key}={value}, which is not a duration like 60s"))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_of_both_families() {
        for good in ["10.0.0.0/8", "10.1.2.3", "::1", "fd00::/8", "0.0.0.0/0"] {
            assert_eq!(network(good), Ok(()), "{good}");
        }
        for bad in ["", "10.0.0/8", "10.0.0.0/33", "fd00::/129", "10.0.0.0/", "host/8"] {
            assert!(network(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn settings_of_breakers_and_limits() {
        assert_eq!(breaker("type=rate,host=a.example,window=300,failures=30,timeout=3s"), Ok(()));
        assert!(breaker("rate").is_err());
        assert!(breaker("window=300s").unwrap_err().contains("window=300s"));
        assert_eq!(rate_limit("type=client,max-hits=20,time-window=60s"), Ok(()));
        assert!(rate_limit("hits=1").unwrap_err().contains("max-hits"));
    }
}
