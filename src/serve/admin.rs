//! Commands to a running replica on its support listener: who may give them.
//!
//! They are taken from this machine (`kubectl port-forward` ends there too), or from whoever knows the token; from others
//! not (403).

use std::net::SocketAddr;
use std::path::PathBuf;

use http::HeaderMap;
use http::header::{AUTHORIZATION, ORIGIN};

use crate::snapshot::Digest;

/// Whether a command comes from somebody who may give it.
///
/// # Errors
///
/// Why not.
pub(super) async fn authorize(
    peer: Option<SocketAddr>,
    headers: &HeaderMap,
    token_file: Option<&PathBuf>,
) -> Result<(), String> {
    if headers.contains_key(ORIGIN) {
        return Err("commands are not taken from web pages".to_owned());
    }
    if peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback()) {
        return Ok(());
    }
    let Some(path) = token_file else {
        return Err("commands are taken from this machine only; --admin-token-file lets others in".to_owned());
    };
    // Read each time: a token that was replaced must not open any more.
    let expected = tokio::fs::read_to_string(path).await.map_err(|error| {
        tracing::warn!(path = %path.display(), %error, "the token for commands cannot be read");
        "the token for commands cannot be read here".to_owned()
    })?;
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    // Digests take the same time to compare, whatever is wrong with the token.
    let same = Digest::of(given.trim().as_bytes()) == Digest::of(expected.trim().as_bytes());
    if same && !expected.trim().is_empty() {
        Ok(())
    } else {
        Err("commands from other machines need the token of --admin-token-file".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn authorized(peer: &str, headers: &[(http::HeaderName, &str)], file: Option<&PathBuf>) -> bool {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        authorize(peer.parse().ok(), &headers, file).await.is_ok()
    }

    #[tokio::test]
    async fn only_this_machine_and_the_token_may() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "secret\n").unwrap();
        let path = &file.path().to_owned();
        assert!(authorized("127.0.0.1:5", &[], None).await);
        assert!(authorized("[::1]:5", &[], Some(path)).await);
        assert!(authorized("[::ffff:127.0.0.1]:5", &[], None).await);
        assert!(!authorized("10.0.0.7:5", &[], None).await);
        assert!(!authorized("10.0.0.7:5", &[(AUTHORIZATION, "Bearer secret")], None).await);
        assert!(!authorized("gone", &[], Some(path)).await);
        assert!(authorized("10.0.0.7:5", &[(AUTHORIZATION, "Bearer secret")], Some(path)).await);
        assert!(!authorized("10.0.0.7:5", &[(AUTHORIZATION, "Bearer secre")], Some(path)).await);
        assert!(!authorized("10.0.0.7:5", &[(AUTHORIZATION, "secret")], Some(path)).await);
        assert!(!authorized("127.0.0.1:5", &[(ORIGIN, "http://a.test")], None).await, "a browser");

        std::fs::write(file.path(), "\n").unwrap();
        assert!(
            !authorized("10.0.0.7:5", &[(AUTHORIZATION, "Bearer ")], Some(path)).await,
            "no token, no way"
        );
        std::fs::write(file.path(), "other").unwrap();
        assert!(!authorized("10.0.0.7:5", &[(AUTHORIZATION, "Bearer secret")], Some(path)).await);
    }
}
