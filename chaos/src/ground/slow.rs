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

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);

/// A long way. Connections end with it, and new ones go straight again.
pub struct Slow {
    delay: Arc<AtomicU64>,
    rule: Rule,
    to: Place,
    _tasks: JoinSet<()>,
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
        let delay = Arc::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, from.clone(), to_socket, Arc::clone(&delay)));
        net.carry(|rules| {
            rules.insert(rule);
        })?;
        Ok(Self { delay, rule, to: to.clone(), _tasks: tasks })
    }

    /// From now on everything takes so much longer, each way.
    pub fn delay(&self, delay: Duration) {
        self.delay.store(u64::try_from(delay.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
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

async fn accept(listener: TcpListener, from: Place, to: SocketAddr, delay: Arc<AtomicU64>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                let (from, delay) = (from.clone(), Arc::clone(&delay));
                // An error is one side's reset: closing both passes it on.
                connections.spawn(async move { drop(carry(client, &from, to, &delay).await) });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn carry(client: TcpStream, from: &Place, to: SocketAddr, delay: &AtomicU64) -> Result<()> {
    let socket = from.within(|| open(from.address()))??;
    let server = timeout(CONNECT, socket.connect(to)).await??;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::try_join!(pass(from_client, to_server, delay), pass(from_server, to_client, delay))?;
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
