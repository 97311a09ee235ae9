//! The files of TLS, and the configuration that they make.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};

use super::ByName;
use crate::pem::certificates;
use crate::serve::http2::ALPN;

/// Where the keys and certificates are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// `-tls-cert` and `-tls-key`: PEM, each certificate with its chain, each key with the certificate at its place.
    pub identities: Vec<(PathBuf, PathBuf)>,
    /// `-mtls-authn-ca`: PEM, the authorities of clients.
    pub authorities: Vec<PathBuf>,
    /// `-mtls-authn-append-ca`: clients of the authorities that the system trusts are welcome too.
    pub system_authorities: bool,
    /// `-tls-min-version=1.3`: no TLS 1.2.
    pub only_tls13: bool,
    /// `-tls-key-log-file`: where the secrets of sessions are written.
    pub key_log: Option<PathBuf>,
}

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not there, or is not PEM.
    #[error("{flag}: cannot read {}: {cause}", path.display())]
    File {
        /// The flag that names it.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// A key is of another certificate, or of a kind that is not known.
    #[error("-tls-key: {} does not go with {}: {cause}", key.display(), certificate.display())]
    Key {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        cause: rustls::Error,
    },
    /// Nobody could ever show a certificate that is trusted.
    #[error("-mtls-authn-ca: {0}; name a PEM file with the authority of the clients")]
    Authorities(String),
}

impl TlsFiles {
    /// When each file was last written; what cannot be looked at has no such moment.
    pub(super) fn modified(&self) -> Vec<Option<SystemTime>> {
        let identities = self.identities.iter().flat_map(|(certificate, key)| [certificate, key]);
        let written = |path: &PathBuf| std::fs::metadata(path).and_then(|it| it.modified()).ok();
        identities.chain(&self.authorities).map(written).collect()
    }

    /// The configuration that they make.
    pub(super) fn read(&self) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let keys = self.identities.iter().map(|(certificate, key)| {
            let chain =
                certificates(certificate).map_err(|cause| TlsError::file("-tls-cert", certificate, cause))?;
            let private =
                PrivateKeyDer::from_pem_file(key).map_err(|cause| TlsError::file("-tls-key", key, cause))?;
            let certified = CertifiedKey::from_der(chain, private, &provider);
            certified.map(Arc::new).map_err(|cause| TlsError::Key {
                certificate: certificate.clone(),
                key: key.clone(),
                cause,
            })
        });
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(self.roots()?), provider.clone())
            .allow_unauthenticated()
            .build()
            .map_err(|cause| TlsError::Authorities(cause.to_string()))?;
        let versions: &[_] = if self.only_tls13 { &[&TLS13] } else { &[&TLS13, &TLS12] };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("ring has ciphers for both versions")
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(ByName(keys)));
        config.alpn_protocols = vec![ALPN.to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    fn roots(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        for path in &self.authorities {
            for authority in
                certificates(path).map_err(|cause| TlsError::file("-mtls-authn-ca", path, cause))?
            {
                roots.add(authority).map_err(|cause| TlsError::file("-mtls-authn-ca", path, cause))?;
            }
        }
        if self.system_authorities {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Ok(roots)
    }
}

impl TlsError {
    pub(super) fn file(flag: &'static str, path: &Path, cause: impl ToString) -> Self {
        Self::File { flag, path: path.to_owned(), cause: cause.to_string() }
    }
}
