//! Over real connections: what is asked, and what is believed.

use std::io::Write as _;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::snapshot::Digest;
use crate::source::versions::RESTORED_AFTER;
use crate::time::ManualClock;

const TEXT: &str = "a: * -> <shunt>;\nb: Path(\"/b\") -> \"http://b\";";

fn source(url: &str) -> (Remote, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::default());
    let config = RemoteConfig { address: url.parse().unwrap(), files: ClientFiles::default(), net: Net::Tcp };
    (Remote::new(config, clock.clone()).unwrap(), clock)
}

fn tag(text: &str) -> String {
    format!("\"{}\"", Digest::of(text.as_bytes()))
}

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

fn table(text: &str, version: &str) -> Vec<u8> {
    answer(&format!("200 OK\r\netag: {}\r\nx-table-version: {version}", tag(text)), text.as_bytes())
}

async fn request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap().to_ascii_lowercase()
}

async fn give(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &[u8]) -> String {
    let asked = request(&mut stream).await;
    stream.write_all(answer).await.unwrap();
    let _ = stream.shutdown().await;
    asked
}

/// Gives these answers, each on a connection of its own; the requests.
async fn server(answers: Vec<Vec<u8>>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let mut asked = Vec::new();
        for answer in answers {
            asked.push(give(listener.accept().await.unwrap().0, &answer).await);
        }
        asked
    });
    (url, serving)
}

fn texts(reading: &Reading) -> Vec<&str> {
    reading.objects.definitions.iter().map(|it| it.text.as_str()).collect()
}

#[tokio::test]
async fn a_table_is_asked_for_once_and_then_by_its_tag() {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(TEXT.as_bytes()).unwrap();
    let packed = tag(TEXT).replace("\"", "").to_owned() + "+gzip";
    let head = format!("200 OK\r\ncontent-encoding: gzip\r\netag: \"{packed}\"");
    let next = "a: * -> <loopback>;\nb: Path(\"/b\") -> \"http://b\";";
    let answers = vec![
        answer(&head, &packer.finish().unwrap()),
        b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec(),
        table(next, "7.3"),
        table(next, "7.3"),
    ];
    let (url, serving) = server(answers).await;
    let (mut source, _) = source(&url);
    let first = source.read().await.unwrap();
    assert_eq!(texts(&first).join("\n"), TEXT);
    assert_eq!(first.objects.definitions[0].metadata.namespace, "127.0.0.1/routes");
    let same = source.read().await.unwrap();
    assert!(Arc::ptr_eq(&first.objects.definitions[0], &same.objects.definitions[0]));
    let changed = source.read().await.unwrap();
    assert_eq!(texts(&changed).join("\n"), next);
    assert!(Arc::ptr_eq(&first.objects.definitions[1], &changed.objects.definitions[1]));
    assert_eq!(changed.objects.resource_versions[&format!("{url}/routes")], "7.3");
    source.doubt();
    source.read().await.unwrap();
    let asked = serving.await.unwrap();
    assert!(
        asked
            .iter()
            .all(|it| it.starts_with("get /routes http/1.1\r\n") && it.contains("accept-encoding: gzip"))
    );
    let conditional: Vec<_> = asked.iter().map(|it| it.contains("if-none-match")).collect();
    assert_eq!(conditional, [false, true, true, false]);
    assert!(asked[1].contains(&packed));
}

#[tokio::test]
async fn what_is_wrong_has_a_word_and_is_not_remembered() {
    let cut = table(TEXT, "7.3");
    let answers = vec![
        cut[..cut.len() - 5].to_vec(),
        answer("503 Service Unavailable\r\nretry-after: 4", b""),
        answer(&format!("200 OK\r\netag: {}", tag(TEXT)), b"a: * -> <shunt>;"),
        answer("200 OK", b"a: * -> \"http:"),
        answer("200 OK", b"<html>"),
        answer("200 OK\r\ncontent-encoding: gzip", b"a: * -> <shunt>;"),
        table(TEXT, "7.3"),
    ];
    let (url, serving) = server(answers).await;
    let (mut source, _) = source(&url);
    let mut codes = Vec::new();
    for _ in 0..6 {
        let error = source.read().await.unwrap_err();
        assert!(error.to_string().starts_with(&format!("read the table at {url}/routes: ")), "{error}");
        assert_eq!(error.retry_after, (error.code == "503").then_some(Duration::from_secs(4)));
        codes.push(error.code);
    }
    assert_eq!(codes, ["connection", "503", "digest", "document", "document", "no-text"]);
    assert_eq!(source.read().await.unwrap().objects.definitions.len(), 2);
    assert!(serving.await.unwrap().iter().all(|asked| !asked.contains("if-none-match")));
    let (mut nobody, _) = self::source("http://127.0.0.1:1");
    assert_eq!(nobody.read().await.unwrap_err().code, "connection");
}

