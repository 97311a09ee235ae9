//! What a table needs on its way to a client: a place among those that are sent, and a line in the ledger at its end.

use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::admission::Place;
use crate::replication::deliveries::Deliveries;
use crate::replication::ledger::Outcome;
use crate::snapshot::Digest;

/// Travels as an extension of the response, whose extensions must be clonable: the connection takes it out, once.
#[derive(Clone)]
pub(super) struct Sending(Arc<Mutex<Option<Needs>>>);

/// A place, and for a whole table a receipt.
pub(super) type Needs = (Place, Option<Receipt>);

/// What the ledger is told about the delivery of a whole table.
pub(super) struct Receipt {
    pub(super) deliveries: Arc<Deliveries>,
    pub(super) client: IpAddr,
    pub(super) digest: Digest,
}

impl Sending {
    pub(super) fn new(place: Place, receipt: Option<Receipt>) -> Self {
        Self(Arc::new(Mutex::new(Some((place, receipt)))))
    }

    pub(super) fn take(self) -> Option<Needs> {
        self.0.lock().take()
    }
}

impl Receipt {
    pub(super) fn write(&self, outcome: Outcome) {
        self.deliveries.ended(self.client, self.digest, outcome);
    }
}
