//! TLS over real connections: who gets in, and what a renewal changes.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::replication::deliveries::Deliveries;
use crate::serve::{Drain, Filters, Limits, Metrics, RoutesServer};
use crate::snapshot::{Cell, Snapshot, Version, View};
use crate::time::ManualClock;

/// An authority, by its issuer and its certificate as PEM.
fn authority() -> (Issuer<'static, KeyPair>, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    (Issuer::new(params, key), pem)
}

/// Certificate and key, PEM.
fn identity(issuer: &Issuer<'static, KeyPair>, name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem())
}

struct Lab {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
    root: String,
    files: TlsFiles,
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (issuer, root) = authority();
        let at = |name: &str| folder.path().join(name);
        let files = TlsFiles {
            identities: vec![(at("a.crt"), at("a.key")), (at("b.crt"), at("b.key"))],
            authorities: vec![at("ca.crt")],
            system_authorities: false,
            only_tls13: false,
            key_log: None,
        };
        let lab = Self { folder, issuer, root, files };
        lab.write("ca.crt", &lab.root);
        lab.issue("a", "a.example");
        lab.issue("b", "b.example");
        lab
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn issue(&self, file: &str, name: &str) {
        let (certificate, key) = identity(&self.issuer, name);
        self.write(&format!("{file}.crt"), &certificate);
        self.write(&format!("{file}.key"), &key);
    }

    /// A server with one table, on a port of its own.
    async fn serve(&self) -> (std::net::SocketAddr, Arc<Tls>) {
        let tls = Tls::load(self.files.clone()).unwrap();
        let cell = Arc::<Cell>::default();
        let version = Version::new(1, 1);
        let active = Some(Arc::new(Snapshot::for_tests(version, "a: * -> <shunt>")));
        cell.store(View { active, known: version, ..View::default() });
        let clock = Arc::new(ManualClock::default());
        let server = RoutesServer {
            cell,
            deliveries: Deliveries::new(clock.clone(), Default::default()),
            clock,
            metrics: Metrics::default(),
            clients: Default::default(),
            kick: Arc::default(),
            changed: tokio::sync::watch::channel(0).1,
            sharder: None,
            limits: Limits::default(),
            tls: Some(tls.clone()),
            shards: Default::default(),
            filters: Filters::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (begin, close) = (CancellationToken::new(), CancellationToken::new());
        tokio::spawn(server.run(listener, Drain { begin, close, deadline: Duration::from_secs(1) }));
        (address, tls)
    }

    /// A client that trusts our authority and shows `identity`, if any.
    fn client(&self, identity: Option<(String, String)>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.root.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        match identity {
            None => client.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
                client
                    .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap())
                    .unwrap()
            }
        }
    }
}

/// The whole answer to a GET of `path`, or why there is none.
async fn get(
    to: std::net::SocketAddr,
    client: ClientConfig,
    name: &str,
    path: &str,
) -> std::io::Result<String> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let stream = TcpStream::connect(to).await?;
    let mut stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    timeout(Duration::from_secs(10), stream.read_to_string(&mut answer)).await.expect("in time")?;
    Ok(answer)
}

#[tokio::test]
async fn routes_are_for_clients_with_a_certificate_and_health_is_for_everyone() {
    let lab = Lab::new();
    let (server, _) = lab.serve().await;
    let ours = || lab.client(Some(identity(&lab.issuer, "skipper")));
    let answer = get(server, ours(), "a.example", "/routes").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("a: * -> <shunt>"), "{answer}");

    let anonymous = get(server, lab.client(None), "a.example", "/routes").await.unwrap();
    assert!(anonymous.starts_with("HTTP/1.1 403 ") && !anonymous.contains("<shunt>"), "{anonymous}");
    let probe = get(server, lab.client(None), "a.example", "/health").await.unwrap();
    assert!(probe.starts_with("HTTP/1.1 204 "), "{probe}");

    let (strange, _) = authority();
    let stranger = lab.client(Some(identity(&strange, "skipper")));
    let refused = get(server, stranger, "a.example", "/health").await;
    assert!(refused.is_err(), "{refused:?}");
}

