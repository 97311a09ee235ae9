//! The network, as far as a replica touches it: a port. In production it is TCP; simulation brings another one.
//!
//! In: addresses. Out: listeners, and streams of bytes. Everything above it is the same on any network.

mod stream;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::net::{TcpListener, TcpStream, lookup_host};

pub use stream::{Duplex, Stream};

/// How a replica reaches others, and is reached.
#[derive(Clone, Default)]
pub enum Net {
    /// The machine's own.
    #[default]
    Tcp,
    /// Another one.
    Other(Arc<dyn Network>),
}

/// A network other than the machine's own.
pub trait Network: Send + Sync + 'static {
    /// Listens on `address`.
    ///
    /// # Errors
    ///
    /// Where it cannot.
    fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn Accept>>;

    /// The addresses of `HOST:PORT`.
    ///
    /// # Errors
    ///
    /// Where nobody has that name.
    fn resolve(&self, address: &str) -> io::Result<Vec<SocketAddr>>;

    /// A stream to whoever listens at `address`.
    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<Stream>>;
}

/// What listens on a [`Network`].
pub trait Accept: Send + Sync + 'static {
    /// The next stream. Loses none where it is dropped while it waits.
    fn accept(&self) -> BoxFuture<'_, io::Result<Stream>>;

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// Where that is not known any more.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// Where streams arrive.
pub enum Listener {
    /// On the machine's own network.
    Tcp(TcpListener),
    /// On another one.
    Other(Box<dyn Accept>),
}

impl Net {
    /// The addresses of `HOST:PORT`.
    ///
    /// # Errors
    ///
    /// Where nobody has that name.
    pub async fn resolve(&self, address: &str) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::Tcp => Ok(lookup_host(address).await?.collect()),
            Self::Other(other) => other.resolve(address),
        }
    }

    /// A stream to whoever listens at `address`, without a deadline.
    ///
    /// # Errors
    ///
    /// Where nobody does, or no way leads there.
    pub async fn connect(&self, address: SocketAddr) -> io::Result<Stream> {
        match self {
            Self::Tcp => Ok(Stream::Tcp(TcpStream::connect(address).await?)),
            Self::Other(other) => other.connect(address).await,
        }
    }

    /// A stream to the first of the addresses of `HOST:PORT` where one comes about.
    ///
    /// # Errors
    ///
    /// Where it does at none: the last one's.
    pub async fn dial(&self, address: &str) -> io::Result<Stream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in self.resolve(address).await? {
            match self.connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl Listener {
    /// The next stream. Loses none where it is dropped while it waits.
    ///
    /// # Errors
    ///
    /// Those of accept(2); the next attempt may succeed.
    pub async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, _)| Stream::Tcp(stream)),
            Self::Other(listener) => listener.accept().await,
        }
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// Where that is not known any more.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr(),
            Self::Other(listener) => listener.local_addr(),
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.local_addr()).finish()
    }
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "Tcp",
            Self::Other(_) => "Other",
        })
    }
}
