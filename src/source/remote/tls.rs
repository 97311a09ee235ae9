//! TLS towards another route server: whom we trust, who we are, and taking up files that have changed.
//!
//! What can go wrong: files that cannot be read or do not fit together, at the start an error, and later a warning: the old ones
//! stay.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};

use super::FileError;
use crate::pem::certificates;

const AUTHORITY: &str = "-upstream-ca-file";
const CERTIFICATE: &str = "-upstream-cert-file";
const KEY: &str = "-upstream-key-file";

/// Where the keys and certificates are, as PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientFiles {
    /// `-upstream-ca-file`: the authorities of route servers; `None` for those that the system trusts.
    pub authority: Option<PathBuf>,
    /// `-upstream-cert-file` and `-upstream-key-file`: who we are, to those who ask.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// The state of TLS.
#[derive(Debug)]
pub(super) struct Tls {
    files: ClientFiles,
    modified: Vec<Option<SystemTime>>,
    config: Arc<ClientConfig>,
}

impl Tls {
    pub(super) fn load(files: ClientFiles) -> Result<Self, FileError> {
        let modified = files.modified();
        let config = Arc::new(files.read()?);
        Ok(Self { files, modified, config })
    }

    /// What the next handshake begins with. Reads the files again where one has changed.
    pub(super) fn current(&mut self) -> Arc<ClientConfig> {
        let modified = self.files.modified();
        if modified != self.modified {
            self.modified = modified;
            match self.files.read() {
                Ok(config) => {
                    self.config = Arc::new(config);
                    tracing::info!("the certificates towards the upstream are renewed");
                }
                // A certificate is often written before its key: the next change is read again.
                Err(error) => {
                    tracing::warn!(%error, "the certificates towards the upstream are not usable; the old ones stay");
                }
            }
        }
        Arc::clone(&self.config)
    }
}

impl ClientFiles {
    fn modified(&self) -> Vec<Option<SystemTime>> {
        let written = |path: &PathBuf| std::fs::metadata(path).and_then(|it| it.modified()).ok();
        let identity = self.identity.iter().flat_map(|(certificate, key)| [certificate, key]);
        self.authority.iter().chain(identity).map(written).collect()
    }

    fn read(&self) -> Result<ClientConfig, FileError> {
        let mut roots = RootCertStore::empty();
        match &self.authority {
            Some(path) => {
                for authority in certificates(path).map_err(|cause| FileError::new(AUTHORITY, path, cause))? {
                    roots.add(authority).map_err(|cause| FileError::new(AUTHORITY, path, cause))?;
                }
            }
            None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .expect("ring has ciphers for both versions")
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate)
                    .map_err(|cause| FileError::new(CERTIFICATE, certificate, cause))?;
                let private =
                    PrivateKeyDer::from_pem_file(key).map_err(|cause| FileError::new(KEY, key, cause))?;
                let config = config.with_client_auth_cert(chain, private);
                config.map_err(|cause| FileError::new(KEY, key, cause))?
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}
