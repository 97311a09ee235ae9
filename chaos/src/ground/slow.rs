//! A long way: what goes over connections from one place to a port of another takes its time. This kernel may have no
//! netem, so the harness carries them.
//!
//! A connection is handed to the harness on its way, which opens the rest of it in the place that it came from: both
//! ends see each other's own address. Ports that the harness takes for that are let through.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::place::Place;

/// The harness's own ports for the rest of a connection, below those that kernels choose.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// How many pieces may be under way.
const PIECES: usize = 64;

/// Of so many bytes at most.
const PIECE: usize = 16 * 1024;

/// A narrow way is read in pieces of so many bytes, and the kernel keeps about so many of it.
const NARROW_PIECE: usize = 512;
const NARROW_BUFFER: u32 = 8 * 1024;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);

/// A long way. Connections end with it, and new ones go straight again.
pub struct Slow {
    pace: Arc<Pace>,
    rule: Rule,
    to: Place,
    _tasks: JoinSet<()>,
}

/// What the way is like.
#[derive(Default)]
struct Pace {
    /// In microseconds, each way.
    delay: AtomicU64,
    /// In bytes a second, back to whoever connects; zero: as many as there are.
    rate: AtomicU64,
}

/// Which connections go to the harness, and where there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    from: Ipv4Addr,
    to: SocketAddr,
    carrier: SocketAddr,
}

impl Slow {
    /// Connections that are made from now on from `from` to `port` at `to` are carried; without delay, until one is set.
    ///
    /// # Errors
    ///
    /// On loopback.
    pub(super) async fn start(from: &Place, to: &Place, port: u16) -> Result<Self> {
        let net = to.net()?;
        let listener = TcpListener::bind((super::net::HARNESS, 0)).await.context("listen as a long way")?;
        let to_socket = SocketAddr::from((to.address(), port));
        let rule = Rule { from: from.address(), to: to_socket, carrier: listener.local_addr()? };
        let pace = Arc::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, from.clone(), to_socket, Arc::clone(&pace)));
        net.carry(|rules| {
            rules.insert(rule);
        })?;
        Ok(Self { pace, rule, to: to.clone(), _tasks: tasks })
    }

    /// From now on everything takes so much longer, each way.
    pub fn delay(&self, delay: Duration) {
        self.pace.delay.store(u64::try_from(delay.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// On connections that are made from now on no more than so many bytes a second come back to whoever made them; `None`
    /// takes the limit away, also from those that are open. Little waits on the way, so that the far end feels it.
    pub fn narrow(&self, bytes_per_second: Option<u64>) {
        self.pace.rate.store(bytes_per_second.unwrap_or_default(), Ordering::Relaxed);
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        if let Ok(net) = self.to.net() {
            let _ = net.carry(|rules| {
                rules.remove(&self.rule);
            });
        }
    }
}

impl Rule {
    /// What nft is told of it.
    pub fn text(&self) -> String {
        let Self { from, to, carrier } = self;
        format!(
            "ip saddr {from} ip daddr {} tcp dport {} tcp sport != {}-{} dnat ip to {}:{}",
            to.ip(),
            to.port(),
            PORTS.start,
            PORTS.end - 1,
            carrier.ip(),
            carrier.port()
        )
    }
}

async fn accept(listener: TcpListener, from: Place, to: SocketAddr, pace: Arc<Pace>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                let (from, pace) = (from.clone(), Arc::clone(&pace));
                // An error is one side's reset: closing both passes it on.
                connections.spawn(async move { drop(carry(client, &from, to, &pace).await) });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn carry(client: TcpStream, from: &Place, to: SocketAddr, pace: &Pace) -> Result<()> {
    let socket = from.within(|| open(from.address()))??;
    let narrow = pace.rate.load(Ordering::Relaxed) > 0;
    if narrow {
        socket.set_recv_buffer_size(NARROW_BUFFER)?;
    }
    let server = timeout(CONNECT, socket.connect(to)).await??;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let back = async {
        match narrow {
            true => trickle(from_server, to_client, &pace.rate).await,
            false => pass(from_server, to_client, &pace.delay).await,
        }
    };
    tokio::try_join!(pass(from_client, to_server, &pace.delay), back)?;
    Ok(())
}

/// A socket in the namespace of the thread that calls, on one of our ports.
fn open(address: Ipv4Addr) -> io::Result<TcpSocket> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    for _ in PORTS {
        let port = PORTS.start + NEXT.fetch_add(1, Ordering::Relaxed) % (PORTS.end - PORTS.start);
        match socket.bind((address, port).into()) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            bound => return bound.map(|()| socket),
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

/// Passes everything on, and no more than so many bytes a second.
async fn trickle(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, rate: &AtomicU64) -> io::Result<()> {
    let mut piece = [0; NARROW_PIECE];
    loop {
        let length = from.read(&mut piece).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&piece[..length]).await?;
        let rate = rate.load(Ordering::Relaxed);
        if rate > 0 {
            tokio::time::sleep(Duration::from_secs_f64(length as f64 / rate as f64)).await;
        }
    }
}

/// Passes everything on, each piece after the delay that holds when it comes.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: &AtomicU64) -> io::Result<()> {
    let (sender, mut receiver) = mpsc::channel::<(Instant, Vec<u8>)>(PIECES);
    let read = async move {
        loop {
            let mut piece = vec![0; PIECE];
            let length = from.read(&mut piece).await?;
            piece.truncate(length);
            let due = Instant::now() + Duration::from_micros(delay.load(Ordering::Relaxed));
            // An empty piece is the end, which takes its time too.
            if sender.send((due, piece)).await.is_err() || length == 0 {
                return io::Result::Ok(());
            }
        }
    };
    let write = async move {
        while let Some((due, piece)) = receiver.recv().await {
            sleep_until(due).await;
            match piece.is_empty() {
                true => to.shutdown().await?,
                false => to.write_all(&piece).await?,
            }
        }
        Ok(())
    };
    tokio::try_join!(read, write).map(drop)
}
