//! A fleet behind one thin link: everybody has a new table after about the time that the link takes for it.

use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::*;

/// What the link carries in a second.
const LINK: u32 = 1_000_000;

const TABLE: usize = 200_000;
const CLIENTS: usize = 60;

/// A Skipper's time for one poll, and between two.
const POLL: Duration = Duration::from_secs(3);

struct Link {
    admission: Admission,
    metrics: Metrics,
    free_at: Mutex<Instant>,
    late: Mutex<usize>,
}

impl Link {
    /// Waits until `bytes` have come over the link, behind all that was sent before.
    async fn carry(&self, bytes: usize) {
        let until = {
            let mut free_at = self.free_at.lock();
            let bytes = u32::try_from(bytes).expect("a piece");
            *free_at = (*free_at).max(Instant::now()) + Duration::from_secs(1) * bytes / LINK;
            *free_at
        };
        sleep_until(until).await;
    }

    /// A connection with one request, answered as the listener does.
    fn connected(&self) -> DuplexStream {
        let (client, io) = duplex(HELD);
        let (places, metrics) = (self.admission.clone(), self.metrics.clone());
        tokio::spawn(async move {
            let handle = |_: Request<Incoming>| {
                let places = places.clone();
                async move {
                    let place = match places.enter(TABLE as u64) {
                        Some(place) => Ok(place),
                        None => places.wait(TABLE as u64, false, Duration::ZERO).await,
                    };
                    let length = if place.is_ok() { TABLE } else { 0 };
                    let mut response = Response::new(Pieces::from(Bytes::from(vec![b'x'; length])));
                    if let Ok(place) = place {
                        response.extensions_mut().insert(Sending::new(place, None));
                    }
                    response
                }
            };
            let limits = BodyLimits::default();
            serve(Bytes::new(), io, &http1::Builder::new(), handle, &Stages::default(), limits, metrics).await
        });
        client
    }

    /// One poll: whether the whole table came.
    async fn poll(&self) -> bool {
        let mut client = self.connected();
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.expect("open");
        let mut read = 0;
        let reading = async {
            loop {
                match client.read(&mut [0; 4 << 10]).await.expect("not hung up on") {
                    0 => break,
                    bytes => {
                        self.carry(bytes).await;
                        read += bytes;
                    }
                }
            }
        };
        if timeout(POLL, reading).await.is_err() {
            *self.late.lock() += 1;
        }
        read > TABLE
    }

    /// Polls as a Skipper does until it has the table; how long that took.
    async fn has_it(&self, number: usize) -> Duration {
        let start = Instant::now();
        sleep(POLL * u32::try_from(number).expect("few") / CLIENTS as u32).await;
        // A poll that fails is tried again at once, and then with the next.
        while !self.poll().await && !self.poll().await {
            sleep(POLL).await;
        }
        start.elapsed()
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_too_thin_for_all_at_once_has_them_one_after_the_other() {
    let metrics = Metrics::default();
    let link = Link {
        admission: Admission::new(BodyLimits::default(), metrics.clone()),
        metrics,
        free_at: Mutex::new(Instant::now()),
        late: Mutex::default(),
    };
    let all = async { join_all((0..CLIENTS).map(|number| link.has_it(number))).await };
    let times = timeout(Duration::from_secs(600), all).await.expect("some never have it");
    let last = times.into_iter().max().expect("some");
    // The link takes 12 s for all of them.
    assert!(last < Duration::from_secs(45), "{last:?}, {} late", link.late.lock());
    assert!(*link.late.lock() < 3 * CLIENTS, "{last:?}, {} late", link.late.lock());
}
