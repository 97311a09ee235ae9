//! Orders: what operators tell the whole fleet, and how replicas come to know the same ones.
//!
//! Two records, each the one with the highest number that any replica has heard of. One says what is held: a freeze, a
//! pin or rollback, or neither (*unfreeze* ends them all; a pin takes the place of a freeze and a freeze that of a pin).
//! The other is the last release of the guard, which says nothing of the first. Beside each stands what a leader made of
//! it. Merging takes the greater of each, so it matters neither in which order nor how often replicas tell each other.

use std::cmp::max;
use std::fmt;

use crate::replication::core::Hold;

mod disk;
mod wire;

pub use disk::{OrdersError, OrdersFile};

pub use crate::snapshot::Target;

/// What an operator ordered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Order {
    /// Greater than that of any order that was known where it was given. Two replicas that do not reach each other may come
    /// to the same one: then the rest of the record decides, the same way everywhere.
    pub number: u64,
    /// When it was given, in Unix milliseconds. For people.
    pub at_millis: u64,
    /// What it says.
    pub act: Act,
    /// Who gave it.
    pub by: String,
    /// Why.
    pub why: String,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    /// No replica activates another table than the one that it has.
    Freeze,
    /// What is read is published and activated again.
    Unfreeze,
    /// This snapshot is published again, and no read after it.
    Pin(Target),
    /// The same, for the table before the active one.
    Rollback(Target),
    /// What the guard holds back may pass.
    GuardRelease,
}

/// What became of an order that a leader carries out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Outcome {
    /// The order's number.
    pub number: u64,
    /// When, in Unix milliseconds. For people.
    pub at_millis: u64,
    /// The name of the replica that led.
    pub by: String,
    /// What it did.
    pub said: String,
}

/// Everything that is ordered, as far as one replica knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    hold: Option<Order>,
    release: Option<Order>,
    hold_outcome: Option<Outcome>,
    release_outcome: Option<Outcome>,
}

impl Act {
    /// The word of the command.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Freeze => "freeze",
            Self::Unfreeze => "unfreeze",
            Self::Pin(_) => "pin",
            Self::Rollback(_) => "rollback",
            Self::GuardRelease => "guard release",
        }
    }

    /// The snapshot that it names.
    pub const fn target(&self) -> Option<&Target> {
        match self {
            Self::Pin(target) | Self::Rollback(target) => Some(target),
            Self::Freeze | Self::Unfreeze | Self::GuardRelease => None,
        }
    }

    /// Whether a leader has to do something for it.
    pub const fn is_carried_out(&self) -> bool {
        matches!(self, Self::Pin(_) | Self::Rollback(_) | Self::GuardRelease)
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self.target() {
            Some(target) if matches!(self, Self::Rollback(_)) => write!(f, " to {}", target.version),
            Some(target) => write!(f, " {}", target.version),
            None => Ok(()),
        }
    }
}

impl Orders {
    /// Takes over what `others` have newer. Whether anything was.
    pub fn merge(&mut self, others: &Self) -> bool {
        let before = self.clone();
        *self = Self {
            hold: max(before.hold.clone(), others.hold.clone()),
            release: max(before.release.clone(), others.release.clone()),
            hold_outcome: max(before.hold_outcome.clone(), others.hold_outcome.clone()),
            release_outcome: max(before.release_outcome.clone(), others.release_outcome.clone()),
        };
        *self != before
    }

    /// A new order, with a number above all that are known. It counts at once.
    pub fn give(&mut self, act: Act, by: String, why: String, at_millis: u64) -> Order {
        let order = Order { number: self.highest().saturating_add(1), at_millis, act, by, why };
        match act {
            Act::GuardRelease => self.release = Some(order.clone()),
            _ => self.hold = Some(order.clone()),
        }
        order
    }

    /// What a leader made of the order `outcome.number`.
    pub fn carried_out(&mut self, outcome: Outcome) {
        let place = match &self.release {
            Some(release) if release.number == outcome.number => &mut self.release_outcome,
            _ => &mut self.hold_outcome,
        };
        *place = max(place.take(), Some(outcome));
    }

    /// The highest number that is known.
    pub fn highest(&self) -> u64 {
        let orders = [&self.hold, &self.release].into_iter().flatten().map(|it| it.number);
        let outcomes = [&self.hold_outcome, &self.release_outcome].into_iter().flatten().map(|it| it.number);
        orders.chain(outcomes).max().unwrap_or_default()
    }

    /// What replicas may activate and leaders publish.
    pub fn held(&self) -> Hold {
        match &self.hold {
            Some(Order { act: Act::Freeze, .. }) => Hold::Frozen,
            Some(Order { act: Act::Pin(_) | Act::Rollback(_), number, .. }) => Hold::Pinned(*number),
            _ => Hold::Free,
        }
    }

    /// The freeze that is in force.
    pub fn freeze(&self) -> Option<&Order> {
        self.hold.as_ref().filter(|order| order.act == Act::Freeze)
    }

    /// The pin or rollback that is in force, and the snapshot that it names.
    pub fn pin(&self) -> Option<(&Order, Target)> {
        let order = self.hold.as_ref()?;
        Some((order, *order.act.target()?))
    }

    /// The last freeze, unfreeze, pin or rollback.
    pub const fn hold(&self) -> Option<&Order> {
        self.hold.as_ref()
    }

    /// The last release of the guard.
    pub const fn release(&self) -> Option<&Order> {
        self.release.as_ref()
    }

    /// What became of the order `number`; none where no leader has carried it out, or newer ones have taken its place.
    pub fn outcome(&self, number: u64) -> Option<&Outcome> {
        let outcomes = [&self.hold_outcome, &self.release_outcome].into_iter().flatten();
        outcomes.into_iter().find(|outcome| outcome.number == number)
    }

    /// The order that a leader still has to carry out on the guard.
    pub fn release_due(&self) -> Option<&Order> {
        self.release
            .as_ref()
            .filter(|order| self.release_outcome.as_ref().is_none_or(|outcome| outcome.number < order.number))
    }
}

#[cfg(test)]
mod tests;
