//! Mutual TLS between replicas, from files that may change at any time. Each side checks that the other's certificate
//! is signed by an authority of ours; whose it is, is checked when the other has said who it is.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};
use tokio_stream::wrappers::ReceiverStream;

use super::{PeerError, Proof, TlsFiles};
use crate::net::{Listener, Stream};
use crate::pem::certificates;

/// How long a caller may take for the handshake.
const HANDSHAKE: Duration = Duration::from_secs(2);

/// Handshakes at once; whoever comes then waits.
const HANDSHAKES: usize = 32;

/// How long to wait where the system gives no connection.
const PAUSE: Duration = Duration::from_millis(50);

/// The name for a handshake whose names are checked later.
const ANY: &str = "replica";

/// The state of TLS, renewed while connections go on under what they began with.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    modified: Mutex<Vec<Option<SystemTime>>>,
    configs: ArcSwap<Configs>,
}

#[derive(Debug)]
struct Configs {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl Tls {
    pub(super) fn load(files: TlsFiles) -> Result<Self, PeerError> {
        let modified = Mutex::new(files.modified());
        let configs = ArcSwap::from_pointee(files.read()?);
        Ok(Self { files, modified, configs })
    }

    /// Reads the files again where one has changed.
    pub(super) fn look(&self) {
        let modified = self.files.modified();
        if std::mem::replace(&mut *self.modified.lock(), modified.clone()) == modified {
            return;
        }
        match self.files.read() {
            Ok(configs) => {
                self.configs.store(Arc::new(configs));
                tracing::info!("the certificates between replicas are renewed");
            }
            // A certificate is often written before its key: the next change is read again.
            Err(error) => {
                tracing::warn!(%error, "the certificates between replicas are not usable; the old ones stay");
            }
        }
    }

    /// The handshake of a caller.
    pub(super) async fn connect(
        &self,
        stream: Stream,
    ) -> std::io::Result<(client::TlsStream<Stream>, Proof)> {
        let connector = TlsConnector::from(self.configs.load().client.clone());
        let name = ServerName::try_from(ANY).expect("a word is a name");
        let stream = connector.connect(name, stream).await?;
        let proof = self.proof(stream.get_ref().1.peer_certificates().unwrap_or_default());
        Ok((stream, proof))
    }

    /// What a peer's chain of certificates proves. A chain that passed the handshake is not empty.
    pub(in crate::replication) fn proof(&self, chain: &[CertificateDer<'static>]) -> Proof {
        let certificate = chain.first().cloned().unwrap_or_else(|| Vec::new().into());
        Proof::of(certificate, self.files.shared_name.clone())
    }

    /// The connections to `listener` that have passed the handshake, until nobody takes them any more.
    pub(in crate::replication) fn incoming(
        self: Arc<Self>,
        listener: Listener,
    ) -> ReceiverStream<std::io::Result<server::TlsStream<Stream>>> {
        let (sender, receiver) = mpsc::channel(HANDSHAKES);
        tokio::spawn(async move {
            tokio::select! {
                () = self.accept(listener, &sender) => {}
                () = sender.closed() => {}
            }
        });
        ReceiverStream::new(receiver)
    }

    async fn accept(
        &self,
        listener: Listener,
        sender: &mpsc::Sender<std::io::Result<server::TlsStream<Stream>>>,
    ) {
        let places = Arc::new(Semaphore::new(HANDSHAKES));
        while let Ok(place) = places.clone().acquire_owned().await {
            let Ok(stream) = listener.accept().await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let acceptor = TlsAcceptor::from(self.configs.load().server.clone());
            let sender = sender.clone();
            tokio::spawn(async move {
                let _ = stream.set_nodelay();
                match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        let _ = sender.send(Ok(stream)).await;
                    }
                    Ok(Err(error)) => tracing::debug!(%error, "a handshake between replicas failed"),
                    Err(_) => tracing::debug!("a handshake between replicas took too long"),
                }
                drop(place);
            });
        }
    }
}

impl TlsFiles {
    fn modified(&self) -> Vec<Option<SystemTime>> {
        let written = |path: &PathBuf| std::fs::metadata(path).and_then(|it| it.modified()).ok();
        [&self.certificate, &self.key, &self.authority].into_iter().map(written).collect()
    }

    fn read(&self) -> Result<Configs, PeerError> {
        let provider = Arc::new(ring::default_provider());
        let chain =
            certificates(&self.certificate).map_err(|cause| PeerError::file(&self.certificate, cause))?;
        let key =
            PrivateKeyDer::from_pem_file(&self.key).map_err(|cause| PeerError::file(&self.key, cause))?;
        let mut roots = RootCertStore::empty();
        for authority in
            certificates(&self.authority).map_err(|cause| PeerError::file(&self.authority, cause))?
        {
            roots.add(authority).map_err(|cause| PeerError::file(&self.authority, cause))?;
        }
        let roots = Arc::new(roots);
        let callers = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone());
        let callers = callers.build().map_err(|cause| PeerError::file(&self.authority, cause))?;
        let algorithms = provider.signature_verification_algorithms;
        let answering = Arc::new(AnyName { roots, algorithms });
        let unfit = |cause| PeerError::file(&self.key, cause);
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])
            .expect("ring has ciphers for it")
            .with_client_cert_verifier(callers)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(unfit)?;
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .expect("ring has ciphers for it")
            .dangerous()
            .with_custom_certificate_verifier(answering)
            .with_client_auth_cert(chain, key)
            .map_err(unfit)?;
        server.alpn_protocols = vec![b"h2".to_vec()];
        client.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Configs { client: Arc::new(client), server: Arc::new(server) })
    }
}

/// Takes a certificate of our authorities whatever name it carries: a caller that asks an address does not know whose
/// it is. [`Proof`] keeps the certificate for when the answer says so.
#[derive(Debug)]
struct AnyName {
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let certificate = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&certificate, &self.roots, intermediates, now, algorithms)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
