//! One request of Go's client: a new connection, and an answer whose body is kept as far as it comes.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;

use crate::address;
use crate::observe::poller::version_of;

/// What Go's client says that it is.
const AGENT: &str = "Go-http-client/1.1";

/// An answer whose body is still to come.
pub struct Begun {
    pub status: StatusCode,
    pub headers: http::HeaderMap,
    body: Incoming,
    _connection: JoinSet<()>,
}

/// What has come of a 200 so far.
#[derive(Default)]
pub struct Received {
    pub body: Vec<u8>,
    pub gzip: bool,
    pub version: Option<(u64, u64)>,
    pub count: Option<usize>,
}

/// Asks for `/routes`, with the ETag where there is one. `local` becomes the client's own address once it is connected.
///
/// # Errors
///
/// Where no head comes.
pub async fn ask(
    from: IpAddr,
    to: SocketAddr,
    etag: &str,
    local: &mut Option<SocketAddr>,
) -> Result<Begun, Box<dyn Error + Send + Sync>> {
    let stream = address::connect(from, to).await?;
    stream.set_nodelay(true)?;
    *local = Some(stream.local_addr()?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let mut task = JoinSet::new();
    task.spawn(async move { drop(connection.await) });
    let mut request = Request::get("/routes")
        .header(header::HOST, to.to_string())
        .header(header::USER_AGENT, AGENT)
        .header(header::ACCEPT_ENCODING, "gzip");
    if !etag.is_empty() {
        request = request.header(header::IF_NONE_MATCH, etag);
    }
    let (head, body) = sender.send_request(request.body(Empty::<Bytes>::new())?).await?.into_parts();
    Ok(Begun { status: head.status, headers: head.headers, body, _connection: task })
}

impl Begun {
    /// The header `name` as text; empty where it is missing.
    pub fn text(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// What the head says of the body.
    pub fn promised(&self) -> Received {
        Received {
            body: Vec::new(),
            gzip: self.text("content-encoding") == "gzip",
            version: version_of(self.text("x-table-version")),
            count: self.text("x-count").parse().ok(),
        }
    }

    /// The next piece of the body; none at its end.
    ///
    /// # Errors
    ///
    /// Where the body ends before its end.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, hyper::Error> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(piece) = frame?.into_data() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }
}
