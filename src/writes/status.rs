//! Writes the status of Ingresses (`-kubernetes-status-from-service`): the leader, after the table of the same poll is
//! active, and only what differs.
//!
//! In: the newest plan; an older one that is not done is dropped. Out: PATCHes, one at a time and no more than fifty a
//! second. What can go wrong: everything; nobody waits for it, and the next poll plans anew.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, header};
use kube::client::Client;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use super::call::{Backoff, Failure, within};
use super::complaint::Complaint;
use super::metrics::Metrics;
use super::plan::{Plan, Untold, plan};
use crate::compile::{ServiceName, Settings};
use crate::election::Term;
use crate::net::Net;
use crate::object::Objects;
use crate::replication::hub::Hub;
use crate::snapshot::Version;
use crate::source::kubernetes::{Access, AccessError, connect};

/// Between two writes.
const PACE: Duration = Duration::from_millis(20);

/// How long a status that was written is left alone: a list that was read just before still has the old one.
const SETTLES: Duration = Duration::from_secs(10);

/// How long one is left alone that the API server refuses.
const REFUSED: Duration = Duration::from_secs(300);

/// The way to the writer; cheap to clone. The default one leads nowhere.
#[derive(Clone, Default)]
pub struct IngressStatus(Option<Arc<Link>>);

struct Link {
    service: ServiceName,
    offers: watch::Sender<Option<Offer>>,
    metrics: Metrics,
}

/// What is due once `version` is active.
#[derive(Clone)]
struct Offer {
    term: Term,
    version: Version,
    plan: Arc<Plan>,
}

/// A plan of one poll, until it is known what becomes of the poll.
pub struct Planned(Result<Plan, Untold>);

impl IngressStatus {
    /// What is due for `objects`; none where nothing is ever written. A defect of ours must not cost a poll.
    pub fn plan(&self, objects: &Objects, settings: &Settings) -> Option<Planned> {
        let link = self.0.as_ref()?;
        let planned = catch_unwind(AssertUnwindSafe(|| plan(objects, settings, &link.service)));
        planned.ok().map(Planned)
    }

    /// Leaves the plan of a poll whose table is published as `version`. An older one is dropped.
    pub fn offer(&self, term: &Term, version: Version, planned: Planned) {
        let Some(link) = &self.0 else { return };
        let Planned(Ok(plan)) = planned else {
            link.metrics.status("no-addresses");
            link.offers.send_replace(None);
            return;
        };
        link.metrics.differing(plan.ingresses.len());
        link.offers.send_replace(Some(Offer { term: term.clone(), version, plan: Arc::new(plan) }));
    }
}

/// Writes what is due.
pub struct StatusWriter {
    client: Client,
    offers: watch::Receiver<Option<Offer>>,
    service: ServiceName,
    metrics: Metrics,
    /// What is left alone, until when.
    resting: HashMap<(String, String), Instant>,
    /// What was written last; other addresses are written whatever rests.
    last: Arc<Plan>,
    backoff: Backoff,
    complaint: Complaint,
}

/// How far a plan went.
enum End {
    /// To its end, or a newer one is there.
    Done,
    /// The API server wants to be left alone.
    Pause(Duration),
}

impl StatusWriter {
    /// A writer for the addresses of `service`, and the way to it. The API is not asked yet.
    ///
    /// # Errors
    ///
    /// Where the access cannot be right.
    pub async fn open(
        access: &Access,
        net: &Net,
        service: ServiceName,
        metrics: Metrics,
    ) -> Result<(IngressStatus, Self), AccessError> {
        let client = connect(access, net).await?;
        let (sender, offers) = watch::channel(None);
        let link = Link { service: service.clone(), offers: sender, metrics: metrics.clone() };
        let writer = Self {
            client,
            offers,
            service,
            metrics,
            resting: HashMap::new(),
            last: Arc::default(),
            backoff: Backoff::default(),
            complaint: Complaint::default(),
        };
        Ok((IngressStatus(Some(Arc::new(link))), writer))
    }

    /// Writes for as long as there is a way to it, what `hub` has activated.
    pub async fn run(mut self, hub: Arc<Hub>) {
        while self.offers.changed().await.is_ok() {
            let Some(offer) = self.offers.borrow_and_update().clone() else {
                if self.complaint.is_due() {
                    tracing::warn!(service = %self.service, "there is no such Service, or it cannot be read; the status of Ingresses stays as it is");
                }
                continue;
            };
            if !self.is_active(&offer, &hub).await {
                continue;
            }
            if let End::Pause(length) = self.carry_out(&offer, &hub).await {
                tokio::time::sleep(length).await;
            }
        }
    }

    /// Waits until the table of the same poll is active; `false` where a newer plan came first.
    async fn is_active(&mut self, offer: &Offer, hub: &Hub) -> bool {
        let mut changed = hub.changed();
        loop {
            changed.mark_unchanged();
            if hub.read(|core| core.active().is_some_and(|it| it.version >= offer.version)) {
                return true;
            }
            tokio::select! {
                _ = changed.changed() => {}
                _ = self.offers.changed() => {
                    self.offers.mark_changed();
                    return false;
                }
            }
        }
    }

    async fn carry_out(&mut self, offer: &Offer, hub: &Hub) -> End {
        let now = Instant::now();
        if self.last.addresses != offer.plan.addresses {
            self.resting.clear();
        }
        self.last = offer.plan.clone();
        self.resting.retain(|_, until| *until > now);
        let body = json!({"status": {"loadBalancer": {"ingress": offer.plan.addresses}}}).to_string();
        for ingress in &offer.plan.ingresses {
            if self.resting.contains_key(ingress) {
                continue;
            }
            // At the act: the plan may be longer than the term.
            if offer.term.check(hub.now()).is_err() {
                return End::Done;
            }
            let result = self.patch(ingress, body.clone()).await;
            if let Err(failure) = &result
                && *failure != Failure::Gone
                && self.complaint.is_due()
            {
                let (namespace, name) = ingress;
                let hint = "routes do not depend on it; allow patch on ingresses/status to this identity";
                tracing::warn!(namespace, name, reason = %failure, hint, "the status of an Ingress is not written");
            }
            let rest = match result {
                Ok(()) => {
                    self.metrics.status("written");
                    SETTLES
                }
                Err(Failure::Later { wait, .. }) => {
                    self.metrics.status("failed");
                    return End::Pause(self.backoff.next(wait));
                }
                Err(_) => {
                    self.metrics.status("refused");
                    REFUSED
                }
            };
            self.backoff.reset();
            self.resting.insert(ingress.clone(), Instant::now() + rest);
            tokio::time::sleep(PACE).await;
            if self.offers.has_changed().unwrap_or(true) {
                break;
            }
        }
        End::Done
    }

    async fn patch(&self, (namespace, name): &(String, String), body: String) -> Result<(), Failure> {
        let path = format!(
            "/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses/{name}/status?fieldManager=bellwether"
        );
        let request = Request::patch(path).header(header::CONTENT_TYPE, "application/merge-patch+json");
        let request = request.body(body.into_bytes());
        let request = request.map_err(|error| Failure::Refused(error.to_string()))?;
        within(self.client.request_text(request)).await.map(drop)
    }
}

#[cfg(test)]
mod tests;
