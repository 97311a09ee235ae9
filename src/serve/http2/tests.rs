//! Clients of every kind, on a transport that holds little, with the clock standing still.

use std::net::IpAddr;
use std::time::Duration;

use h2::client::{self, SendRequest};
use http::StatusCode;
use parking_lot::Mutex;
use tokio::io::{DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::*;
use crate::replication::deliveries::Deliveries;
use crate::replication::ledger::Teller;
use crate::serve::admission::{Admission, BodyLimits};
use crate::serve::body::Pieces;
use crate::serve::sending::{Receipt, Sending};
use crate::snapshot::Digest;
use crate::time::BootClock;

const HELD: usize = 16 << 10;

/// More than the client's window and all that lies in between.
const LARGE: usize = 2 << 20;

/// Answers a path of digits with a body of that length, as a table.
struct Lab {
    client: SendRequest<Bytes>,
    /// The client's side: it ends with this.
    driver: JoinHandle<Result<(), h2::Error>>,
    admission: Admission,
    metrics: Metrics,
    deliveries: Arc<Deliveries>,
    stages: Stages,
    server: JoinHandle<u64>,
}

impl Lab {
    async fn start() -> Self {
        let (near, far) = duplex(HELD);
        let (metrics, limits) = (Metrics::default(), Limits::default());
        let admission = Admission::new(BodyLimits { bytes: 1, ..limits.bodies }, metrics.clone());
        let deliveries = Deliveries::new(Arc::new(BootClock), Default::default());
        let stages = Stages::default();
        let (places, ledger) = (admission.clone(), Arc::clone(&deliveries));
        let (counted, stopping) = (metrics.clone(), stages.clone());
        let server = tokio::spawn(async move {
            let handle = |request: Request<RecvStream>| {
                let length: usize = request.uri().path()[1..].parse().expect("a length");
                let mut response = Response::new(Pieces::from(Bytes::from(vec![b'x'; length])));
                if length > 0 {
                    let client = IpAddr::from([10, 2, 0, 7]);
                    let receipt =
                        Receipt { deliveries: Arc::clone(&ledger), client, digest: Digest::of(b"x") };
                    let place = places.enter(length as u64).expect("a place");
                    response.extensions_mut().insert(Sending::new(place, Some(receipt)));
                }
                async move { response }
            };
            serve(Bytes::new(), far, handle, &stopping, &limits, counted).await
        });
        let (client, driver) = Self::handshake(near).await;
        Self { client, driver, admission, metrics, deliveries, stages, server }
    }

    async fn handshake(io: DuplexStream) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
        // Room for all streams together: what one does not read holds up no other.
        let mut protocol = client::Builder::new();
        protocol.initial_connection_window_size(LARGE as u32);
        let (client, connection) = protocol.handshake(io).await.expect("HTTP/2");
        (client, tokio::spawn(connection))
    }

    /// The answer to a request for so many bytes, when its head is there.
    async fn ask(&mut self, length: usize) -> Response<RecvStream> {
        let request = Request::get(format!("http://x/{length}")).body(()).expect("a request");
        let mut client = self.client.clone().ready().await.expect("room");
        let (answer, _) = client.send_request(request, true).expect("open");
        answer.await.expect("an answer")
    }

    /// Whether each delivery that others are told of so far was cut.
    fn told(&self) -> Vec<bool> {
        let told = self.deliveries.feed(Teller::Leader).ready().unwrap_or_default();
        told.tables.iter().flat_map(|table| &table.ended).map(|ended| ended.cut).collect()
    }

    /// How many bodies of any size have room beside those that are under way.
    fn room(&self) -> usize {
        std::iter::from_fn(|| self.admission.enter(1)).collect::<Vec<_>>().len()
    }
}

/// Reads what is left of a body at its pace; how much that was.
async fn rest(body: &mut RecvStream, pace: Duration) -> usize {
    let mut length = 0;
    while let Some(data) = body.data().await {
        let data = data.expect("not reset");
        length += data.len();
        body.flow_control().release_capacity(data.len()).expect("it came");
        sleep(pace).await;
    }
    length
}

