//! Writes Events to the API server, one at a time and no more than twenty a second.
//!
//! In: the queue. Out: POSTs; for an Event that is there already, a PATCH of its count. What can go wrong: everything;
//! what may pass is tried again with growing waits, the rest is dropped and counted.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event as Object;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::client::Client;
use serde_json::json;

use super::call::{Backoff, Failure, within};
use super::complaint::Complaint;
use super::events::{Events, Reporter, Shared};
use super::form;
use super::metrics::Metrics;
use super::queue::{Next, Waiting};
use crate::net::Net;
use crate::source::kubernetes::{Access, AccessError, connect};
use crate::time::{Clock, Moment};

/// Between two writes.
const PACE: Duration = Duration::from_millis(50);

/// How `kubectl` tells our writes from others'.
const MANAGER: &str = "bellwether";

/// Writes what is told.
pub struct EventWriter {
    shared: Arc<Shared>,
    client: Client,
    backoff: Backoff,
    complaint: Complaint,
}

impl EventWriter {
    /// A writer, and the way to tell it Events. The API is not asked yet.
    ///
    /// # Errors
    ///
    /// Where the access cannot be right.
    pub async fn open(
        access: &Access,
        net: &Net,
        reporter: Reporter,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> Result<(Events, Self), AccessError> {
        let client = connect(access, net).await?;
        let (events, shared) = Events::kept(reporter, clock, metrics);
        let writer = Self { shared, client, backoff: Backoff::default(), complaint: Complaint::default() };
        Ok((events, writer))
    }

    /// Writes for the life of the process.
    pub async fn run(mut self) {
        loop {
            let (now, next) = self.next();
            match next {
                Next::Write(waiting) => {
                    let pause = self.write(*waiting).await;
                    tokio::time::sleep(pause).await;
                }
                Next::Wait(until) => tokio::select! {
                    () = tokio::time::sleep(until.since(now)) => {}
                    () = self.shared.wake.notified() => {}
                },
                Next::Idle => self.shared.wake.notified().await,
            }
        }
    }

    fn next(&self) -> (Moment, Next) {
        let (now, mut queue) = (self.shared.clock.now(), self.shared.queue.lock());
        self.shared.metrics.events("dropped", queue.expire(now));
        let next = queue.next(now);
        self.shared.metrics.waiting(queue.len());
        (now, next)
    }

    /// Writes one, or keeps it for later. Returns how long to wait before the next.
    async fn write(&mut self, waiting: Waiting) -> Duration {
        let waited = self.shared.clock.now().since(waiting.since);
        let happened = SystemTime::now() - waited;
        let happened = Timestamp::try_from(happened).unwrap_or_else(|_| Timestamp::now());
        let object = form::object(&waiting.event, &self.shared.reporter.replica, happened);
        let result = self.post(object).await;
        if let Err(failure) = &result
            && self.complaint.is_due()
        {
            let hint = "serving goes on; allow create and patch on events to this identity";
            tracing::warn!(reason = %failure, about = ?waiting.event.about, hint, "a Kubernetes Event is not written");
        }
        let outcome = match result {
            Ok(outcome) => outcome,
            Err(Failure::Later { wait, .. }) => {
                self.shared.queue.lock().put_back(waiting);
                self.shared.metrics.event("retried");
                return self.backoff.next(wait);
            }
            Err(_) => "refused",
        };
        self.backoff.reset();
        self.shared.queue.lock().written(&waiting.event.about, self.shared.clock.now());
        self.shared.metrics.event(outcome);
        PACE
    }

    async fn post(&self, object: Object) -> Result<&'static str, Failure> {
        let (name, namespace) = (object.metadata.name.clone(), object.metadata.namespace.clone());
        let (name, namespace) = (name.unwrap_or_default(), namespace.unwrap_or_default());
        let api: Api<Object> = Api::namespaced(self.client.clone(), &namespace);
        let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        match within(api.create(&params, &object)).await {
            Ok(_) => Ok("written"),
            Err(Failure::Exists) => {
                self.repeat(&api, &name, object.last_timestamp).await?;
                Ok("repeated")
            }
            Err(failure) => Err(failure),
        }
    }

    /// Nobody but the leader writes it, so its count cannot have changed between the two requests.
    async fn repeat(&self, api: &Api<Object>, name: &str, at: Option<Time>) -> Result<(), Failure> {
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let seen = Patch::Merge(json!({"lastTimestamp": at}));
        let before = within(api.patch(name, &params, &seen)).await?;
        let count = Patch::Merge(json!({"count": before.count.unwrap_or(1).saturating_add(1)}));
        within(api.patch(name, &params, &count)).await.map(drop)
    }
}

#[cfg(test)]
mod tests;
