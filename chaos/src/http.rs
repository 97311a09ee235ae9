//! One request on one new connection, as a Skipper that polls or a kubelet that probes makes it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;

use crate::address::{self, ANYBODY};

/// A request that never changes: where it goes and how long it may take, body included.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// GET, or HEAD to be spared the body.
    pub method: Method,
    /// From which address of loopback.
    pub from: IpAddr,
    /// Where to connect.
    pub to: SocketAddr,
    /// The `Host` header.
    pub host: &'a str,
    /// The path, with its query.
    pub path: &'a str,
    /// Further headers.
    pub headers: &'a [(header::HeaderName, &'a str)],
    /// For connecting, headers and body together.
    pub deadline: Duration,
}

/// An answer, with its whole body.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; complete, as far as its framing can tell.
    pub body: Bytes,
}

/// Why there is no [`Reply`], and the connection that it happened on, if there was one.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The client's own address.
    pub from: Option<SocketAddr>,
    /// What went wrong.
    pub cause: String,
    /// The head of an answer whose body the other side did not finish.
    pub cut: Option<(StatusCode, HeaderMap)>,
}

/// How far an exchange has come.
#[derive(Default)]
struct Progress {
    from: Option<SocketAddr>,
    head: Option<(StatusCode, HeaderMap)>,
}

impl<'a> Call<'a> {
    /// A plain `GET path` to `to`, within two seconds.
    pub fn get(to: SocketAddr, path: &'a str) -> Self {
        Self {
            method: Method::GET,
            from: ANYBODY,
            to,
            host: "localhost",
            path,
            headers: &[],
            deadline: Duration::from_secs(2),
        }
    }

    /// Sends it. The first value is the client's own address, by which a proxy on the way can be asked where the
    /// connection went.
    ///
    /// # Errors
    ///
    /// Where there is no complete answer within the deadline.
    pub async fn send(&self) -> Result<(SocketAddr, Reply), Failure> {
        let mut progress = Progress::default();
        let sent = tokio::time::timeout(self.deadline, self.exchange(&mut progress)).await;
        let Progress { from, head } = progress;
        match sent {
            Ok(Ok((address, reply))) => Ok((address, reply)),
            Ok(Err(error)) => Err(Failure { from, cause: describe(error.as_ref()), cut: head }),
            // The client gave up: nobody knows whether the rest would have come.
            Err(_) => {
                let cause = format!("no complete answer within {:?}", self.deadline);
                Err(Failure { from, cause, cut: None })
            }
        }
    }

    async fn exchange(
        &self,
        progress: &mut Progress,
    ) -> Result<(SocketAddr, Reply), Box<dyn std::error::Error + Send + Sync>> {
        let stream = address::connect(self.from, self.to).await?;
        stream.set_nodelay(true)?;
        let local = stream.local_addr()?;
        progress.from = Some(local);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(self.path)
            .header(header::HOST, self.host)
            .header(header::CONNECTION, "close");
        for (name, value) in self.headers {
            request = request.header(name, *value);
        }
        let answer = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
        let (head, body) = answer.into_parts();
        progress.head = Some((head.status, head.headers.clone()));
        let body = body.collect().await?.to_bytes();
        connection.abort();
        Ok((local, Reply { status: head.status, headers: head.headers, body }))
    }
}

impl Reply {
    /// The header `name` as text; empty where it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// The error and its causes on one line.
fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
