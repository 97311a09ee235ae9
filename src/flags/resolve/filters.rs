//! Filters in front of the main listener: `-route-server-filters`.
//!
//! Their arguments are those of Skipper's filters of the same names. What could break a table's delivery is refused: the
//! headers that an answer has of itself, and statuses without a body.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};

use super::Values;
use crate::eskip::{Arg, Filter};
use crate::flags::{FlagError, duration, language};
use crate::serve::{MOST_MOMENTS, Per, ServerFilter, X_COUNT, X_TABLE_VERSION};

const NAME: &str = "route-server-filters";

/// The names that there are.
const KNOWN: &str = "basicAuth, ratelimit, clientRatelimit, status, inlineContent, setResponseHeader, \
                     appendResponseHeader, dropResponseHeader";

/// What an answer says of itself.
const OWN: [HeaderName; 13] = [
    header::ACCEPT_RANGES,
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::DATE,
    header::ETAG,
    header::LAST_MODIFIED,
    header::LOCATION,
    header::TRANSFER_ENCODING,
    X_COUNT,
    X_TABLE_VERSION,
];

/// The filters, in their order.
pub(super) fn filters(values: &Values) -> Result<Vec<ServerFilter>, FlagError> {
    let mut filters = Vec::new();
    for value in values.each(NAME) {
        let refuse = |complaint: String| FlagError::value(NAME, value, complaint);
        for filter in language::filters(value).map_err(refuse)? {
            let refuse = |complaint| FlagError::value(NAME, value, format!("{}: {complaint}", filter.name));
            filters.push(of(&filter).map_err(refuse)?);
        }
    }
    Ok(filters)
}

fn of(filter: &Filter) -> Result<ServerFilter, String> {
    let args = filter.args.as_slice();
    match filter.name.as_str() {
        "basicAuth" => basic_auth(args),
        "ratelimit" => match args {
            [hits, window] => rate_limit(hits, window, Per::All, StatusCode::TOO_MANY_REQUESTS),
            [hits, window, Arg::Number(code)] => rate_limit(hits, window, Per::All, status(*code)?),
            _ => Err("takes a number, a duration, and perhaps a status".to_owned()),
        },
        "clientRatelimit" => match args {
            [hits, window] => rate_limit(hits, window, Per::Address, StatusCode::TOO_MANY_REQUESTS),
            [hits, window, Arg::String(name)] => {
                rate_limit(hits, window, Per::Header(name_of(name)?), StatusCode::TOO_MANY_REQUESTS)
            }
            _ => Err("takes a number, a duration, and perhaps the name of a header".to_owned()),
        },
        "status" => match args {
            [Arg::Number(code)] => Ok(ServerFilter::Status(status(*code)?)),
            _ => Err("takes a status".to_owned()),
        },
        "inlineContent" => match args {
            [Arg::String(text)] => inline(text, "text/plain; charset=utf-8"),
            [Arg::String(text), Arg::String(mime)] => inline(text, mime),
            _ => Err("takes a text, and perhaps its type".to_owned()),
        },
        "setResponseHeader" => header(args).map(|(name, value)| ServerFilter::SetHeader(name, value)),
        "appendResponseHeader" => header(args).map(|(name, value)| ServerFilter::AppendHeader(name, value)),
        "dropResponseHeader" => match args {
            [Arg::String(name)] => Ok(ServerFilter::DropHeader(name_of(name)?)),
            _ => Err("takes the name of a header".to_owned()),
        },
        _ => Err(format!("is no filter for the port of a route server; there are {KNOWN}")),
    }
}

/// As with Skipper, a realm that is no text, or is followed by more, does not count.
fn basic_auth(args: &[Arg]) -> Result<ServerFilter, String> {
    let (file, realm) = match args {
        [Arg::String(file), Arg::String(realm)] => (file, realm.as_str()),
        [Arg::String(file), ..] => (file, "Basic Realm"),
        _ => return Err("takes a file of users and passwords, and perhaps a realm".to_owned()),
    };
    let challenge = text(&format!("Basic realm=\"{realm}\""))?;
    Ok(ServerFilter::BasicAuth { file: file.into(), challenge })
}

