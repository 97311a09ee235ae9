//! What this replica writes to the Kubernetes API, where that is the upstream.

use std::sync::Arc;

use prometheus_client::registry::Registry;

use super::election::lease_namespace;
use crate::flags::{LeaseOptions, ServeOptions, SourceOptions};
use crate::source::{Access, AccessError};
use crate::time::Clock;
use crate::writes::{EventWriter, Events, Metrics, Reporter};

/// The ways to write, and what writes.
pub(super) struct Writes {
    pub(super) events: Events,
    pub(super) writer: Option<EventWriter>,
}

pub(super) async fn open(
    options: &ServeOptions,
    in_pod: bool,
    clock: Arc<dyn Clock>,
    registry: &mut Registry,
) -> Result<Writes, AccessError> {
    let metrics = Metrics::register(registry);
    if options.source != SourceOptions::Kubernetes {
        return Ok(Writes { events: Events::default(), writer: None });
    }
    let access = Access::of(&options.api, in_pod);
    let (events, writer) = EventWriter::open(&access, reporter(options), clock, metrics).await?;
    Ok(Writes { events, writer: Some(writer) })
}

fn reporter(options: &ServeOptions) -> Reporter {
    let lease = match &options.lease {
        LeaseOptions::Kubernetes { namespace, name } => {
            lease_namespace(namespace.as_deref()).map(|namespace| (namespace, name.clone()))
        }
        LeaseOptions::File(_) => None,
    };
    Reporter { replica: options.id.clone(), lease }
}
