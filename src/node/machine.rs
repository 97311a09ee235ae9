//! What a replica has of the machine that it runs on. Whoever simulates brings another one.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::shutdown;
use crate::net::Net;
use crate::time::{BootClock, Clock};

/// The ports of a replica beside its upstream and its Lease.
#[derive(Clone)]
pub struct Machine {
    /// What validity and grants are read from.
    pub clock: Arc<dyn Clock>,
    /// What it reaches others over.
    pub net: Net,
    /// Random, and so unlike that of any process that ever ran.
    pub nonce: u128,
    /// Whether Kubernetes runs this process, and has put what is needed to ask its API into the container.
    pub in_pod: bool,
    /// The pod's UID; empty outside of one.
    pub pod_uid: String,
    /// Whether the election has a thread to itself, so that a compiler which takes long delays nothing there.
    pub election_thread: bool,
    /// Waits until somebody wants the process to stop. Called anew for each time.
    pub asked_to_stop: Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
}

impl Machine {
    /// The one that this process runs on.
    ///
    /// # Errors
    ///
    /// Where the operating system gives no random bytes.
    pub fn here() -> Result<Self, getrandom::Error> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce)?;
        Ok(Self {
            clock: Arc::new(BootClock),
            net: Net::Tcp,
            nonce: u128::from_ne_bytes(nonce),
            in_pod: std::env::var_os("KUBERNETES_SERVICE_HOST").is_some(),
            pod_uid: std::env::var("POD_UID").unwrap_or_default(),
            election_thread: true,
            asked_to_stop: Arc::new(|| shutdown::signalled().boxed()),
        })
    }
}
