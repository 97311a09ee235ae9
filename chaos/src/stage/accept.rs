//! The connections that a proxy carries: each in a task of its own, all of them ended with the proxy.

use std::io;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Carries whoever connects to `listener`, until it is dropped. An error is one side's reset: closing both passes it on.
pub(super) async fn accept<F>(listener: TcpListener, carry: impl Fn(TcpStream) -> F)
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                connections.spawn(carry(client));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
