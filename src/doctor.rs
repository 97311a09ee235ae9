//! What a replica finds where it looks at its own surroundings: the API and its rights there, the upstream of a cascade, the
//! Lease, its peers, its certificates, its state folder. For people who look for what is wrong; nothing is decided by it.
//!
//! In: the options of `serve`. Out: a [`Check`] for each thing looked at, with a reason and a hint. Every look has a
//! deadline. What can go wrong is what it is about.

mod api;
mod certificates;
mod lease;
mod peers;
mod state;
mod upstream;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::flags::ServeOptions;
use crate::net::Net;
use crate::replication::hub::Hub;
use crate::replication::peer::Security;
use crate::snapshot::disk::Disk;

/// How long one look may take; one at an upstream as long as a reading of it.
const LOOK: Duration = Duration::from_secs(5);

/// Something that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What, as `certificate /tls/tls.crt`.
    pub what: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// How to mend it; empty where it is good.
    pub hint: String,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Nothing fails yet.
    Look,
    /// Something does not work.
    Bad,
}

impl Check {
    fn good(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Good, found: found.into(), hint: String::new() }
    }

    fn look(what: impl Into<String>, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Look, found: found.into(), hint: hint.into() }
    }

    fn bad(what: impl Into<String>, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Bad, found: found.into(), hint: hint.into() }
    }
}

/// Looks around for one replica.
pub struct Doctor {
    options: ServeOptions,
    in_pod: bool,
    /// The namespace of the Lease, where it is known.
    namespace: Option<String>,
    net: Net,
    hub: Arc<Hub>,
    security: Security,
    disk: Disk,
}

impl Doctor {
    /// The doctor of the replica with these options.
    pub fn new(
        options: ServeOptions,
        (in_pod, namespace): (bool, Option<String>),
        net: Net,
        hub: Arc<Hub>,
        security: Security,
        disk: Disk,
    ) -> Self {
        Self { options, in_pod, namespace, net, hub, security, disk }
    }

    /// Looks at everything, at once.
    pub async fn look(&self) -> Vec<Check> {
        let (api, upstream, lease, peers, state) =
            futures::join!(self.rights(), self.upstream(), self.lease(), self.peers(), self.state());
        [api, upstream, lease, peers, self.certificates(), state].concat()
    }
}

/// What `looking` finds, if it comes to an end in time.
async fn in_time(what: &str, looking: impl Future<Output = Vec<Check>>) -> Vec<Check> {
    let late = || {
        let found = format!("no answer within {} s", LOOK.as_secs());
        vec![Check::bad(what, found, "see whether what it asks is reachable, and how busy it is")]
    };
    tokio::time::timeout(LOOK, looking).await.unwrap_or_else(|_| late())
}
