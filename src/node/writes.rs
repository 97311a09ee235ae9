//! What this replica writes to the Kubernetes API, where that is the upstream.

use prometheus_client::registry::Registry;

use super::Machine;
use super::election::namespace;
use crate::flags::{LeaseOptions, ServeOptions, SourceOptions};
use crate::source::{Access, AccessError};
use crate::writes::{EventWriter, Events, IngressStatus, Metrics, Reporter, StatusWriter};

/// The ways to write, and what writes.
#[derive(Default)]
pub(super) struct Writes {
    pub(super) events: Events,
    pub(super) writer: Option<EventWriter>,
    pub(super) status: IngressStatus,
    pub(super) status_writer: Option<StatusWriter>,
}

pub(super) async fn open(
    options: &ServeOptions,
    machine: &Machine,
    registry: &mut Registry,
) -> Result<Writes, AccessError> {
    let metrics = Metrics::register(registry);
    if options.source != SourceOptions::Kubernetes {
        return Ok(Writes::default());
    }
    let access = Access::of(&options.api, machine.in_pod);
    let (events, writer) =
        EventWriter::open(&access, &machine.net, reporter(options), machine.clock.clone(), metrics.clone())
            .await?;
    let mut writes = Writes { events, writer: Some(writer), ..Writes::default() };
    if let Some(service) = options.status_from.clone() {
        let (status, writer) = StatusWriter::open(&access, &machine.net, service, metrics).await?;
        (writes.status, writes.status_writer) = (status, Some(writer));
    }
    Ok(writes)
}

fn reporter(options: &ServeOptions) -> Reporter {
    let lease = match &options.lease {
        LeaseOptions::Kubernetes { name, .. } => {
            namespace(&options.lease).map(|namespace| (namespace, name.clone()))
        }
        LeaseOptions::File(_) => None,
    };
    Reporter { replica: options.id.clone(), lease }
}
