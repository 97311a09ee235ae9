//! TLS on the main listener: who we are, whose clients we know, and taking up files that have changed.
//!
//! A client without a certificate gets through the handshake, so that a kubelet can ask for `/health`; everything
//! else asks for one. What can go wrong: files that cannot be read or do not fit together, at the start an error, and
//! later a warning: the old ones serve on.

mod files;
mod key_log;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{MissedTickBehavior, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use key_log::KeyLogFile;

pub use files::{TlsError, TlsFiles};

/// How often the files are looked at. Kubernetes takes a minute to change a mounted Secret; certificates are renewed
/// days before they end.
const LOOK: Duration = Duration::from_secs(5);

/// How long a client may take for the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What a request carries whose connection showed a certificate of one of the authorities.
#[derive(Clone, Copy, Debug)]
pub(super) struct Certified;

/// The state of TLS, renewed while connections go on under what they began with.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    key_log: Option<Arc<KeyLogFile>>,
    config: ArcSwap<ServerConfig>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// Where one cannot be read, holds nothing useful, or a key is not its certificate's.
    pub fn load(files: TlsFiles) -> Result<Arc<Self>, TlsError> {
        let open = |path: &PathBuf| {
            tracing::warn!(path = %path.display(), "the secrets of TLS sessions are written down; for tests only");
            KeyLogFile::open(path).map_err(|cause| TlsError::file("-tls-key-log-file", path, cause))
        };
        let key_log = files.key_log.as_ref().map(open).transpose()?.map(Arc::new);
        let config = ArcSwap::from_pointee(configured(&files, key_log.as_ref())?);
        Ok(Arc::new(Self { files, key_log, config }))
    }

    /// Takes up files that have changed, for ever.
    pub async fn renew(self: Arc<Self>) {
        let mut known = self.files.modified();
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let now = self.files.modified();
            if now != known {
                known = now;
                self.reload();
            }
        }
    }

    fn reload(&self) {
        match configured(&self.files, self.key_log.as_ref()) {
            Ok(config) => {
                self.config.store(Arc::new(config));
                tracing::info!("the certificates of the main listener are renewed");
            }
            // A certificate is often written before its key: the next change is read again.
            Err(error) => {
                tracing::warn!(%error, "the certificates on disk are not usable; the old ones serve on")
            }
        }
    }

    /// The handshake on `stream`; also whether the client showed a certificate that we trust.
    pub(super) async fn accept<I: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: I,
    ) -> Option<(TlsStream<I>, Option<Certified>)> {
        let accepted = TlsAcceptor::from(self.config.load_full()).accept(stream);
        let stream = timeout(HANDSHAKE, accepted).await.ok()?.ok()?;
        let certified = stream.get_ref().1.peer_certificates().map(|_| Certified);
        Some((stream, certified))
    }
}

fn configured(files: &TlsFiles, key_log: Option<&Arc<KeyLogFile>>) -> Result<ServerConfig, TlsError> {
    let mut config = files.read()?;
    if let Some(key_log) = key_log {
        config.key_log = key_log.clone();
    }
    Ok(config)
}

/// Several certificates: the first that has the name that the client asks for, else the first.
#[derive(Debug)]
struct ByName(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().and_then(|name| name.to_owned().try_into().ok());
        let fits = |key: &&Arc<CertifiedKey>| {
            let certificate =
                key.end_entity_cert().ok().and_then(|der| ParsedCertificate::try_from(der).ok());
            name.as_ref().zip(certificate).is_some_and(|(name, certificate)| {
                rustls::client::verify_server_name(&certificate, name).is_ok()
            })
        };
        self.0.iter().find(fits).or(self.0.first()).cloned()
    }
}

#[cfg(test)]
mod tests;
