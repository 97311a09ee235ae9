//! Asks a replica's support listener over plain HTTP, with a deadline that includes the body.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header, request};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// The largest answer that is read, in bytes.
const LARGEST: usize = 64 << 20;

/// A client that keeps its connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: HyperClient<HttpConnector, Empty<Bytes>>,
    deadline: Duration,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The address is no URL.
    #[error("{0:?} is no address; write http://HOST:PORT")]
    Address(String),
    /// Nobody answers, or the answer broke off.
    #[error("{url} does not answer: {cause}")]
    Connection {
        /// What was asked for.
        url: String,
        /// The innermost cause.
        cause: String,
    },
    /// The whole answer did not arrive in time.
    #[error("{url} did not answer within {} s", .deadline.as_secs_f32())]
    Deadline {
        /// What was asked for.
        url: String,
        /// How long was waited.
        deadline: Duration,
    },
    /// It answered that it could not.
    #[error("{url} answers {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The answer's status.
        status: StatusCode,
    },
}

impl Client {
    /// A client whose every call ends after `deadline`.
    pub fn new(deadline: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(deadline));
        Self { http: HyperClient::builder(TokioExecutor::new()).build(connector), deadline }
    }

    /// The body that `server` (as `http://127.0.0.1:9911`) answers for `path` with status 200.
    ///
    /// # Errors
    ///
    /// Where there is no such answer within the deadline.
    pub async fn get(&self, server: &str, path: &str) -> Result<Bytes, AskError> {
        let (url, uri) = address(server, path)?;
        match self.ask(url.clone(), Request::get(uri)).await? {
            (StatusCode::OK, body) => Ok(body),
            (status, _) => Err(AskError::Status { url, status }),
        }
    }

    /// The same, whatever the status: what is wrong stands in the body.
    ///
    /// # Errors
    ///
    /// Where there is no answer within the deadline.
    pub async fn answer(&self, server: &str, path: &str) -> Result<(StatusCode, Bytes), AskError> {
        self.answer_to(server, path, None).await
    }

    /// Gives the command `path` to `server`, with a token where one is given. Its answer, whatever the status: what is
    /// wrong stands in the body.
    ///
    /// # Errors
    ///
    /// Where there is no answer within the deadline.
    pub async fn post(
        &self,
        server: &str,
        path: &str,
        token: Option<&str>,
    ) -> Result<(StatusCode, Bytes), AskError> {
        let (url, uri) = address(server, path)?;
        self.ask(url, with(token, Request::post(uri))).await
    }

    /// What `server` answers for `path` to whoever knows the token, whatever the status.
    ///
    /// # Errors
    ///
    /// Where there is no answer within the deadline.
    pub async fn answer_to(
        &self,
        server: &str,
        path: &str,
        token: Option<&str>,
    ) -> Result<(StatusCode, Bytes), AskError> {
        let (url, uri) = address(server, path)?;
        self.ask(url, with(token, Request::get(uri))).await
    }

    async fn ask(&self, url: String, request: request::Builder) -> Result<(StatusCode, Bytes), AskError> {
        match tokio::time::timeout(self.deadline, self.whole(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(AskError::Connection { url, cause: innermost(error.as_ref()) }),
            Err(_) => Err(AskError::Deadline { url, deadline: self.deadline }),
        }
    }

    async fn whole(
        &self,
        request: request::Builder,
    ) -> Result<(StatusCode, Bytes), Box<dyn Error + Send + Sync>> {
        let request = request.body(Empty::new())?;
        let response = self.http.request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LARGEST).collect().await?.to_bytes();
        Ok((status, body))
    }
}

fn with(token: Option<&str>, request: request::Builder) -> request::Builder {
    match token {
        Some(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
        None => request,
    }
}

fn address(server: &str, path: &str) -> Result<(String, Uri), AskError> {
    let url = format!("{}{path}", server.trim_end_matches('/'));
    let uri: Uri = url.parse().map_err(|_| AskError::Address(server.to_owned()))?;
    if uri.scheme_str() != Some("http") || uri.host().is_none_or(str::is_empty) {
        return Err(AskError::Address(server.to_owned()));
    }
    Ok((url, uri))
}

fn innermost(mut error: &dyn Error) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// A server that answers one connection with these bytes, then holds it open.
    async fn server(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            std::future::pending::<()>().await;
        });
        address
    }

    #[tokio::test]
    async fn a_body_is_read_whole() {
        let url = server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
        assert_eq!(Client::new(Duration::from_secs(5)).get(&url, "/status").await.unwrap(), "{}");
    }

    #[tokio::test]
    async fn a_body_that_stalls_ends_at_the_deadline() {
        let url = server("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}").await;
        let error = Client::new(Duration::from_millis(50)).get(&url, "/status").await.unwrap_err();
        assert!(matches!(error, AskError::Deadline { .. }), "{error}");
    }

    #[tokio::test]
    async fn refusals_say_what_was_asked() {
        let client = Client::new(Duration::from_secs(5));
        let url = server("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").await;
        assert!(client.get(&url, "/status").await.unwrap_err().to_string().contains("answers 503"));
        for bad in ["127.0.0.1:9911", "https://a", "", "http://"] {
            let error = client.get(bad, "/status").await.unwrap_err();
            assert!(matches!(error, AskError::Address(_)), "{bad}: {error}");
        }
    }
}
