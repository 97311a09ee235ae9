//! A token that every replica shows: for fleets without certificates. It goes over the network as it is, so it keeps out
//! who cannot listen in. Several lines are several tokens, so that one can be replaced while replicas run.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

use super::PeerError;
use crate::snapshot::Digest;

/// Where it travels.
const HEADER: &str = "authorization";

/// The tokens of a file, renewed when it changes.
#[derive(Debug)]
pub struct Token {
    path: PathBuf,
    known: ArcSwap<Known>,
}

#[derive(Debug, PartialEq, Eq)]
struct Known {
    shown: MetadataValue<Ascii>,
    taken: Vec<Digest>,
}

/// Shows the token with each request, where there is one.
#[derive(Clone, Debug, Default)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Token {
    pub(super) fn load(path: PathBuf) -> Result<Self, PeerError> {
        let known = ArcSwap::from_pointee(read(&path)?);
        Ok(Self { path, known })
    }

    /// Reads the file again.
    pub(super) fn look(&self) {
        match read(&self.path) {
            Ok(known) if known == **self.known.load() => {}
            Ok(known) => {
                self.known.store(Arc::new(known));
                tracing::info!("the token between replicas is renewed");
            }
            Err(error) => {
                tracing::warn!(%error, "the token between replicas is not usable; the old one stays")
            }
        }
    }

    pub(super) fn bearer(&self) -> Bearer {
        Bearer(Some(self.known.load().shown.clone()))
    }

    /// Whether a request with `metadata` shows one of the tokens. Digests are compared, and all of them: how long that
    /// takes tells nothing of a token.
    ///
    /// # Errors
    ///
    /// Where it does not.
    pub(in crate::replication) fn admits(&self, metadata: &MetadataMap) -> Result<(), Status> {
        let shown = metadata.get(HEADER).map_or(&[][..], |value| value.as_bytes());
        let shown = Digest::of(shown);
        let known = self.known.load();
        let same = known.taken.iter().fold(false, |same, taken| same | (*taken == shown));
        if same {
            Ok(())
        } else {
            Err(Status::unauthenticated("the token of --replication-token-file is missing"))
        }
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert(HEADER, token.clone());
        }
        Ok(request)
    }
}

fn read(path: &PathBuf) -> Result<Known, PeerError> {
    let text = std::fs::read_to_string(path).map_err(|cause| PeerError::file(path, cause))?;
    let header = |token: &str| format!("Bearer {token}");
    let mut tokens = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(header).peekable();
    let first = tokens.peek().ok_or_else(|| PeerError::file(path, "it holds no token"))?;
    let mut shown: MetadataValue<Ascii> =
        first.parse().map_err(|_| PeerError::file(path, "a token is printable text"))?;
    shown.set_sensitive(true);
    Ok(Known { shown, taken: tokens.map(|token| Digest::of(token.as_bytes())).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(header: &'static str) -> MetadataMap {
        let mut metadata = MetadataMap::new();
        metadata.insert(HEADER, MetadataValue::from_static(header));
        metadata
    }

    #[test]
    fn every_line_is_taken_the_first_is_shown_and_a_change_is_seen() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "new\n\nold\n").unwrap();
        let token = Token::load(file.path().to_owned()).unwrap();
        assert_eq!(token.bearer().0.unwrap(), "Bearer new");
        assert!(
            token.admits(&metadata("Bearer new")).is_ok() && token.admits(&metadata("Bearer old")).is_ok()
        );
        for wrong in ["Bearer ", "Bearer ol", "old", "Bearer new\tnew"] {
            assert!(token.admits(&metadata(wrong)).is_err(), "{wrong}");
        }
        assert!(token.admits(&MetadataMap::new()).is_err());

        std::fs::write(file.path(), "newer\nnew\n").unwrap();
        token.look();
        assert!(
            token.admits(&metadata("Bearer old")).is_err() && token.admits(&metadata("Bearer newer")).is_ok()
        );
        std::fs::write(file.path(), "\n").unwrap();
        token.look();
        assert!(token.admits(&metadata("Bearer newer")).is_ok(), "an empty file locks nobody out");
    }

    #[test]
    fn a_file_without_a_token_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Token::load(file.path().to_owned()).unwrap_err().to_string();
        assert!(error.contains("holds no token"), "{error}");
        std::fs::write(file.path(), "to\u{1}ken").unwrap();
        assert!(Token::load(file.path().to_owned()).unwrap_err().to_string().contains("printable"));
    }
}
