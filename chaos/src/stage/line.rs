//! One client's line to the Service: a proxy over all replicas, in turn, from an address that is the client's own. It can
//! break in the middle of a table.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::accept::accept;
use crate::address;

/// A line that is to break does so after so many bytes of one connection: more than any 304 has, and less than a table.
const WHOLE: usize = 1000;

/// A running line; ends when it is dropped.
pub struct Line {
    address: SocketAddr,
    shared: Arc<Shared>,
    _task: JoinSet<()>,
}

struct Shared {
    client: Ipv4Addr,
    replicas: Vec<SocketAddr>,
    turn: AtomicUsize,
    breaking: AtomicBool,
    broken: AtomicUsize,
    hold: watch::Sender<Hold>,
}

/// Whether a table is held in its middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    /// None is, and none will be.
    Open,
    /// The next one will be.
    Next,
    /// One is, on the connection with this address of ours.
    Held(SocketAddr),
    /// The one that was held ends there.
    Cut,
}

impl Line {
    /// Starts it for the client that replicas see as `client`, an address of loopback.
    ///
    /// # Errors
    ///
    /// Where it cannot listen.
    pub async fn start(client: Ipv4Addr, replicas: Vec<SocketAddr>) -> Result<Self> {
        Self::start_at(Ipv4Addr::LOCALHOST, client, replicas).await
    }

    /// The same, where the client reaches it at the address `at` of the harness.
    ///
    /// # Errors
    ///
    /// Where it cannot listen.
    pub async fn start_at(at: Ipv4Addr, client: Ipv4Addr, replicas: Vec<SocketAddr>) -> Result<Self> {
        let listener = TcpListener::bind((at, 0)).await.context("listen as a line")?;
        let address = listener.local_addr()?;
        let (turn, breaking, broken) = Default::default();
        let hold = watch::Sender::new(Hold::Open);
        let shared = Arc::new(Shared { client, replicas, turn, breaking, broken, hold });
        let mut task = JoinSet::new();
        let carrying = Arc::clone(&shared);
        task.spawn(accept(listener, move |client| Arc::clone(&carrying).carry(client)));
        Ok(Self { address, shared, _task: task })
    }

    /// Where the client connects.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next table that goes over it is cut.
    pub fn break_next(&self) {
        self.shared.breaking.store(true, Ordering::SeqCst);
    }

    /// The next table that goes over it is held in its middle, until [`Line::cut`] or [`Line::pass`].
    pub fn hold_next(&self) {
        self.shared.hold.send_replace(Hold::Next);
    }

    /// The line's own address on the connection whose table is held, if one is.
    pub fn held(&self) -> Option<SocketAddr> {
        match *self.shared.hold.borrow() {
            Hold::Held(from) => Some(from),
            _ => None,
        }
    }

    /// The table that is held ends where it is.
    pub fn cut(&self) {
        self.shared.hold.send_replace(Hold::Cut);
    }

    /// The table that is held goes on, and none is held any more.
    pub fn pass(&self) {
        self.shared.hold.send_replace(Hold::Open);
    }

    /// How many tables were cut so far.
    pub fn broken(&self) -> usize {
        self.shared.broken.load(Ordering::SeqCst)
    }
}

impl Shared {
    async fn carry(self: Arc<Self>, mut client: TcpStream) -> io::Result<()> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let replica = self.replicas[turn % self.replicas.len()];
        let mut server = address::connect(self.client.into(), replica).await?;
        let own = server.local_addr()?;
        let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
            (client.split(), server.split());
        let up = async {
            tokio::io::copy(&mut from_client, &mut to_server).await?;
            to_server.shutdown().await?;
            std::future::pending::<io::Result<bool>>().await
        };
        let down = async {
            let (mut piece, mut passed) = ([0; 512], 0);
            loop {
                let read = from_server.read(&mut piece).await?;
                if read == 0 {
                    return io::Result::Ok(false);
                }
                passed += read;
                to_client.write_all(&piece[..read]).await?;
                if passed > WHOLE
                    && (self.breaking.swap(false, Ordering::SeqCst) || self.held_until_cut(own).await)
                {
                    return Ok(true);
                }
            }
        };
        let broken = tokio::select! { end = up => end?, end = down => end? };
        if broken {
            server.set_zero_linger()?;
            self.broken.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }

    /// Holds the table of the connection `own` where the next one is to be held; whether it ends here.
    async fn held_until_cut(&self, own: SocketAddr) -> bool {
        let mine = self.hold.send_if_modified(|hold| {
            let next = *hold == Hold::Next;
            if next {
                *hold = Hold::Held(own);
            }
            next
        });
        if !mine {
            return false;
        }
        let mut hold = self.hold.subscribe();
        hold.wait_for(|hold| *hold != Hold::Held(own)).await.is_ok_and(|hold| *hold == Hold::Cut)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const LENGTH: usize = 1 << 20;

    #[tokio::test]
    async fn line_passes_everything_on_until_it_is_to_break_and_shows_the_clients_address() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = Ipv4Addr::new(127, 0, 0, 7);
        let line = Line::start(address, vec![listener.local_addr().unwrap()]).await.unwrap();
        let server = tokio::spawn(async move {
            for _ in 0..3 {
                let (mut stream, from) = listener.accept().await.unwrap();
                assert_eq!(from.ip(), IpAddr::V4(address));
                let _ = stream.write_all(&vec![b'x'; LENGTH]).await;
            }
        });
        let read = async || {
            let mut stream = TcpStream::connect(line.address()).await.unwrap();
            stream.read_to_end(&mut Vec::new()).await.unwrap_or_default()
        };
        assert_eq!(read().await, LENGTH);
        line.break_next();
        assert!(read().await < LENGTH);
        assert_eq!((read().await, line.broken()), (LENGTH, 1));
        server.await.unwrap();
    }

    #[tokio::test]
    async fn a_table_is_held_in_its_middle_until_it_is_known_what_becomes_of_it() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let line = Line::start(Ipv4Addr::LOCALHOST, vec![listener.local_addr().unwrap()]).await.unwrap();
        let (seen, mut from) = tokio::sync::mpsc::unbounded_channel();
        let server = tokio::spawn(async move {
            for _ in 0..2 {
                let (mut stream, from) = listener.accept().await.unwrap();
                seen.send(from).unwrap();
                let _ = stream.write_all(&vec![b'x'; LENGTH]).await;
            }
        });
        for (ends, whole) in [(Line::pass as fn(&Line), true), (Line::cut, false)] {
            line.hold_next();
            let mut stream = TcpStream::connect(line.address()).await.unwrap();
            let reading =
                tokio::spawn(async move { stream.read_to_end(&mut Vec::new()).await.unwrap_or_default() });
            let from = from.recv().await.unwrap();
            line.shared.hold.subscribe().wait_for(|hold| *hold == Hold::Held(from)).await.unwrap();
            assert_eq!(line.held(), Some(from));
            ends(&line);
            assert_eq!(reading.await.unwrap() == LENGTH, whole);
        }
        assert_eq!((line.held(), line.broken()), (None, 1));
        server.await.unwrap();
    }
}
