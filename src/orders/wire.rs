//! Orders as they travel and lie on disk. What a newer release says and this one does not know is passed over.

use super::{Act, Order, Orders, Outcome, Target};
use crate::snapshot::Digest;
use crate::wire::{self, OrderKind};

/// The longest text of an order that is taken from others, in bytes.
const LONGEST: usize = 4 << 10;

impl From<&Orders> for wire::Orders {
    fn from(orders: &Orders) -> Self {
        Self {
            hold: orders.hold.as_ref().map(Into::into),
            release: orders.release.as_ref().map(Into::into),
            hold_outcome: orders.hold_outcome.as_ref().map(Into::into),
            release_outcome: orders.release_outcome.as_ref().map(Into::into),
        }
    }
}

impl From<wire::Orders> for Orders {
    fn from(orders: wire::Orders) -> Self {
        let order = |of: Option<wire::Order>, releases: bool| {
            of.and_then(order).filter(|order| (order.act == Act::GuardRelease) == releases)
        };
        Self {
            hold: order(orders.hold, false),
            release: order(orders.release, true),
            hold_outcome: orders.hold_outcome.and_then(outcome),
            release_outcome: orders.release_outcome.and_then(outcome),
        }
    }
}

impl From<&Order> for wire::Order {
    fn from(order: &Order) -> Self {
        let kind = match order.act {
            Act::Freeze => OrderKind::Freeze,
            Act::Unfreeze => OrderKind::Unfreeze,
            Act::Pin(_) => OrderKind::Pin,
            Act::Rollback(_) => OrderKind::Rollback,
            Act::GuardRelease => OrderKind::GuardRelease,
        };
        let target = order.act.target().map(|target| wire::Target {
            version: Some(target.version.into()),
            origin: Some(target.origin.into()),
            digest: target.digest.to_wire(),
        });
        let Order { number, at_millis, by, why, .. } = order.clone();
        Self { number, kind: kind.into(), target, by, at_millis, why }
    }
}

impl From<&Outcome> for wire::Outcome {
    fn from(outcome: &Outcome) -> Self {
        let Outcome { number, at_millis, by, said } = outcome.clone();
        Self { number, by, at_millis, said }
    }
}

fn order(order: wire::Order) -> Option<Order> {
    let target = order.target.as_ref().and_then(target);
    let act = match order.kind() {
        OrderKind::Unspecified => return None,
        OrderKind::Freeze => Act::Freeze,
        OrderKind::Unfreeze => Act::Unfreeze,
        OrderKind::Pin => Act::Pin(target?),
        OrderKind::Rollback => Act::Rollback(target?),
        OrderKind::GuardRelease => Act::GuardRelease,
    };
    let wire::Order { number, by, at_millis, why, .. } = order;
    (by.len() <= LONGEST && why.len() <= LONGEST).then_some(Order { number, at_millis, act, by, why })
}

fn target(target: &wire::Target) -> Option<Target> {
    Some(Target {
        version: target.version?.into(),
        origin: target.origin?.into(),
        digest: Digest::from_wire(&target.digest)?,
    })
}

fn outcome(outcome: wire::Outcome) -> Option<Outcome> {
    let wire::Outcome { number, by, at_millis, said } = outcome;
    (by.len() <= LONGEST && said.len() <= LONGEST).then_some(Outcome { number, at_millis, by, said })
}
