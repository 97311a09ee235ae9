//! What a replica writes to the Kubernetes API beside its Lease: Events about what people should know, and the status of
//! Ingresses where that is asked for.
//!
//! In: what the leader's loop and the election find. Out: small writes, one after the other, each with a deadline. Nobody
//! waits for them: what cannot be written is kept for a while, then dropped, counted, and said once in a while. No
//! publication is delayed by it or fails.

mod call;
mod complaint;
mod event;
mod events;
mod form;
mod metrics;
mod plan;
mod queue;
mod status;
mod writer;

pub use event::{Event, Severity, Subject};
pub use events::{Events, Reporter, elections};
pub use metrics::Metrics;
pub use status::{IngressStatus, Planned, StatusWriter};
pub use writer::EventWriter;
