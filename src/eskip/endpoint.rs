//! Endpoints as they stand in a load-balanced backend: `http://10.0.0.1:8080?zone=eu-1a`.

use super::Endpoint;
use super::url::{self, Url};

/// The scheme of an endpoint, in lower case; empty for a path alone.
///
/// # Errors
///
/// What Go's `url.ParseRequestURI` refuses, and so Skipper.
pub(super) fn scheme(text: &str) -> Result<String, &'static str> {
    Url::parse_request(text).map(|url| url.scheme)
}

impl From<&str> for Endpoint {
    /// Takes the zone out of the query. The rest of the query is then written anew, as Skipper does: sorted by key.
    /// Without a zone, or where the text is no URL, it is the address as it is.
    fn from(text: &str) -> Self {
        let whole = || Self { address: text.to_owned(), zone: String::new() };
        if !text.contains('?') {
            return whole();
        }
        let Ok(mut url) = Url::parse(text) else { return whole() };
        let mut query = url::parse_query(&url.query);
        let Some(zones) = query.remove(b"zone".as_slice()) else { return whole() };
        match String::from_utf8(zones.into_iter().next().unwrap_or_default()) {
            Ok(zone) if !zone.is_empty() => {
                url.query = url::write_query(&query);
                Self { address: url.to_string(), zone }
            }
            _ => whole(),
        }
    }
}