fn rate_limit(hits: &Arg, window: &Arg, per: Per, status: StatusCode) -> Result<ServerFilter, String> {
    let hits = match hits {
        Arg::Number(hits) if (0.0..=MOST_MOMENTS as f64).contains(hits) => *hits as usize,
        _ => return Err(format!("allows 0 to {MOST_MOMENTS} requests")),
    };
    let window = match window {
        Arg::String(text) => duration::parse(text).filter(|it| !it.negative).map(|it| it.length),
        Arg::Number(secs) if (0.0..=1e9).contains(secs) => Some(Duration::from_secs(*secs as u64)),
        Arg::Number(_) => None,
    };
    let window = window.filter(|window| !window.is_zero());
    let window = window.ok_or("counts within a duration as \"1m\", or so many seconds")?;
    Ok(ServerFilter::RateLimit { hits, window, per, status })
}

fn inline(content: &str, mime: &str) -> Result<ServerFilter, String> {
    Ok(ServerFilter::InlineContent { text: Bytes::from(content.to_owned()), mime: text(mime)? })
}

/// Those without a body, or that end nothing, would break what follows on the connection.
fn status(code: f64) -> Result<StatusCode, String> {
    let status =
        StatusCode::from_u16(code as u16).ok().filter(|status| (200..600).contains(&status.as_u16()));
    let has_body = |status: &StatusCode| ![204, 205, 304].contains(&status.as_u16());
    status.filter(has_body).ok_or_else(|| format!("{code} is no status for an answer with a body"))
}

fn header(args: &[Arg]) -> Result<(HeaderName, HeaderValue), String> {
    let [Arg::String(name), Arg::String(value)] = args else {
        return Err("takes the name of a header and its value".to_owned());
    };
    if value.contains("${") {
        return Err("takes no templates as ${…}".to_owned());
    }
    Ok((name_of(name)?, text(value)?))
}

fn name_of(name: &str) -> Result<HeaderName, String> {
    let name = HeaderName::try_from(name).map_err(|_| format!("{name:?} is no name of a header"))?;
    if OWN.contains(&name) {
        return Err(format!("an answer says {name} of itself"));
    }
    Ok(name)
}

fn text(value: &str) -> Result<HeaderValue, String> {
    HeaderValue::try_from(value).map_err(|_| format!("{value:?} cannot stand in a header"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eskip::parse_filters;

    fn built(text: &str) -> Result<Vec<ServerFilter>, String> {
        parse_filters(text).expect("it parses").iter().map(of).collect()
    }

    #[test]
    fn arguments_are_those_of_skipper() {
        let minute = Duration::from_secs(60);
        let limit = |hits, per, status| ServerFilter::RateLimit {
            hits,
            window: minute,
            per,
            status: StatusCode::from_u16(status).unwrap(),
        };
        for (text, expected) in [
            ("ratelimit(20, \"1m\")", limit(20, Per::All, 429)),
            ("ratelimit(20.9, 60, 503)", limit(20, Per::All, 503)),
            ("clientRatelimit(3, \"60s\")", limit(3, Per::Address, 429)),
            (
                "clientRatelimit(3, \"1m\", \"Authorization\")",
                limit(3, Per::Header(header::AUTHORIZATION), 429),
            ),
            (
                "basicAuth(\"/users\", \"fleet\")",
                ServerFilter::BasicAuth {
                    file: "/users".into(),
                    challenge: HeaderValue::from_static("Basic realm=\"fleet\""),
                },
            ),
            (
                "setResponseHeader(\"X-Fleet\", \"a\")",
                ServerFilter::SetHeader(HeaderName::from_static("x-fleet"), HeaderValue::from_static("a")),
            ),
        ] {
            assert_eq!(built(text), Ok(vec![expected]), "{text}");
        }
        assert_eq!(built("status(503) -> inlineContent(\"closed\")").map(|filters| filters.len()), Ok(2));
    }

    #[test]
    fn what_would_break_an_answer_is_refused_with_its_reason() {
        for (text, part) in [
            ("latency(100)", "basicAuth, ratelimit, clientRatelimit"),
            ("setResponseHeader(\"etag\", \"x\")", "says etag of itself"),
            ("dropResponseHeader(\"Content-Length\")", "says content-length of itself"),
            ("appendResponseHeader(\"X\", \"${request.header.Y}\")", "no templates"),
            ("appendResponseHeader(\"X Y\", \"a\")", "is no name"),
            ("appendResponseHeader(\"X\", \"a\nb\")", "cannot stand in a header"),
            ("status(304)", "304 is no status"),
            ("status(99999)", "99999 is no status"),
            ("ratelimit(-1, \"1m\")", "allows 0 to"),
            ("ratelimit(1, \"0s\")", "within a duration"),
            ("ratelimit(1)", "takes a number, a duration"),
            ("basicAuth()", "takes a file"),
        ] {
            let refusal = built(text).expect_err(text);
            assert!(refusal.contains(part), "{text}: {refusal}");
        }
    }
}