#[tokio::test(start_paused = true)]
async fn streams_go_side_by_side_and_a_slow_one_gives_its_place_up() {
    let mut lab = Lab::start().await;
    let mut slow = lab.ask(LARGE).await;
    let mut fast = lab.ask(1000).await;
    assert_eq!(rest(fast.body_mut(), Duration::ZERO).await, 1000);
    assert_eq!(lab.metrics.bodies.get(), 1);
    assert_eq!(lab.room(), 7);
    sleep(Duration::from_millis(2_100)).await;
    assert_eq!(lab.room(), 8, "it was slow for two seconds");
    assert_eq!(rest(slow.body_mut(), Duration::from_millis(100)).await, LARGE, "and gets everything");
    assert_eq!((lab.metrics.bodies.get(), lab.metrics.bodies_under_way.get()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_client_takes_nothing_is_reset_and_the_others_go_on() {
    let mut lab = Lab::start().await;
    let mut stalled = lab.ask(LARGE).await;
    sleep(Duration::from_millis(9_900)).await;
    assert_eq!(lab.metrics.bodies_under_way.get(), 1);
    sleep(Duration::from_millis(200)).await;
    assert_eq!(lab.metrics.bodies_under_way.get(), 0);
    assert_eq!(lab.metrics.bodies_unfinished(Unfinished::Stalled), 1);
    assert_eq!(lab.told(), [true], "it was cut");
    let reset = loop {
        match stalled.body_mut().data().await.expect("it does not just end") {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(reset.reason(), Some(h2::Reason::CANCEL));
    let mut next = lab.ask(1000).await;
    assert_eq!(rest(next.body_mut(), Duration::ZERO).await, 1000);
}

#[tokio::test(start_paused = true)]
async fn a_table_is_delivered_when_the_client_shows_that_it_has_it() {
    let mut lab = Lab::start().await;
    let mut answer = lab.ask(1000).await;
    assert_eq!(rest(answer.body_mut(), Duration::ZERO).await, 1000);
    sleep(LINGER / 2).await;
    assert_eq!((lab.metrics.bodies.get(), lab.told()), (1, vec![]), "the kernel has all of it");
    sleep(LINGER).await;
    assert_eq!(lab.told(), [false], "the client answers a PING after it");

    let mut answer = lab.ask(1000).await;
    assert_eq!(rest(answer.body_mut(), Duration::ZERO).await, 1000);
    let Lab { client, driver, server, deliveries, metrics, .. } = lab;
    let mut feed = deliveries.feed(Teller::Leader);
    drop(feed.ready());
    drop((client, answer));
    driver.await.expect("joined").expect("in order");
    assert_eq!(server.await.expect("joined"), 0);
    assert_eq!(metrics.bodies_unfinished(Unfinished::Reset), 0);
    assert_eq!(deliveries.feed(Teller::Leader).ready().expect("told").tables[0].ended.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_given_up_was_cut() {
    let mut lab = Lab::start().await;
    drop(lab.ask(LARGE).await);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(lab.metrics.bodies_under_way.get(), 0);
    assert_eq!(lab.metrics.bodies_unfinished(Unfinished::Client), 1);
    assert_eq!(lab.told(), [true]);
    lab.ask(LARGE).await;
    lab.driver.abort();
    assert_eq!(lab.server.await.expect("joined"), 0, "not by the deadline of a drain");
    assert_eq!(lab.metrics.bodies_unfinished(Unfinished::Client), 2);
}

#[tokio::test(start_paused = true)]
async fn silent_client_has_nothing_until_it_shows_it_and_one_that_breaks_off_was_cut() {
    // A client in our own hands: it says what it should, and answers no PING.
    let (mut near, far) = duplex(HELD);
    let (metrics, limits, stages) = (Metrics::default(), Limits::default(), Stages::default());
    let deliveries = Deliveries::new(Arc::new(BootClock), Default::default());
    let admission = Admission::new(limits.bodies, metrics.clone());
    let answer = Mutex::new(Some(Response::new(Pieces::from("a: * -> <shunt>"))));
    let receipt = Receipt {
        deliveries: Arc::clone(&deliveries),
        client: IpAddr::from([10, 2, 0, 7]),
        digest: Digest::of(b"x"),
    };
    let place = admission.enter(15).expect("a place");
    answer.lock().as_mut().expect("there").extensions_mut().insert(Sending::new(place, Some(receipt)));
    let handle = |_: Request<RecvStream>| {
        let answer = answer.lock().take().expect("one request");
        async move { answer }
    };
    let serving = serve(Bytes::new(), far, handle, &stages, &limits, metrics.clone());
    let asking = async {
        use tokio::io::AsyncWriteExt as _;
        near.write_all(PREFACE).await.expect("open");
        // Empty SETTINGS; then GET http://x/ by the static table of HPACK (RFC 7541 appendix A), with no body.
        near.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.expect("open");
        near.write_all(&[0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 1, b'x']).await.expect("open");
        sleep(3 * LINGER).await;
        assert_eq!(metrics.bodies.get(), 1);
        assert!(deliveries.feed(Teller::Leader).ready().is_none_or(|told| told.tables.is_empty()));
        // Somebody wants no more of stream 1: RST_STREAM, CANCEL.
        near.write_all(&[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8]).await.expect("open");
        sleep(LINGER).await;
        assert_eq!(metrics.bodies_unfinished(Unfinished::Reset), 1);
        drop(near);
    };
    tokio::join!(serving, asking);
    let told = deliveries.feed(Teller::Leader).ready().expect("it was cut");
    assert!(told.tables[0].ended[0].cut);
}

#[tokio::test(start_paused = true)]
async fn who_drains_says_goodbye_and_finishes_what_was_begun() {
    let mut lab = Lab::start().await;
    lab.stages.draining.cancel();
    let mut slow = lab.ask(LARGE).await;
    sleep(Duration::from_millis(1)).await;
    assert!(lab.client.clone().ready().await.is_err(), "GOAWAY: whoever asks more, asks another replica");
    lab.stages.closing.cancel();
    assert_eq!(rest(slow.body_mut(), Duration::from_millis(50)).await, LARGE);
    assert_eq!(lab.server.await.expect("joined"), 0);
    assert_eq!(lab.metrics.bodies.get(), 1);

    let lab = Lab::start().await;
    lab.stages.closing.cancel();
    let started = Instant::now();
    assert_eq!(lab.server.await.expect("joined"), 0);
    assert!(started.elapsed() <= 2 * FIRST_REQUEST, "one that asks nothing is not waited for");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_cuts_and_counts() {
    let mut lab = Lab::start().await;
    let _slow = lab.ask(LARGE).await;
    lab.stages.closing.cancel();
    sleep(Duration::from_secs(5)).await;
    lab.stages.deadline.cancel();
    assert_eq!(lab.server.await.expect("joined"), 1);
    assert_eq!(lab.metrics.bodies_unfinished(Unfinished::Deadline), 1);
}

#[tokio::test(start_paused = true)]
async fn idle_connection_ends_and_heads_and_streams_are_limited() {
    let mut lab = Lab::start().await;
    let answer = lab.ask(0).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.headers().contains_key(http::header::DATE));
    assert_eq!(lab.client.current_max_send_streams(), STREAMS as usize);
    let large =
        Request::get("http://x/0").header("x", "x".repeat(HEAD as usize)).body(()).expect("a request");
    let mut client = lab.client.clone().ready().await.expect("room");
    let (refused, _) = client.send_request(large, true).expect("open");
    assert!(refused.await.is_err() || lab.metrics.bodies.get() == 0);
    drop(client);
    let started = Instant::now();
    assert_eq!(lab.server.await.expect("joined"), 0);
    assert!(started.elapsed() <= Limits::default().head_timeout + 2 * LINGER, "{:?}", started.elapsed());
}
