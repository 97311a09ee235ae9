//! The thread that serves, alone with its connections: whatever the rest of the process does, it does elsewhere.
//!
//! One thread answers more polls than the largest fleet sends, and on two processors two threads cost half as much again for
//! each connection: they wake each other's processor for what one does in passing. What can go wrong: a thread that the
//! system does not give, at the start an error.

use std::{io, thread};

use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use super::listener::{Drain, DrainReport};
use super::routes::RoutesServer;
use crate::net::Listener;

impl RoutesServer {
    /// Serves as [`run`](Self::run) does, on a thread and a runtime of its own. On another network than the machine's, which
    /// knows no threads, where it is awaited.
    ///
    /// # Errors
    ///
    /// Where the system gives no thread, or refuses to say when somebody connects.
    pub async fn run_on_a_thread(self, listener: Listener, drain: Drain) -> io::Result<DrainReport> {
        let Listener::Tcp(listener) = listener else { return self.run(listener, drain).await };
        let listener = listener.into_std()?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (ended, end) = oneshot::channel();
        thread::Builder::new().name("serve".to_owned()).spawn(move || {
            let listen = async { self.run(TcpListener::from_std(listener)?, drain).await };
            let report = runtime.block_on(listen);
            // Passwords may still be checked, for nobody.
            runtime.shutdown_background();
            let _ = ended.send(report);
        })?;
        end.await.unwrap_or_else(|_| Err(io::Error::other("the serving thread panicked")))
    }
}
