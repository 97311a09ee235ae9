//! Readers of every pace, on a transport that holds little, with the clock standing still.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::*;
use crate::serve::admission::Admission;
use crate::serve::body::Pieces;

const LENGTH: usize = 1 << 20;
const HELD: usize = 16 << 10;

struct Lab {
    client: DuplexStream,
    admission: Admission,
    metrics: Metrics,
    server: JoinHandle<bool>,
}

impl Lab {
    /// A client that has asked for a large body. One place is all there is, but for what slow ones get.
    async fn asked() -> Self {
        let (mut client, io) = duplex(HELD);
        let (metrics, limits) = (Metrics::default(), BodyLimits::default());
        let admission = Admission::new(BodyLimits { bytes: 1, ..limits }, metrics.clone());
        let (places, counted) = (admission.clone(), metrics.clone());
        let server = tokio::spawn(async move {
            let handle = |_: Request<Incoming>| {
                let mut response = Response::new(Pieces::from(Bytes::from(vec![b'x'; LENGTH])));
                response
                    .extensions_mut()
                    .insert(Sending::new(places.enter(LENGTH as u64).expect("a place"), None));
                async move { response }
            };
            serve(Bytes::new(), io, &http1::Builder::new(), handle, &Stages::default(), limits, counted).await
        });
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.expect("open");
        Self { client, admission, metrics, server }
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
