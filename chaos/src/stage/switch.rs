//! A Service whose selector can be changed: a proxy that leads to one group of servers, then to another, and writes down what
//! each answered.
//!
//! Like a Service's address it stays; connections that are open when it is turned are closed, so that the next request
//! goes to the new group.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::accept::accept;

/// Where the status stands in the first line of an answer: `HTTP/1.1 304`.
const STATUS: std::ops::Range<usize> = 9..12;

/// A running one; ends when it is dropped.
pub struct Switch {
    address: SocketAddr,
    shared: Arc<Shared>,
    _task: JoinSet<()>,
}

struct Shared {
    servers: watch::Sender<Vec<SocketAddr>>,
    turn: AtomicUsize,
    answers: Mutex<Vec<u16>>,
}

impl Switch {
    /// Starts it before `servers`, which take connections in turn.
    ///
    /// # Errors
    ///
    /// Where it cannot listen.
    pub async fn start(servers: Vec<SocketAddr>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("listen as a Service")?;
        let address = listener.local_addr()?;
        let (turn, answers) = Default::default();
        let shared = Arc::new(Shared { servers: watch::Sender::new(servers), turn, answers });
        let mut task = JoinSet::new();
        let carrying = Arc::clone(&shared);
        task.spawn(accept(listener, move |client| Arc::clone(&carrying).carry(client)));
        Ok(Self { address, shared, _task: task })
    }

    /// Its address, which stays.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it leads to `servers`; what was answered before is forgotten.
    pub fn turn_to(&self, servers: Vec<SocketAddr>) {
        self.shared.answers.lock().clear();
        self.shared.servers.send_replace(servers);
    }

    /// The statuses of the answers since it was turned.
    pub fn answers(&self) -> Vec<u16> {
        self.shared.answers.lock().clone()
    }
}

impl Shared {
    async fn carry(self: Arc<Self>, mut client: TcpStream) -> io::Result<()> {
        let mut servers = self.servers.subscribe();
        let server = {
            let servers = servers.borrow_and_update();
            servers[self.turn.fetch_add(1, Ordering::Relaxed) % servers.len()]
        };
        let mut server = TcpStream::connect(server).await?;
        let (mut request, mut answer) = ([0; 4096], [0; 4096]);
        let mut is_head = false;
        loop {
            tokio::select! {
                read = client.read(&mut request) => {
                    let read = read?;
                    if read == 0 {
                        return Ok(());
                    }
                    is_head = true;
                    server.write_all(&request[..read]).await?;
                }
                read = server.read(&mut answer) => {
                    let read = read?;
                    if read == 0 {
                        return Ok(());
                    }
                    if std::mem::take(&mut is_head) {
                        let status = answer[..read].get(STATUS).and_then(|it| std::str::from_utf8(it).ok());
                        self.answers.lock().push(status.and_then(|it| it.parse().ok()).unwrap_or_default());
                    }
                    client.write_all(&answer[..read]).await?;
                }
                // Not between a request and its answer.
                _ = servers.changed(), if !is_head => return Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn server(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let mut request = [0; 256];
                    while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                });
            }
        });
        address
    }

    #[tokio::test]
    async fn a_client_is_led_to_the_other_group_without_another_address() {
        let (old, new) = (server("HTTP/1.1 200 OK\r\n").await, server("HTTP/1.1 304 Not Modified\r\n").await);
        let switch = Switch::start(vec![old]).await.unwrap();
        let ask = async |stream: &mut TcpStream| {
            let mut answer = [0; 256];
            stream.write_all(b"GET").await.unwrap();
            stream.read(&mut answer).await.unwrap_or_default()
        };
        let mut stream = TcpStream::connect(switch.address()).await.unwrap();
        for _ in 0..2 {
            assert!(ask(&mut stream).await > 0);
        }
        assert_eq!(switch.answers(), [200, 200]);
        switch.turn_to(vec![new]);
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0, "an open connection ends");
        let mut stream = TcpStream::connect(switch.address()).await.unwrap();
        assert!(ask(&mut stream).await > 0);
        assert_eq!(switch.answers(), [304]);
    }
}
