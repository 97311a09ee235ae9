//! How the Kubernetes API is reached: kube carries the transport and the credentials, nothing else.
//!
//! Its retries are off. Wrapped in them, one call could wait for minutes on `Retry-After`; whoever calls decides
//! how long it waits, and every call has a deadline of its own.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{HeaderValue, Request, Uri, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kube::Config;
use kube::client::{Body, Client, ClientBuilder, ConfigExt, DynBody};
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use tokio::time::Instant;
use tower::util::{BoxService, MapRequestLayer};
use tower::{BoxError, Layer, ServiceExt};

use crate::flags::ApiOptions;
use crate::net::Net;

/// How long a connection may take to open, TLS included.
const CONNECT: Duration = Duration::from_secs(5);

/// How often a token is read again: a mounted one is replaced well before it ends.
const TOKEN_AGE: Duration = Duration::from_secs(60);

/// Where the API is, and who we are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// As a pod: address, authority and token as Kubernetes hands them to every container.
    InCluster,
    /// `-kubernetes-url`.
    Url {
        /// `http://` or `https://`, with host and port.
        url: String,
        /// `-kubernetes-token-file`: a file with a bearer token, read again each minute.
        token_file: Option<PathBuf>,
        /// `--kubernetes-ca-file`: the authority that signed the server's certificate, as PEM; without it, those that
        /// the system trusts.
        ca_file: Option<PathBuf>,
    },
    /// `--kubeconfig`: its current context, for development.
    Kubeconfig(PathBuf),
}

/// Where the peer looks without any flag: `kubectl proxy`.
const PROXY: &str = "http://localhost:8001";

impl Access {
    /// What the command line asks for. Where it says nothing, a process that Kubernetes runs (`in_pod`) asks its own
    /// cluster, and any other a `kubectl proxy`, as the peer does.
    pub fn of(options: &ApiOptions, in_pod: bool) -> Self {
        let ApiOptions { in_cluster, url, token_file, ca_file, kubeconfig, namespace: _ } = options;
        match (kubeconfig, url) {
            _ if *in_cluster => Self::InCluster,
            (Some(path), _) => Self::Kubeconfig(path.clone()),
            (None, None) if in_pod => Self::InCluster,
            (None, url) => Self::Url {
                url: url.clone().unwrap_or_else(|| PROXY.to_owned()),
                token_file: token_file.clone(),
                ca_file: ca_file.clone(),
            },
        }
    }
}

/// Why there is no way to the API: a mistake in the configuration, before anything was sent.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The environment of a pod is not there.
    #[error(
        "no access from within a cluster ({0}): run as a pod with a ServiceAccount, or give -kubernetes-url"
    )]
    InCluster(String),
    /// `-kubernetes-url` is no URL.
    #[error("-kubernetes-url={url:?} is not usable ({cause}): give http://HOST:PORT or https://HOST:PORT")]
    Url {
        /// What was given.
        url: String,
        /// Why it is refused.
        cause: String,
    },
    /// The token cannot be used.
    #[error("-kubernetes-token-file={}: {cause}", path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// The kubeconfig cannot be used.
    #[error("--kubeconfig={0}")]
    Kubeconfig(String),
    /// The client cannot be built: an authority or a certificate that is no PEM, as a rule.
    #[error("cannot prepare the connection to the Kubernetes API: {0}")]
    Client(String),
}

/// A client for `access` over `net`, with a connection pool of its own, no retries and no deadlines beside that of connecting.
///
/// # Errors
///
/// Where the configuration cannot be right. The API itself is not asked.
pub async fn connect(access: &Access, net: &Net) -> Result<Client, AccessError> {
    let mut token = None;
    let mut config = match access {
        Access::InCluster => {
            Config::incluster().map_err(|error| AccessError::InCluster(error.to_string()))?
        }
        Access::Url { url, token_file, ca_file } => {
            token = token_file.clone().map(Token::open).transpose()?;
            let mut config = Config::new(parse(url)?);
            if ca_file.is_some() || config.cluster_url.scheme_str() == Some("http") {
                // Trust nothing but the file, and look for the system's authorities only where they are needed.
                config.root_cert = Some(Vec::new());
                config.root_cert_file = ca_file.clone();
            }
            config
        }
        Access::Kubeconfig(path) => kubeconfig(path).await?,
    };
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT);
    let unfit = |error: kube::Error| AccessError::Client(chain(&error));
    let builder = match net {
        Net::Tcp => ClientBuilder::try_from(config).map_err(unfit)?,
        Net::Other(_) => over(net.clone(), &config).map_err(unfit)?,
    };
    Ok(match token {
        Some(mut token) => builder.with_layer(&MapRequestLayer::new(move |call| token.sign(call))).build(),
        None => builder.build(),
    })
}

/// What carries kube's requests.
type Way = BoxService<Request<Body>, http::Response<Box<DynBody>>, BoxError>;

/// kube's own way knows TCP only; the rest of it is the same here.
fn over(net: Net, config: &Config) -> kube::Result<ClientBuilder<Way>> {
    let connector = tower::service_fn(move |uri: Uri| {
        let net = net.clone();
        async move {
            let address = format!("{}:{}", uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(443));
            let stream = tokio::time::timeout(CONNECT, net.dial(&address)).await;
            stream.map_err(io::Error::from).flatten().map(TokioIo::new)
        }
    });
    let connector = config.rustls_https_connector_with_connector(connector)?;
    let client = legacy::Client::builder(TokioExecutor::new()).build(connector);
    let service = config.base_uri_layer().layer(client).map_err(BoxError::from);
    let service = service.map_response(|answer: http::Response<Incoming>| {
        answer.map(|body| Box::new(body.map_err(BoxError::from)) as Box<DynBody>)
    });
    Ok(ClientBuilder::new(service.boxed(), config.default_namespace.clone()))
}

