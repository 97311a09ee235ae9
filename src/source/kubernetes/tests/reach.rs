//! The ways in which an API server cannot be reached, and what the operator gets to read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// A server that shakes hands and hangs up, with a certificate for `name`; the path is its authority's.
async fn tls_server(name: &str, dir: &Path) -> (String, PathBuf) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let ca = dir.join(format!("{name}.pem"));
    std::fs::write(&ca, authority.pem()).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from(certificate.der().to_vec())],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(TlsAcceptor::from(Arc::new(config.clone())).accept(stream).await);
        }
    });
    (format!("https://{address}"), ca)
}

async fn error_at(url: &str, ca_file: Option<PathBuf>) -> SourceError {
    let access = Access::Url { url: url.to_owned(), token_file: None, ca_file };
    source(url, |config| config.access = access).await.0.read().await.unwrap_err()
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = error_at(&url, None).await;
    assert_eq!(error.code, "unreachable");
    assert!(error.cause.contains("refused") && error.cause.contains("-kubernetes-url"), "{error}");
}

#[tokio::test]
async fn certificates_that_do_not_fit_say_how() {
    let dir = tempfile::tempdir().unwrap();
    let (right, right_ca) = tls_server("127.0.0.1", dir.path()).await;
    let (named, named_ca) = tls_server("api.test", dir.path()).await;
    let error = error_at(&right, Some(named_ca.clone())).await;
    assert_eq!(error.code, "tls");
    assert!(error.cause.contains("not trusted"), "{error}");
    let error = error_at(&named, Some(named_ca)).await;
    assert_eq!(error.code, "tls");
    assert!(error.cause.contains("another name"), "{error}");
    let error = error_at(&right, Some(right_ca)).await;
    assert_eq!(error.code, "cut", "the right one gets past TLS: {error}");
}

#[tokio::test]
async fn tls_to_a_plain_port_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (_, ca) = tls_server("127.0.0.1", dir.path()).await;
    let (_fake, url) = Fake::start(nothing).await;
    let error = error_at(&url.replace("http:", "https:"), Some(ca)).await;
    assert_eq!(error.code, "tls");
    assert!(error.cause.contains("http://"), "{error}");
}

#[tokio::test]
async fn the_token_is_sent() {
    let (fake, url) = Fake::start(nothing).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "secret\n").unwrap();
    let access = Access::Url { url: url.clone(), token_file: Some(file.path().to_owned()), ca_file: None };
    source(&url, |config| config.access = access).await.0.read().await.unwrap();
    let sent = fake.authorizations.lock();
    assert_eq!(sent.len(), 5);
    assert!(sent.iter().all(|header| header == "Bearer secret"));
}
