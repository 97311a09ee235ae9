//! Who can reach whom, over real connections on loopback: a leader that its peers do not follow, and one that is dead.

use std::sync::Arc;
use std::time::Duration;

use bellwether::election::{Leader, Role, Term, Timing};
use bellwether::phase::Phase;
use bellwether::replication::core::Replica;
use bellwether::replication::hub::Hub;
use bellwether::replication::peer::Security;
use bellwether::replication::quorum::CutOff;
use bellwether::replication::{attendance, follower, service, takeover};
use bellwether::snapshot::{Cell, Epoch, TermId};
use bellwether::time::{BootClock, Clock, Moment};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// A replica that answers its peers.
struct Node {
    hub: Arc<Hub>,
    address: String,
    stop: CancellationToken,
}

async fn node(name: &str) -> Node {
    let hub = Hub::new(
        name.to_owned(),
        Replica::default(),
        Arc::new(Cell::default()),
        Arc::new(BootClock),
        Default::default(),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let (served, stop) = (hub.clone(), CancellationToken::new());
    let (stopped, phase) = (stop.clone(), watch::channel(Phase::Serving).1);
    tokio::spawn(
        async move { service::listen(served, listener, &Security::default(), phase, stopped).await },
    );
    Node { hub, address, stop }
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

    fn follow(&self, leader: &Self, term: &Term) -> watch::Sender<Role> {
        let role = Role::Follower(Some(Leader {
            identity: leader.hub.identity().to_owned(),
            epoch: term.epoch(),
            term: term.id(),
            address: leader.address.clone(),
        }));
        let (sender, role) = watch::channel(role);
        tokio::spawn(follower::follow(self.hub.clone(), role, Security::default(), Default::default()));
        sender
    }
}

async fn until(what: &str, reached: impl Fn() -> bool) {
    let waited = async {
        while !reached() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waited).await.unwrap_or_else(|_| panic!("not {what}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leader_whose_peers_answer_but_do_not_follow_gives_up() {
    let (a, b) = (node("a").await, node("b").await);
    a.lead();
    let ms = Duration::from_millis;
    let timing = Timing::new(ms(400), ms(250), ms(50), ms(40)).expect("safe and live");
    let (given_up, mut why) = mpsc::unbounded_channel();
    let peers = vec![a.address.clone(), b.address.clone()];
    let give_up = move |why| given_up.send(why).expect("somebody waits");
    tokio::spawn(attendance::attend(a.hub.clone(), peers, Security::default(), timing, give_up));
    let why = tokio::time::timeout(Duration::from_secs(20), why.recv()).await.expect("soon");
    assert_eq!(why, Some(CutOff::Unfollowed(1)), "it is no peer of itself");
}

/// What a follower of `leader` tells the election of a leader that `end`s.
async fn told(end: impl FnOnce(&Node)) -> Option<(TermId, Term, bool)> {
    let (a, b) = (node("a").await, node("b").await);
    let term = a.lead();
    let _role = b.follow(&a, &term);
    until("following", || a.hub.read(|core| core.subscribed()) == Some((Epoch(1), 1))).await;
    let (gone, mut news) = mpsc::unbounded_channel();
    tokio::spawn(takeover::watch(b.hub.clone(), Default::default(), move |term, since| {
        let _ = gone.send((term, since));
    }));
    let (mut broken, before) = (b.hub.broken(), b.hub.now());
    end(&a);
    tokio::time::timeout(Duration::from_secs(20), broken.changed()).await.expect("soon").expect("hub");
    let told = tokio::time::timeout(Duration::from_secs(2), news.recv()).await.ok()??;
    Some((told.0, term, told.1 >= before))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leader_that_refuses_connections_after_its_stream_broke_is_told_of() {
    let (told, term, after) = told(|leader| leader.stop.cancel()).await.expect("nothing listens there");
    assert_eq!(told, term.id());
    assert!(after, "the refusals began after the stream broke");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leader_that_only_closed_the_stream_is_not() {
    // A second greeting of the same process takes the first stream's place.
    let told = told(|leader| {
        leader.hub.update(|core, _| {
            core.subscribe("b", bellwether::replication::core::StreamId(99), Epoch(0)).expect("leads");
        });
    });
    assert!(told.await.is_none(), "its port takes connections");
}
