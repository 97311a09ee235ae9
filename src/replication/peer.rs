//! How replicas reach each other, and how they know each other: mutual TLS, a shared token, or neither on one machine.
//!
//! In: the files that prove who we are. Out: connections, and proofs of who is at their other end. What can go wrong:
//! files that cannot be used (at the start an error, later the old ones are kept), and a peer that is not who it says.

mod proof;
mod tls;
mod token;

use std::future::ready;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::time::MissedTickBehavior;
use tokio_util::either::Either;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};

use super::transfer::MESSAGE_BYTES;
use crate::net::{Net, Stream};
use crate::wire::replication_client::ReplicationClient;

pub use proof::Proof;
pub(super) use token::Bearer;

use tls::Tls;
use token::Token;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_millis(500);

/// HTTP/2 flow control: room for a few chunks, so that a table does not wait for round trips.
pub(super) const WINDOW: u32 = 4 << 20;

/// How often files are looked at that may have changed. Kubernetes takes a minute to change a mounted Secret.
const LOOK: Duration = Duration::from_secs(5);

/// What replicas show each other. Without any of it they take everybody for a replica.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Means {
    /// Mutual TLS.
    pub tls: Option<TlsFiles>,
    /// A file of tokens, one a line: the first is shown, each is taken.
    pub token: Option<PathBuf>,
}

/// The files of mutual TLS between replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain that this replica shows, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// The authorities that sign every replica's certificate, PEM.
    pub authority: PathBuf,
    /// A name that stands for every replica's own in its certificate.
    pub shared_name: Option<String>,
}

/// What is needed to call a peer, and to be called.
#[derive(Clone, Debug, Default)]
pub struct Security {
    tls: Option<Arc<Tls>>,
    token: Option<Arc<Token>>,
    net: Net,
}

/// A client of one connection. It is not made anew where it breaks: the next one may end at another process.
pub type Client = ReplicationClient<InterceptedService<Channel, Bearer>>;

/// Why a peer could not be reached, is not who it says, or the files that prove who we are not be used.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// A file cannot be read, or is not what it should be.
    #[error("cannot use {}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// The address is not one.
    #[error("{0:?} is not an address; write HOST:PORT")]
    Address(String),
    /// No connection came about.
    #[error("cannot connect to {address}: {cause}")]
    Connect {
        /// Whom to.
        address: String,
        /// Why not.
        cause: String,
    },
    /// Its certificate is somebody else's.
    #[error(
        "the certificate at the other end does not carry the name {0:?}; issue one that does, or name the one that all \
         carry with --replication-tls-shared-name"
    )]
    Impostor(String),
}

impl PeerError {
    fn file(path: &std::path::Path, cause: impl ToString) -> Self {
        Self::File { path: path.to_owned(), cause: cause.to_string() }
    }
}

impl Security {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// Where one cannot be read, holds nothing useful, or the key is not the certificate's.
    pub fn load(means: Means) -> Result<Self, PeerError> {
        let tls = means.tls.map(Tls::load).transpose()?.map(Arc::new);
        let token = means.token.map(Token::load).transpose()?.map(Arc::new);
        Ok(Self { tls, token, net: Net::default() })
    }

    /// The same, over another network.
    #[must_use]
    pub fn over(self, net: Net) -> Self {
        Self { net, ..self }
    }

    /// The network that peers are reached over.
    pub const fn net(&self) -> &Net {
        &self.net
    }

    /// Takes up files that have changed, for ever. Connections go on under what they began with.
    pub async fn renew(self) {
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look();
        }
    }

    /// Takes up files that have changed.
    pub fn look(&self) {
        if let Some(tls) = &self.tls {
            tls.look();
        }
        if let Some(token) = &self.token {
            token.look();
        }
    }

    pub(super) const fn tls(&self) -> Option<&Arc<Tls>> {
        self.tls.as_ref()
    }

    /// What a caller must show, if anything.
    pub(super) const fn token(&self) -> Option<&Arc<Token>> {
        self.token.as_ref()
    }

    /// Connects to `address`, `HOST:PORT`, and says what is proven of who answers.
    ///
    /// # Errors
    ///
    /// Where the address is not one, nobody answers within a second, or whoever does has no certificate of ours.
    pub async fn connect(&self, address: &str) -> Result<(Client, Proof), PeerError> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"));
        let endpoint = endpoint.map_err(|_| PeerError::Address(address.to_owned()))?;
        let failed = |cause: String| PeerError::Connect { address: address.to_owned(), cause };
        let connected = tokio::time::timeout(2 * CONNECT, self.open(address, endpoint)).await;
        let (channel, proof) =
            connected.map_err(|_| failed("no answer in time".to_owned()))?.map_err(failed)?;
        let bearer = self.token.as_ref().map(|token| token.bearer()).unwrap_or_default();
        let client = ReplicationClient::with_interceptor(channel, bearer);
        Ok((client.max_decoding_message_size(MESSAGE_BYTES), proof))
    }

    async fn open(&self, address: &str, endpoint: Endpoint) -> Result<(Channel, Proof), String> {
        let stream = tokio::time::timeout(CONNECT, self.net.dial(address)).await;
        let stream = stream.map_err(|_| "no connection in time".to_owned())?;
        let stream: Stream = stream.map_err(|error| error.to_string())?;
        stream.set_nodelay().map_err(|error| error.to_string())?;
        let (stream, proof) = match &self.tls {
            None => (Either::Left(stream), Proof::default()),
            Some(tls) => {
                let (stream, proof) = tls.connect(stream).await.map_err(|error| error.to_string())?;
                (Either::Right(stream), proof)
            }
        };
        // The proof is of this connection, so there is no other one.
        let mut once = Some(TokioIo::new(stream));
        let over = || io::Error::new(io::ErrorKind::NotConnected, "the connection is over");
        let connector = tower::service_fn(move |_| ready(once.take().ok_or_else(over)));
        let endpoint = endpoint.initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW);
        let channel = endpoint.connect_with_connector(connector).await;
        Ok((channel.map_err(|error| chain(&error))?, proof))
    }
}

/// An error with all its causes, as one line: tonic's own text stops at "transport error".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
