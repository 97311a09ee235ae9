//! The election that the options ask for: on a Kubernetes Lease, or on a file.

use std::sync::Arc;

use prometheus_client::registry::Registry;

use super::Machine;
use crate::election::store::{FileLease, FileLeaseError, KubernetesLease, LeaseStore};
use crate::election::{Config, Handle, Identity, Metrics};
use crate::flags::{LeaseOptions, ServeOptions};
use crate::rollout::Mode;
use crate::source::kubernetes::{Access, AccessError};

/// Where the kubelet writes the namespace of a pod's service account.
const NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// A leader whose poll loop has not moved for three intervals gives up, but never sooner than this.
const LEAST_STALL: std::time::Duration = std::time::Duration::from_secs(10);

/// Why there is no election.
#[derive(Debug, thiserror::Error)]
pub enum ElectionError {
    /// The lease file.
    #[error("--lease: {0}")]
    File(#[from] FileLeaseError),
    /// The way to the Kubernetes API.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The namespace of the Lease.
    #[error("--lease: the namespace is not known outside of a pod; write --lease=kubernetes:NAMESPACE/NAME")]
    Namespace,
    /// Random bytes for the identity.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
    /// The thread.
    #[error("the election's thread cannot be made: {0}")]
    Thread(#[from] std::io::Error),
}

pub(super) async fn start(
    options: &ServeOptions,
    machine: &Machine,
    registry: &mut Registry,
) -> Result<Handle, ElectionError> {
    let metrics = Arc::new(Metrics::register(registry));
    if options.rollout.mode == Mode::Off {
        let identity = Identity::new(&options.id, &machine.pod_uid, machine.nonce);
        return Ok(crate::election::stay_out(identity, machine.clock.clone()));
    }
    let config = |identity| Config {
        identity,
        address: options.replication.address.clone(),
        software: format!("bellwether {}", env!("CARGO_PKG_VERSION")),
        timing: options.election,
        rank: ordinal(&options.id),
        stall: (3 * options.poll_interval).max(LEAST_STALL),
    };
    match &options.lease {
        LeaseOptions::File(path) => {
            let store = FileLease::open(path)?;
            let identity = FileLease::identity(&options.id).map_err(ElectionError::Random)?;
            start_on(store, config(identity), machine, metrics)
        }
        LeaseOptions::Kubernetes { namespace, name } => {
            let access = Access::of(&options.api, machine.in_pod);
            let namespace = lease_namespace(namespace.as_deref()).ok_or(ElectionError::Namespace)?;
            let store = KubernetesLease::open(access, &namespace, name).await?.over(machine.net.clone());
            let identity = Identity::new(&options.id, &machine.pod_uid, machine.nonce);
            start_on(store, config(identity), machine, metrics)
        }
    }
}

fn start_on<S: LeaseStore>(
    store: S,
    config: Config,
    machine: &Machine,
    metrics: Arc<Metrics>,
) -> Result<Handle, ElectionError> {
    let clock = machine.clock.clone();
    if machine.election_thread {
        Ok(crate::election::start(store, config, clock, metrics)?)
    } else {
        Ok(crate::election::start_here(store, config, clock, metrics))
    }
}

/// The namespace of the Lease: what the command line says, or the pod's own.
pub(super) fn lease_namespace(given: Option<&str>) -> Option<String> {
    let own = || std::fs::read_to_string(NAMESPACE).ok().map(|text| text.trim().to_owned());
    given.map(str::to_owned).or_else(own)
}

/// The namespace of the Lease that is meant; none where it is a file, or cannot be known.
pub(super) fn namespace(lease: &LeaseOptions) -> Option<String> {
    match lease {
        LeaseOptions::Kubernetes { namespace, .. } => lease_namespace(namespace.as_deref()),
        LeaseOptions::File(_) => None,
    }
}

/// The place among the candidates: the ordinal of a StatefulSet's pod, or of a name that ends like one.
fn ordinal(name: &str) -> u32 {
    let digits = name.trim_start_matches(|character: char| !character.is_ascii_digit());
    let last = digits.rsplit(|character: char| !character.is_ascii_digit()).next();
    last.and_then(|digits| digits.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rank_is_the_ordinal_of_the_name() {
        assert_eq!(ordinal("bellwether-2"), 2);
        assert_eq!(ordinal("r1"), 1);
        assert_eq!(ordinal("v2-bellwether-10"), 10);
        assert_eq!(ordinal("bellwether"), 0);
    }
}