fn parse(url: &str) -> Result<Uri, AccessError> {
    let refuse = |cause: String| AccessError::Url { url: url.to_owned(), cause };
    let uri: Uri = url.parse().map_err(|error: http::uri::InvalidUri| refuse(error.to_string()))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(_)) => Ok(uri),
        _ => Err(refuse("it has no scheme or no host".to_owned())),
    }
}

async fn kubeconfig(path: &Path) -> Result<Config, AccessError> {
    let refuse =
        |error: &KubeconfigError| AccessError::Kubeconfig(format!("{}: {}", path.display(), chain(error)));
    let kubeconfig = Kubeconfig::read_from(path).map_err(|error| refuse(&error))?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    config.map_err(|error| refuse(&error))
}

/// A bearer token from a file. kube has the like, but keeps the newline at its end, which no header may carry.
#[derive(Clone)]
struct Token {
    path: PathBuf,
    header: HeaderValue,
    read_at: Instant,
}

impl Token {
    fn open(path: PathBuf) -> Result<Self, AccessError> {
        let header = Self::read(&path).map_err(|cause| AccessError::Token { path: path.clone(), cause })?;
        Ok(Self { path, header, read_at: Instant::now() })
    }

    fn read(path: &Path) -> Result<HeaderValue, String> {
        let token = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        if token.trim().is_empty() {
            return Err("holds no token".to_owned());
        }
        let mut header = HeaderValue::try_from(format!("Bearer {}", token.trim()))
            .map_err(|_| "holds bytes that no token has".to_owned())?;
        header.set_sensitive(true);
        Ok(header)
    }

    /// The last token that could be read serves on, as with client-go.
    fn sign(&mut self, mut call: Request<Body>) -> Request<Body> {
        if self.read_at.elapsed() >= TOKEN_AGE {
            self.read_at = Instant::now();
            match Self::read(&self.path) {
                Ok(header) => self.header = header,
                Err(cause) => {
                    tracing::warn!(path = %self.path.display(), cause, "token not renewed, the last one is used");
                }
            }
        }
        call.headers_mut().insert(header::AUTHORIZATION, self.header.clone());
        call
    }
}

/// An error with its causes, each said once.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(url: &str) -> Access {
        Access::Url { url: url.to_owned(), token_file: None, ca_file: None }
    }

    async fn refusal(access: Access) -> String {
        connect(&access, &Net::Tcp).await.err().expect("it is refused").to_string()
    }

    #[tokio::test]
    async fn what_cannot_be_right_is_refused_before_anything_is_sent() {
        assert!(refusal(url("localhost:8001")).await.contains("give http://HOST:PORT"));
        assert!(refusal(url("ftp://localhost")).await.contains("ftp://localhost"));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        let with_token = || Access::Url {
            url: "http://127.0.0.1:1".to_owned(),
            token_file: Some(file.clone()),
            ca_file: None,
        };
        assert!(refusal(with_token()).await.contains("No such file"));
        std::fs::write(&file, "\n").unwrap();
        assert!(refusal(with_token()).await.ends_with("holds no token"));
        std::fs::write(&file, "abc\n").unwrap();
        assert!(connect(&with_token(), &Net::Tcp).await.is_ok());
        let no_ca = Access::Url {
            url: "https://127.0.0.1:1".to_owned(),
            token_file: None,
            ca_file: Some(file.clone()),
        };
        assert!(connect(&no_ca, &Net::Tcp).await.is_err());
        assert!(refusal(Access::Kubeconfig(dir.path().join("none"))).await.starts_with("--kubeconfig=/"));
    }

    #[test]
    fn the_command_line_decides_and_else_the_surroundings() {
        let proxy = url(PROXY);
        let mut options = ApiOptions::default();
        assert_eq!(Access::of(&options, true), Access::InCluster);
        assert_eq!(Access::of(&options, false), proxy);
        options.url = Some("https://api.test".to_owned());
        assert_eq!(Access::of(&options, true), url("https://api.test"));
        options.kubeconfig = Some("config".into());
        assert_eq!(Access::of(&options, true), Access::Kubeconfig("config".into()));
        options.in_cluster = true;
        assert_eq!(Access::of(&options, false), Access::InCluster);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_read_again_each_minute_and_kept_while_it_cannot_be() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let header = |token: &mut Token| {
            token.sign(Request::new(Body::empty())).headers()[header::AUTHORIZATION]
                .to_str()
                .unwrap()
                .to_owned()
        };
        std::fs::write(file.path(), "one\n").unwrap();
        let mut token = Token::open(file.path().to_owned()).unwrap();
        std::fs::write(file.path(), "two\n").unwrap();
        assert_eq!(header(&mut token), "Bearer one");
        tokio::time::advance(TOKEN_AGE).await;
        assert_eq!(header(&mut token), "Bearer two");
        std::fs::write(file.path(), "").unwrap();
        tokio::time::advance(TOKEN_AGE).await;
        assert_eq!(header(&mut token), "Bearer two");
    }
}
