//! A link of the network: a port of the harness that forwards to another one, and can go wrong on command, for connections
//! that are open and for new ones.
//!
//! In: where it leads, and a [`Way`]. What can go wrong is what is asked for; whoever connects to a link whose far end
//! refuses is reset.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// How many pieces a late link has under way at once.
const PIECES: usize = 256;

/// How it carries what comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// All of it, at once.
    #[default]
    Open,
    /// Nothing, in both directions, and says nothing of it: no reset, no end. What was under way arrives once it is open
    /// again, as after a partition.
    Silent,
    /// The same for what clients say; what the server says still arrives.
    SilentUp,
    /// The same for what the server says; what clients say still arrives.
    SilentDown,
    /// Whoever is connected or connects is reset.
    Refused,
    /// Each piece that late, in each direction.
    Late(Duration),
    /// At most so many bytes a second from the server on each connection.
    Narrow(usize),
}

/// A running link; ends when it is dropped.
pub struct Link {
    address: SocketAddr,
    way: watch::Sender<Way>,
    _task: JoinSet<()>,
}

/// Which way a pump carries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Up,
    Down,
}

impl Link {
    /// Starts one at the address `at` of the harness that leads to `to`, open.
    ///
    /// # Errors
    ///
    /// Where it cannot listen.
    pub async fn start(at: Ipv4Addr, to: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((at, 0)).await.context("listen as a link")?;
        let address = listener.local_addr()?;
        let way = watch::Sender::new(Way::Open);
        let mut task = JoinSet::new();
        task.spawn(accept(listener, to, way.subscribe()));
        Ok(Self { address, way, _task: task })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it carries so.
    pub fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

async fn accept(listener: TcpListener, to: SocketAddr, way: watch::Receiver<Way>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                let way = way.clone();
                connections.spawn(async move { drop(carry(client, to, way).await) });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn carry(mut client: TcpStream, to: SocketAddr, mut way: watch::Receiver<Way>) -> io::Result<()> {
    // A packet that never arrives: the far end hears of nobody before the link is open.
    let lost = |way: &Way| matches!(way, Way::Silent | Way::SilentUp);
    let first = *way.wait_for(|way| !lost(way)).await.map_err(io::Error::other)?;
    if first == Way::Refused {
        return client.set_zero_linger();
    }
    let Ok(mut server) = TcpStream::connect(to).await else { return client.set_zero_linger() };
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let carried = {
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        let up = pump(from_client, to_server, Side::Up, way.clone());
        let down = pump(from_server, to_client, Side::Down, way.clone());
        let both = async { tokio::try_join!(up, down).map(drop) };
        let refused = async {
            let refused = way.wait_for(|way| *way == Way::Refused).await;
            Err(refused.map_or_else(io::Error::other, |_| io::ErrorKind::ConnectionReset.into()))
        };
        tokio::select! { end = both => end, end = refused => end }
    };
    if carried.is_err() {
        // What one side ends roughly ends so for the other.
        client.set_zero_linger()?;
        server.set_zero_linger()?;
    }
    carried
}

/// Carries one direction to its end. What is late is so by the way alone: it does not hold up what comes behind it.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    side: Side,
    mut way: watch::Receiver<Way>,
) -> io::Result<()> {
    let mut piece = vec![0; 64 << 10];
    let (mut under_way, mut ended) = (VecDeque::<(Instant, Vec<u8>)>::new(), false);
    loop {
        let (room, late, most) = match *way.borrow() {
            Way::Late(by) => (PIECES, by, piece.len()),
            Way::Narrow(bytes) if side == Side::Down => {
                (1, Duration::ZERO, (bytes / 20).clamp(1, piece.len()))
            }
            _ => (1, Duration::ZERO, piece.len()),
        };
        let due = under_way.front().map(|(due, _)| *due);
        tokio::select! {
            read = from.read(&mut piece[..most]), if !ended && under_way.len() < room => {
                let read = read?;
                ended = read == 0;
                under_way.push_back((Instant::now() + late, piece[..read].to_vec()));
            }
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                let (_, bytes) = under_way.pop_front().unwrap_or_else(|| (Instant::now(), Vec::new()));
                let now = *way.wait_for(|way| !side.is_silent(*way)).await.map_err(io::Error::other)?;
                match now {
                    Way::Narrow(narrow) if side == Side::Down => {
                        sleep(Duration::from_secs_f64(bytes.len() as f64 / narrow.max(1) as f64)).await;
                    }
                    _ => {}
                }
                if bytes.is_empty() {
                    return to.shutdown().await;
                }
                to.write_all(&bytes).await?;
            }
        }
    }
}

impl Side {
    const fn is_silent(self, way: Way) -> bool {
        match way {
            Way::Silent => true,
            Way::SilentUp => matches!(self, Self::Up),
            Way::SilentDown => matches!(self, Self::Down),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ground::Place;
    use crate::http::Call;
    use crate::stage::backend::Backend;

    async fn link() -> (Backend, Link) {
        let backend = Backend::start(&Place::on_loopback("backend")).unwrap();
        let link = Link::start(Ipv4Addr::LOCALHOST, backend.address()).await.unwrap();
        (backend, link)
    }

    async fn asks(link: &Link, within: Duration) -> bool {
        Call { deadline: within, ..Call::get(link.address(), "/") }.send().await.is_ok()
    }

    #[tokio::test]
    async fn a_link_carries_is_silent_refuses_and_is_mended() {
        let (_backend, link) = link().await;
        let (long, short) = (Duration::from_secs(10), Duration::from_millis(100));
        assert!(asks(&link, long).await);
        for way in [Way::Silent, Way::SilentUp, Way::SilentDown, Way::Refused] {
            link.set(way);
            assert!(!asks(&link, short).await, "{way:?}");
            link.set(Way::Open);
            assert!(asks(&link, long).await, "after {way:?}");
        }
    }

    #[tokio::test]
    async fn what_was_under_way_arrives_after_a_partition() {
        let (_backend, link) = link().await;
        link.set(Way::Silent);
        let asked = asks(&link, Duration::from_secs(10));
        let mended = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            link.set(Way::Open);
        };
        assert!(tokio::join!(asked, mended).0);
    }

    #[tokio::test]
    async fn a_late_link_is_late_in_both_directions() {
        let (_backend, link) = link().await;
        link.set(Way::Late(Duration::from_millis(50)));
        let start = tokio::time::Instant::now();
        assert!(asks(&link, Duration::from_secs(10)).await);
        assert!(start.elapsed() >= Duration::from_millis(100));
    }

    #[tokio::test]
    async fn a_late_link_is_no_narrow_one() {
        let echo = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let link = Link::start(Ipv4Addr::LOCALHOST, echo.local_addr().unwrap()).await.unwrap();
        let late = Duration::from_millis(200);
        link.set(Way::Late(late));
        let (start, bytes) = (Instant::now(), vec![7; 4 << 20]);
        let sends = async {
            let (mut server, _) = echo.accept().await.unwrap();
            server.write_all(&bytes).await.unwrap();
        };
        let reads = async {
            let mut got = Vec::new();
            TcpStream::connect(link.address()).await.unwrap().read_to_end(&mut got).await.unwrap();
            got
        };
        let ((), got) = tokio::join!(sends, reads);
        assert!(got == bytes);
        // As many pieces, each of which waits for the one before, would take 13 s.
        assert!((late..late * 10).contains(&start.elapsed()), "{:?}", start.elapsed());
    }
}
