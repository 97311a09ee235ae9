//! How replicas reach each other: plain text on loopback, mutual TLS where files are given.

use std::path::PathBuf;
use std::time::Duration;

use super::transfer::MESSAGE_BYTES;
use crate::wire::replication_client::ReplicationClient;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, ServerTlsConfig};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_millis(500);

/// HTTP/2 flow control: room for a few chunks, so that a table does not wait for round trips.
pub(super) const WINDOW: u32 = 4 << 20;

/// The files of mutual TLS between replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain that this replica shows, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// The authority that signs every replica's certificate, PEM.
    pub authority: PathBuf,
    /// The name that every replica's certificate carries.
    pub server_name: String,
}

/// What is needed to call a peer, and to be called.
#[derive(Clone, Debug, Default)]
pub struct Security {
    client: Option<ClientTlsConfig>,
    server: Option<ServerTlsConfig>,
}

/// Why a peer could not be reached, or the files of TLS not be used.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// A file of TLS cannot be read.
    #[error("cannot read {}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
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
}

impl Security {
    /// Reads the files, where there are any; plain text otherwise.
    ///
    /// # Errors
    ///
    /// Where a file cannot be read.
    pub fn load(files: Option<&TlsFiles>) -> Result<Self, PeerError> {
        let Some(files) = files else { return Ok(Self::default()) };
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|cause| PeerError::File { path: path.clone(), cause })
        };
        let identity = Identity::from_pem(read(&files.certificate)?, read(&files.key)?);
        let authority = Certificate::from_pem(read(&files.authority)?);
        let client = ClientTlsConfig::new()
            .identity(identity.clone())
            .ca_certificate(authority.clone())
            .domain_name(&files.server_name);
        let server = ServerTlsConfig::new().identity(identity).client_ca_root(authority);
        Ok(Self { client: Some(client), server: Some(server) })
    }

    /// The server's half, where there is TLS.
    pub const fn server(&self) -> Option<&ServerTlsConfig> {
        self.server.as_ref()
    }

    /// Connects to `address`, `HOST:PORT`.
    ///
    /// # Errors
    ///
    /// Where the address is not one, or nobody answers within half a second.
    pub async fn connect(&self, address: &str) -> Result<ReplicationClient<Channel>, PeerError> {
        let scheme = if self.client.is_some() { "https" } else { "http" };
        let endpoint = Endpoint::from_shared(format!("{scheme}://{address}"));
        let mut endpoint = endpoint.map_err(|_| PeerError::Address(address.to_owned()))?;
        let failed = |cause: String| PeerError::Connect { address: address.to_owned(), cause };
        if let Some(tls) = &self.client {
            endpoint = endpoint.tls_config(tls.clone()).map_err(|error| failed(chain(&error)))?;
        }
        let endpoint = endpoint
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW);
        let connected = tokio::time::timeout(2 * CONNECT, endpoint.connect()).await;
        let connected = connected.map_err(|_| failed("no answer in time".to_owned()))?;
        let channel = connected.map_err(|error| failed(chain(&error)))?;
        Ok(ReplicationClient::new(channel).max_decoding_message_size(MESSAGE_BYTES))
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
