//! One GET on a connection of its own: what stands behind a name may be another one the next time.
//!
//! Nothing here has a deadline: the caller has one for all of it.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use super::answer::{Answer, LARGEST};
use super::{Address, RemoteError};
use crate::net::Net;

/// How we are called in the logs of others.
const AGENT: &str = concat!("bellwether/", env!("CARGO_PKG_VERSION"));

/// Asks `address` for its table; for another one than that of `tag`, where one is given.
pub(super) async fn get(
    net: &Net,
    address: &Address,
    tls: Option<Arc<ClientConfig>>,
    tag: Option<&str>,
) -> Result<Answer, RemoteError> {
    let mut request = Request::get(&address.target)
        .header(header::HOST, address.authority())
        .header(header::USER_AGENT, AGENT)
        .header(header::ACCEPT_ENCODING, "gzip")
        .header(header::CONNECTION, "close");
    if let Some(tag) = tag {
        request = request.header(header::IF_NONE_MATCH, tag);
    }
    let request = request.body(Empty::new()).map_err(|error| connection(&error))?;
    let stream = net.dial(&address.authority()).await.map_err(|error| connection(&error))?;
    match tls {
        None => over(stream, request).await,
        Some(config) => {
            let name = ServerName::try_from(address.host.clone()).map_err(|error| connection(&error))?;
            let stream = TlsConnector::from(config).connect(name, stream).await;
            over(stream.map_err(|error| connection(&error))?, request).await
        }
    }
}

async fn over<S>(stream: S, request: Request<Empty<Bytes>>) -> Result<Answer, RemoteError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, driver) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| connection(&error))?;
    let _driver = AbortOnDropHandle::new(tokio::spawn(driver));
    let response = sender.send_request(request).await.map_err(|error| connection(&error))?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, LARGEST).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            RemoteError::TooLarge(LARGEST)
        } else {
            connection(error.as_ref())
        }
    })?;
    Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
}

/// What broke, by its innermost cause.
fn connection(mut error: &(dyn Error + 'static)) -> RemoteError {
    while let Some(source) = error.source() {
        error = source;
    }
    RemoteError::Connection(error.to_string())
}
