//! Replicas know each other: certificates with their names, certificates that change while they run, tokens. Over real
//! connections on loopback, with authorities of the test's own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bellwether::election::{Leader, Role, Term};
use bellwether::phase::Phase;
use bellwether::replication::core::Replica;
use bellwether::replication::hub::Hub;
use bellwether::replication::peer::{Means, Security, TlsFiles};
use bellwether::replication::{catch_up, follower, service};
use bellwether::snapshot::{Cell, Epoch};
use bellwether::time::{BootClock, Clock, Moment};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed by itself")
}

/// The files of one replica.
struct Files(TempDir);

impl Files {
    /// A certificate with `name` by `authority`, which is the only one that is trusted.
    fn new(name: &str, authority: &Authority) -> Self {
        let files = Self(tempfile::tempdir().expect("a folder"));
        files.certify(name, authority);
        files.trust(&[authority]);
        files
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn certify(&self, name: &str, authority: &Authority) {
        let key = KeyPair::generate().expect("a key");
        let mut request = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        request.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = request.signed_by(&key, authority).expect("signed");
        write(&self.path("tls.key"), &key.serialize_pem());
        write(&self.path("tls.crt"), &certificate.pem());
    }

    fn trust(&self, authorities: &[&Authority]) {
        let all: String = authorities.iter().map(|authority| authority.pem()).collect();
        write(&self.path("ca.crt"), &all);
    }

    fn load(&self, shared_name: Option<&str>) -> Security {
        let tls = TlsFiles {
            certificate: self.path("tls.crt"),
            key: self.path("tls.key"),
            authority: self.path("ca.crt"),
            shared_name: shared_name.map(str::to_owned),
        };
        Security::load(Means { tls: Some(tls), token: None }).expect("the files are there")
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("written");
}

/// A replica `name_uid_nonce`, as on a Lease.
struct Node {
    hub: Arc<Hub>,
    address: String,
    security: Security,
    role: watch::Sender<Role>,
}

async fn node(name: &str, security: Security) -> Node {
    let replica = Replica::default();
    let identity = format!("{name}_uid_{:032x}", 7);
    let hub = Hub::new(identity, replica, Arc::new(Cell::default()), Arc::new(BootClock), Default::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let (served, secured, phase) = (hub.clone(), security.clone(), watch::channel(Phase::Serving).1);
    tokio::spawn(async move {
        service::listen(served, listener, &secured, phase, CancellationToken::new()).await
    });
    let (role, roles) = watch::channel(Role::Follower(None));
    tokio::spawn(follower::follow(hub.clone(), roles, security.clone(), Default::default()));
    Node { hub, address, security, role }
}

impl Node {
    fn lead(&self) -> Term {
        let until = BootClock.now() + Duration::from_secs(60);
        let term = Term::for_tests(Epoch(1), until.since(Moment::from_nanos(0)).as_nanos() as u64);
        self.hub.update(|core, now| {
            core.lead(term.clone()).expect("the first epoch");
            core.caught_up(None, true, now).expect("leads");
        });
        term
    }

    /// Whether `other` answers this replica's questions.
    async fn hears_of(&self, other: &Self) -> bool {
        let term = Term::for_tests(Epoch(1), 0);
        catch_up::ask(&self.hub, &term, std::slice::from_ref(&other.address), &self.security)
            .await
            .all_answered
    }

    fn follow(&self, leader: &Self, term: &Term) {
        self.role.send_replace(Role::Follower(Some(Leader {
            identity: leader.hub.identity().to_owned(),
            epoch: term.epoch(),
            term: term.id(),
            address: leader.address.clone(),
        })));
    }

    /// Waits until it has opened `sessions` streams to leaders.
    async fn follows(&self, sessions: u64) {
        let reached = async {
            while self.hub.metrics().sessions() < sessions {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), reached).await;
        assert!(waited.is_ok(), "{} follows nobody", self.hub.identity());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_whose_certificates_carry_their_names_follow_each_other() {
    let ours = authority();
    let (a, b) = (Files::new("a", &ours), Files::new("b", &ours));
    let (a, b) = (node("a", a.load(None)).await, node("b", b.load(None)).await);
    assert!(a.hears_of(&b).await && b.hears_of(&a).await);
    let term = a.lead();
    b.follow(&a, &term);
    b.follows(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_and_impostors_are_refused_by_either_side() {
    let (ours, others) = (authority(), authority());
    let files = |name: &str, by| Files::new(name, by);
    let (own, b) = (files("a", &ours), files("b", &ours));
    let a = node("a", own.load(None)).await;
    let plain = node("c", Security::default()).await;
    let stranger_files = files("c", &others);
    let stranger = node("c", stranger_files.load(None)).await;
    // It has a certificate of ours, but says that it is another replica.
    let impostor = node("a", b.load(None)).await;
    for other in [&plain, &stranger, &impostor] {
        assert!(!other.hears_of(&a).await, "{} is refused", other.hub.identity());
        assert!(!a.hears_of(other).await, "{} is not believed", other.hub.identity());
    }

    // An impostor on the address that the Lease names is not followed, and leads nobody.
    let follower_files = files("f", &ours);
    let follower = node("f", follower_files.load(None)).await;
    let term = impostor.lead();
    follower.follow(&impostor, &term);
    let true_leader = node("a", own.load(None)).await;
    let opened = follower.hub.metrics().sessions();
    let term = true_leader.lead();
    follower.follow(&true_leader, &term);
    follower.follows(opened + 1).await;
    assert_eq!(follower.hub.metrics().sessions(), 1, "only the true one");
    assert_eq!(impostor.hub.read(|core| core.subscribed()), Some((Epoch(1), 0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_certificate_for_all_needs_its_name_to_be_told() {
    let ours = authority();
    let shared = Files::new("bellwether", &ours);
    let (a, b) =
        (node("a", shared.load(Some("bellwether"))).await, node("b", shared.load(Some("bellwether"))).await);
    assert!(a.hears_of(&b).await && b.hears_of(&a).await);
    let strict = node("c", shared.load(None)).await;
    assert!(!strict.hears_of(&a).await);
    // A roll-out from one to the other: who is told the name takes both kinds.
    let own = Files::new("d", &ours);
    let new = node("d", own.load(Some("bellwether"))).await;
    assert!(new.hears_of(&a).await && a.hears_of(&new).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authority_and_certificates_are_replaced_while_replicas_run() {
    let (old, new) = (authority(), authority());
    let files = [Files::new("a", &old), Files::new("b", &old)];
    let (a, b) = (node("a", files[0].load(None)).await, node("b", files[1].load(None)).await);
    let term = a.lead();
    b.follow(&a, &term);
    b.follows(1).await;
    let look = || [&a, &b].iter().for_each(|node| node.security.look());
    let steps = [
        |files: &Files, _: &str, old: &Authority, new: &Authority| files.trust(&[old, new]),
        |files: &Files, name: &str, _: &Authority, new: &Authority| files.certify(name, new),
        |files: &Files, _: &str, _: &Authority, new: &Authority| files.trust(&[new]),
    ];
    for step in steps {
        // One after the other, as in a fleet; and a key that does not fit its certificate yet harms nobody.
        for (files, name) in files.iter().zip(["a", "b"]) {
            let key = std::fs::read(files.path("tls.key")).expect("a key");
            write(&files.path("tls.key"), "half");
            look();
            std::fs::write(files.path("tls.key"), key).expect("written");
            step(files, name, &old, &new);
            look();
            assert!(a.hears_of(&b).await && b.hears_of(&a).await, "either way, at every step");
        }
    }
    assert_eq!(b.hub.metrics().sessions(), 1, "the stream went on all the while");
    let late_files = Files::new("c", &old);
    let late = node("c", late_files.load(None)).await;
    assert!(!late.hears_of(&a).await, "the old authority is not trusted any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_lets_in_who_knows_it_and_is_replaced_while_replicas_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let with_token = |name: &str, token: &str| {
        let path = folder.path().join(name);
        write(&path, token);
        Security::load(Means { tls: None, token: Some(path) }).expect("a token")
    };
    let a = node("a", with_token("a", "one")).await;
    let b = node("b", with_token("b", "one")).await;
    assert!(a.hears_of(&b).await);
    let term = a.lead();
    b.follow(&a, &term);
    b.follows(1).await;
    for stranger in [Security::default(), with_token("c", "on")] {
        assert!(!node("c", stranger).await.hears_of(&a).await);
    }
    for text in ["one\ntwo", "two\none", "two"] {
        for name in ["a", "b"] {
            write(&folder.path().join(name), text);
            [&a, &b].iter().for_each(|node| node.security.look());
            assert!(a.hears_of(&b).await && b.hears_of(&a).await, "{text:?}");
        }
    }
}