#[tokio::test]
async fn an_answer_that_does_not_come_ends_with_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (mut source, _) = source(&format!("http://{}", listener.local_addr().unwrap()));
    source.deadline = Duration::from_millis(50);
    let stalled = tokio::spawn(async move {
        let mut stream = listener.accept().await.unwrap().0;
        request(&mut stream).await;
        let whole = table(TEXT, "7.3");
        stream.write_all(&whole[..whole.len() - 5]).await.unwrap();
        let _ = stream.read_u8().await;
    });
    assert_eq!(source.read().await.unwrap_err().code, "timeout");
    stalled.await.unwrap();
}

#[tokio::test]
async fn a_replica_that_is_behind_is_not_believed_until_it_must_be() {
    let (old, new) = ("a: * -> <shunt>;", TEXT);
    let answers =
        vec![table(new, "7.3"), table(old, "7.2"), table(old, "7.2"), table(new, "8.1"), table(old, "7.9")];
    let (url, _serving) = server(answers).await;
    let (mut source, clock) = source(&url);
    let inherited = [(format!("{url}/routes"), "7.1"), ("http://other:80/routes".to_owned(), "9.1")];
    source.raise_floor(&inherited.map(|(address, version)| (address, version.to_owned())).into());
    assert_eq!(source.read().await.unwrap().objects.definitions.len(), 2);
    let error = source.read().await.unwrap_err();
    assert_eq!(error.code, "older");
    assert!(error.to_string().contains("7.2, and 7.3 was read before"), "{error}");
    clock.advance(RESTORED_AFTER);
    let restored = source.read().await.unwrap();
    assert_eq!((restored.objects.definitions.len(), restored.restored_store), (1, true));
    assert!(!source.read().await.unwrap().restored_store);
    assert_eq!(source.read().await.unwrap_err().code, "older");
}

/// An authority, and who it vouches for; PEM files in a folder.
struct Pki {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Pki {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let pki = Self { folder: tempfile::tempdir().unwrap(), issuer: Issuer::new(params, key) };
        std::fs::write(pki.path("ca.crt"), pem).unwrap();
        pki
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn issue(&self, file: &str, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let paths = (self.path(&format!("{file}.crt")), self.path(&format!("{file}.key")));
        std::fs::write(&paths.0, params.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        std::fs::write(&paths.1, key.serialize_pem()).unwrap();
        paths
    }

    /// Lets in who shows a certificate of the authority.
    fn acceptor(&self) -> TlsAcceptor {
        let (certificate, key) = self.issue("server", "127.0.0.1");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.path("ca.crt")).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(
                vec![CertificateDer::from_pem_file(certificate).unwrap()],
                PrivateKeyDer::from_pem_file(key).unwrap(),
            );
        TlsAcceptor::from(Arc::new(config.unwrap()))
    }
}

#[tokio::test]
async fn both_sides_show_certificates_and_a_renewed_one_is_taken_up() {
    let (pki, strangers) = (Pki::new(), Pki::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://{}/routes", listener.local_addr().unwrap());
    let acceptor = pki.acceptor();
    tokio::spawn(async move {
        loop {
            let stream = listener.accept().await.unwrap().0;
            if let Ok(stream) = acceptor.accept(stream).await {
                give(stream, &table(TEXT, "7.3")).await;
            }
        }
    });
    let open = |authority: PathBuf, identity| {
        let files = ClientFiles { authority: Some(authority), identity };
        let config = RemoteConfig { address: address.parse().unwrap(), files, net: Net::Tcp };
        Remote::new(config, Arc::new(ManualClock::default()))
    };
    let code = async |source: &mut Remote| source.read().await.map(drop).map_err(|error| error.code);
    let refused = Err("connection".to_owned());
    let (certificate, key) = strangers.issue("client", "b");
    let mut source = open(pki.path("ca.crt"), Some((certificate.clone(), key.clone()))).unwrap();
    assert_eq!(code(&mut source).await, refused, "a stranger");
    assert_eq!(code(&mut open(pki.path("ca.crt"), None).unwrap()).await, refused, "nobody");
    let (good_certificate, good_key) = pki.issue("client", "b");
    let identity = Some((good_certificate.clone(), good_key.clone()));
    assert_eq!(
        code(&mut open(strangers.path("ca.crt"), identity).unwrap()).await,
        refused,
        "not whom we trust"
    );
    // A time stamp has its grain.
    tokio::time::sleep(Duration::from_millis(20)).await;
    std::fs::copy(good_certificate, &certificate).unwrap();
    std::fs::copy(good_key, &key).unwrap();
    assert_eq!(code(&mut source).await, Ok(()), "the files have changed");
    std::fs::write(&certificate, "").unwrap();
    assert_eq!(code(&mut source).await, Ok(()), "the last ones stay");
    let error = open(pki.path("ca.crt"), Some((certificate, key))).err().expect("no certificate").to_string();
    assert!(
        error.starts_with("-upstream-cert-file: cannot use") && error.contains("no certificate"),
        "{error}"
    );
}
