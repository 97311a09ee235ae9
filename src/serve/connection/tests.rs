//! Readers of every pace, on a transport that holds little, with the clock standing still.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::sleep;

mod thin;

use super::*;
use crate::replication::deliveries::Deliveries;
use crate::replication::ledger::Teller;
use crate::serve::admission::Admission;
use crate::serve::body::Pieces;
use crate::snapshot::Digest;
use crate::time::BootClock;

const LENGTH: usize = 1 << 20;
const HELD: usize = 16 << 10;

struct Lab {
    client: DuplexStream,
    admission: Admission,
    metrics: Metrics,
    deliveries: Arc<Deliveries>,
    server: JoinHandle<bool>,
}

impl Lab {
    /// A client that has asked for a large body. One place is all there is, but for what slow ones get.
    async fn asked() -> Self {
        Self::asked_for(LENGTH, "Connection: close\r\n").await
    }

    /// The same, for a body of that length, with more headers.
    async fn asked_for(length: usize, headers: &str) -> Self {
        let (mut client, io) = duplex(HELD);
        let (metrics, limits) = (Metrics::default(), BodyLimits::default());
        let admission = Admission::new(BodyLimits { bytes: 1, ..limits }, metrics.clone());
        let (places, counted) = (admission.clone(), metrics.clone());
        let deliveries = Deliveries::new(Arc::new(BootClock), Default::default());
        let ledger = Arc::clone(&deliveries);
        let server = tokio::spawn(async move {
            let handle = |_: Request<Incoming>| {
                let mut response = Response::new(Pieces::from(Bytes::from(vec![b'x'; length])));
                let client = std::net::IpAddr::from([10, 2, 0, 7]);
                let receipt = Receipt { deliveries: Arc::clone(&ledger), client, digest: Digest::of(b"x") };
                let place = places.enter(length as u64).expect("a place");
                response.extensions_mut().insert(Sending::new(place, Some(receipt)));
                async move { response }
            };
            serve(Bytes::new(), io, &http1::Builder::new(), handle, &Stages::default(), limits, counted).await
        });
        let request = format!("GET / HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        client.write_all(request.as_bytes()).await.expect("open");
        Self { client, admission, metrics, deliveries, server }
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

    /// Reads one piece; how long it is, zero at the end.
    async fn read(&mut self) -> usize {
        self.client.read(&mut [0; 4 << 10]).await.expect("not hung up on")
    }
}

#[tokio::test(start_paused = true)]
async fn slow_reader_gives_its_place_up_and_gets_the_whole_body() {
    let mut lab = Lab::asked().await;
    let (mut read, mut room, started) = (0, Vec::new(), Instant::now());
    loop {
        match lab.read().await {
            0 => break,
            bytes => read += bytes,
        }
        sleep(Duration::from_secs(1)).await;
        room.push(lab.room());
    }
    assert!(read > LENGTH && started.elapsed() > Duration::from_secs(250));
    assert_eq!((room[0], room[5]), (7, 8), "it has the place for two seconds");
    drop(lab.client);
    assert!(!lab.server.await.expect("joined"));
    let metrics = lab.metrics;
    assert_eq!((metrics.bodies.get(), metrics.bodies_under_way.get()), (1, 0));
    assert_eq!(metrics.bodies_unfinished(Unfinished::Stalled), 0);
}

#[tokio::test(start_paused = true)]
async fn reader_that_takes_nothing_is_hung_up_on_and_counted() {
    let mut lab = Lab::asked().await;
    let started = Instant::now();
    sleep(Duration::from_secs(9)).await;
    lab.read().await;
    sleep(Duration::from_millis(9_900)).await;
    assert_eq!(lab.metrics.bodies_under_way.get(), 1, "it took some after nine seconds");
    assert!(!lab.server.await.expect("joined"), "not by the deadline of a drain");
    assert_eq!(started.elapsed().as_secs(), 19);
    let metrics = lab.metrics;
    assert_eq!((metrics.bodies.get(), metrics.bodies_under_way.get()), (0, 0));
    assert_eq!(metrics.bodies_unfinished(Unfinished::Stalled), 1);
    assert_eq!(metrics.bodies_unfinished(Unfinished::Client), 0);
}

#[tokio::test(start_paused = true)]
async fn reader_that_goes_away_is_another_cause() {
    let mut lab = Lab::asked().await;
    lab.read().await;
    drop(lab.client);
    assert!(!lab.server.await.expect("joined"));
    assert_eq!(lab.metrics.bodies_unfinished(Unfinished::Client), 1);
    assert_eq!(lab.metrics.bodies_under_way.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_of_a_delivery_before_the_client_shows_that_it_has_it() {
    for headers in ["", "Connection: close\r\n"] {
        let mut lab = Lab::asked_for(1000, headers).await;
        sleep(LINGER / 2).await;
        assert_eq!(
            (lab.metrics.bodies.get(), lab.told()),
            (1, vec![]),
            "the kernel has all of it, the client nothing"
        );
        while lab.read().await == 4 << 10 {}
        drop(lab.client);
        assert!(!lab.server.await.expect("joined"));
        let told = lab.deliveries.feed(Teller::Leader).ready().expect("it closed in order");
        assert!(told.tables[0].ended.len() == 1 && !told.tables[0].ended[0].cut);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_again_has_what_it_got_and_so_has_one_that_says_nothing_for_a_second() {
    let mut lab = Lab::asked_for(1000, "").await;
    sleep(LINGER / 2).await;
    lab.client.write_all(b"GET / HTTP/1.1\r\n").await.expect("open");
    sleep(Duration::from_millis(1)).await;
    assert_eq!(lab.told(), [false], "it asks again");
    for headers in ["", "Connection: close\r\n"] {
        let lab = Lab::asked_for(1000, headers).await;
        sleep(LINGER + Duration::from_millis(1)).await;
        assert_eq!(lab.told(), [false], "{headers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_silence_said_is_told_once() {
    let mut lab = Lab::asked_for(1000, "").await;
    let mut feed = lab.deliveries.feed(Teller::Leader);
    sleep(2 * LINGER).await;
    assert!(feed.ready().is_some_and(|told| told.tables[0].ended.len() == 1));
    while lab.read().await == 4 << 10 {}
    drop(lab.client);
    assert!(!lab.server.await.expect("joined"));
    assert!(feed.ready().is_none(), "it closed in order");
}