#[tokio::test]
async fn http2_is_agreed_on_in_the_handshake() {
    let lab = Lab::new();
    let (server, _) = lab.serve().await;
    let mut config = lab.client(Some(identity(&lab.issuer, "skipper")));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from("a.example").unwrap();
    let stream = TcpStream::connect(server).await.unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let request = http::Request::get("https://a.example/routes").body(()).unwrap();
    let (answer, _) = client.send_request(request, true).unwrap();
    let mut answer = timeout(Duration::from_secs(10), answer).await.expect("in time").unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.body_mut().data().await.unwrap().unwrap(), "a: * -> <shunt>");
}

#[tokio::test]
async fn secrets_of_sessions_are_written_where_that_is_asked_for() {
    use std::os::unix::fs::PermissionsExt as _;

    let mut lab = Lab::new();
    let path = lab.folder.path().join("keys");
    lab.files.key_log = Some(path.clone());
    let (server, tls) = lab.serve().await;
    let lines = || std::fs::read_to_string(&path).unwrap().lines().count();
    get(server, lab.client(None), "a.example", "/health").await.unwrap();
    let first = lines();
    assert!(std::fs::read_to_string(&path).unwrap().contains("SERVER_TRAFFIC_SECRET_0 "));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    tls.reload();
    get(server, lab.client(None), "a.example", "/health").await.unwrap();
    assert!(lines() > first, "renewed certificates go on with it");
}

#[tokio::test]
async fn certificate_is_chosen_by_name_and_renewed_from_disk() {
    let lab = Lab::new();
    let (server, tls) = lab.serve().await;
    let asks = async |name| get(server, lab.client(None), name, "/health").await;
    assert!(asks("a.example").await.is_ok());
    assert!(asks("b.example").await.is_ok());
    assert!(asks("c.example").await.is_err());

    lab.issue("b", "c.example");
    tls.reload();
    assert!(asks("c.example").await.is_ok());
    assert!(asks("b.example").await.is_err());

    lab.write("b.key", "not a key");
    tls.reload();
    assert!(asks("c.example").await.is_ok(), "what cannot be used changes nothing");
}

#[tokio::test(start_paused = true)]
async fn changed_files_are_noticed() {
    let lab = Lab::new();
    let tls = Tls::load(lab.files.clone()).unwrap();
    let before = tls.config.load_full();
    let renewing = tokio::spawn(tls.clone().renew());
    tokio::time::sleep(LOOK / 2).await;
    let file = std::fs::File::options().append(true).open(lab.folder.path().join("a.crt")).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    tokio::time::sleep(LOOK * 2).await;
    assert!(!Arc::ptr_eq(&before, &tls.config.load_full()));
    renewing.abort();
}

#[test]
fn what_cannot_work_is_refused_with_its_file() {
    let lab = Lab::new();
    let refused = |files: TlsFiles| Tls::load(files).unwrap_err().to_string();
    let missing = Path::new("/nonexistent/x").to_owned();
    let files = TlsFiles { identities: vec![(missing.clone(), missing.clone())], ..lab.files.clone() };
    assert!(refused(files).starts_with("-tls-cert: cannot read /nonexistent/x"));
    let files = TlsFiles { authorities: vec![missing], ..lab.files.clone() };
    assert!(refused(files).starts_with("-mtls-authn-ca: cannot read /nonexistent/x"));
    let files = TlsFiles { authorities: Vec::new(), ..lab.files.clone() };
    assert!(refused(files).starts_with("-mtls-authn-ca: "));
    let [(certificate, _), (_, key)] = &lab.files.identities[..] else { panic!("two") };
    let files = TlsFiles { identities: vec![(certificate.clone(), key.clone())], ..lab.files.clone() };
    assert!(refused(files).contains("does not go with"));
}
