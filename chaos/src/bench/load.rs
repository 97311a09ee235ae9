//! Clients that ask for one thing again and again: as fast as they get answers, or at a given rate.
//!
//! They run on one thread of their own, and look at no more of an answer than its status and where it ends.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// One request, and the status that it must be answered with.
#[derive(Clone, Debug)]
pub(super) struct Load {
    pub(super) to: SocketAddr,
    pub(super) path: &'static str,
    /// `If-None-Match`, if any.
    pub(super) etag: Option<String>,
    pub(super) gzip: bool,
    pub(super) status: u16,
    /// Each request on a connection of its own, as Skipper sends it.
    pub(super) close: bool,
}

/// A connection that is kept.
pub(super) type Connection = BufReader<TcpStream>;

/// How long one answer may take.
const DEADLINE: Duration = Duration::from_secs(20);

impl Load {
    fn request(&self) -> String {
        let mut text =
            format!("GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: Go-http-client/1.1\r\n", self.path, self.to);
        if let Some(etag) = &self.etag {
            text.push_str(&format!("If-None-Match: {etag}\r\n"));
        }
        if self.gzip {
            text.push_str("Accept-Encoding: gzip\r\n");
        }
        if self.close {
            text.push_str("Connection: close\r\n");
        }
        text + "\r\n"
    }

    async fn connect(&self) -> Result<Connection> {
        let stream = TcpStream::connect(self.to).await.context("connect")?;
        stream.set_nodelay(true)?;
        Ok(BufReader::with_capacity(64 << 10, stream))
    }

    async fn ask(&self, request: &str, connection: &mut Connection) -> Result<()> {
        let exchange = async {
            connection.get_mut().write_all(request.as_bytes()).await?;
            answer(connection).await
        };
        let status = tokio::time::timeout(DEADLINE, exchange).await.context("no answer")??;
        ensure!(status == self.status, "{} was answered with {status}", self.path);
        Ok(())
    }

    /// So many connections, each of which was used once.
    ///
    /// # Errors
    ///
    /// Where one of the answers is another one.
    pub(super) async fn connections(&self, number: usize) -> Result<Vec<Connection>> {
        let mut open = Vec::with_capacity(number);
        for _ in 0..number {
            let mut connection = self.connect().await?;
            self.ask(&self.request(), &mut connection).await?;
            open.push(connection);
        }
        Ok(open)
    }

    /// Asks on `clients` connections at once for `time`; returns how many answers there were.
    ///
    /// # Errors
    ///
    /// Where one of the answers is another one.
    pub(super) async fn as_fast_as_answered(&self, clients: usize, time: Duration) -> Result<u64> {
        let load = self.clone();
        on_a_thread(async move {
            let (end, mut all) = (Instant::now() + time, JoinSet::new());
            for _ in 0..clients {
                let load = load.clone();
                all.spawn(async move { load.until(end).await });
            }
            let mut sum = 0;
            while let Some(done) = all.join_next().await {
                sum += done??;
            }
            Ok(sum)
        })
        .await
    }

    async fn until(&self, end: Instant) -> Result<u64> {
        let (request, mut answers) = (self.request(), 0);
        let mut kept = self.connect().await?;
        while Instant::now() < end {
            self.ask(&request, &mut kept).await?;
            answers += 1;
            if self.close {
                kept = self.connect().await?;
            }
        }
        Ok(answers)
    }

    /// Asks so often a second for `time`, on `clients` connections in turn; returns how long each answer took. One that
    /// is late because the one before it was, has waited since it was due.
    ///
    /// # Errors
    ///
    /// Where one of the answers is another one.
    pub(super) async fn at_rate(&self, rate: u32, clients: u32, time: Duration) -> Result<Vec<Duration>> {
        let load = self.clone();
        on_a_thread(async move {
            let (start, mut all) = (Instant::now(), JoinSet::new());
            for client in 0..clients {
                let (load, first) = (load.clone(), start + Duration::from_secs(1) / rate * client);
                let every = Duration::from_secs(1) / rate * clients;
                all.spawn(async move { load.each(first, every, start + time).await });
            }
            let mut times = Vec::new();
            while let Some(done) = all.join_next().await {
                times.extend(done??);
            }
            Ok(times)
        })
        .await
    }

    async fn each(&self, first: Instant, every: Duration, end: Instant) -> Result<Vec<Duration>> {
        let (request, mut times) = (self.request(), Vec::new());
        let mut connection = self.connect().await?;
        let mut ticks = interval_at(first, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            let due = ticks.tick().await;
            if due >= end {
                break;
            }
            // A timer of this process wakes up to a millisecond late; that is not the server's doing.
            let now = Instant::now();
            let begun = if now - due < Duration::from_millis(3) { now } else { due };
            self.ask(&request, &mut connection).await?;
            times.push(begun.elapsed());
        }
        Ok(times)
    }
}

/// Runs `work` on a thread of its own: what the harness does beside it does not delay it.
async fn on_a_thread<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(work)
    };
    tokio::task::spawn_blocking(run).await?
}

/// Reads one answer to its end, and gives its status.
async fn answer(connection: &mut Connection) -> Result<u16> {
    let mut line = String::new();
    connection.read_line(&mut line).await?;
    let status: u16 =
        line.split_whitespace().nth(1).and_then(|code| code.parse().ok()).context("no status")?;
    let (mut length, mut chunked) = (0, false);
    loop {
        line.clear();
        if connection.read_line(&mut line).await? == 0 {
            bail!("the head was cut");
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") && status != 304 {
            length = value.trim().parse()?;
        }
        chunked |= name.eq_ignore_ascii_case("transfer-encoding") && value.trim() == "chunked";
    }
    if !chunked {
        skip(connection, length).await?;
        return Ok(status);
    }
    loop {
        line.clear();
        connection.read_line(&mut line).await?;
        let size = usize::from_str_radix(line.trim(), 16).context("no chunk")?;
        skip(connection, size + 2).await?;
        if size == 0 {
            return Ok(status);
        }
    }
}

async fn skip(connection: &mut Connection, mut length: usize) -> Result<()> {
    while length > 0 {
        let there = connection.fill_buf().await?.len();
        ensure!(there > 0, "the body was cut");
        connection.consume(there.min(length));
        length = length.saturating_sub(there);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    /// A server that says `text` whatever it is asked.
    async fn saying(text: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                        if stream.write_all(text.as_bytes()).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        address
    }

    fn load(to: SocketAddr, status: u16) -> Load {
        Load { to, path: "/routes", etag: None, gzip: true, status, close: false }
    }

    #[tokio::test]
    async fn answers_end_where_they_say() {
        let answers = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 200),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", 304),
        ];
        for (text, status) in answers {
            let load = load(saying(text).await, status);
            let mut connection = load.connections(1).await.unwrap().remove(0);
            load.ask(&load.request(), &mut connection).await.unwrap();
        }
    }

    #[tokio::test]
    async fn another_status_is_an_error() {
        let to = saying("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
        let error = load(to, 200).as_fast_as_answered(1, Duration::from_millis(50)).await.unwrap_err();
        assert!(error.to_string().contains("404"), "{error:#}");
    }

    #[tokio::test]
    async fn a_rate_is_kept() {
        let to = saying("HTTP/1.1 304 Not Modified\r\n\r\n").await;
        let times = load(to, 304).at_rate(200, 4, Duration::from_millis(250)).await.unwrap();
        assert!((40..=52).contains(&times.len()), "{}", times.len());
    }
}
