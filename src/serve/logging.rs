//! `GET /log`: how much this replica logs; `POST /log?level=LEVEL`: how much from now on. Nothing of it outlives the process.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use tracing::Level;
use url::form_urlencoded;

use crate::telemetry;

/// What is wrong with a query that names no level.
const NO_LEVEL: &str = "name a level: /log?level=error, warn, info, debug or trace\n";

/// The level now.
pub(super) fn level() -> Response {
    match telemetry::level() {
        Some(level) => format!("{}\n", level.as_str().to_lowercase()).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", telemetry::NotOurs)).into_response(),
    }
}

/// Sets the level that `query` names.
pub(super) fn set(query: &str) -> Response {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let named = pairs.find(|(name, _)| name == "level");
    let Some(level) = named.and_then(|(_, level)| level.parse::<Level>().ok()) else {
        return (StatusCode::BAD_REQUEST, NO_LEVEL).into_response();
    };
    match telemetry::set_level(level) {
        Ok(()) => {
            tracing::warn!(%level, "the log's level was changed by a command");
            format!("{}\n", level.as_str().to_lowercase()).into_response()
        }
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_is_none_is_refused_and_changes_nothing() {
        for query in ["", "level=", "level=loud", "debug", "level=8"] {
            assert_eq!(set(query).status(), StatusCode::BAD_REQUEST, "{query}");
        }
    }
}
