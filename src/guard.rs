//! The guard: a table that is doubtfully smaller than the published one is held back (design D6).
//!
//! In: what each poll's table was made of, and whether it is the served table byte for byte. Out: whether it may be
//! published; else what fell, from how much to how much, and how many equal polls have said so. It passes when enough
//! of them have, or when an operator releases it. Nothing waits or fails here; the moment of the hold comes in.

use std::collections::BTreeMap;

use crate::compile::{Counts, Measure};
use crate::protection::Protection;

/// From where on a drop is doubtful, and what takes the doubt away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Objects and routes may fall by this many percent. 100 lets all but the fall to zero pass.
    pub drop_percent: u64,
    /// They may fall by this many, whatever that is in percent.
    pub drop_least: u64,
    /// Ready addresses may fall by this many percent: a whole zone may fail, and its pods must leave at once.
    pub address_drop_percent: u64,
    /// How many equal polls confirm a drop.
    pub equal_polls: u32,
    /// How many equal polls confirm that nothing is left.
    pub zero_polls: u32,
}

/// Compares each table with the one before it that passed.
#[derive(Clone, Debug)]
pub struct Guard {
    thresholds: Thresholds,
    /// What the last table that passed was made of; none where nothing was ever published.
    passed: Option<Counts>,
    held: Option<Held>,
    /// How far down an operator lets each measure fall.
    released: BTreeMap<Measure, u64>,
}

/// A table that is held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Since when something is held, in Unix milliseconds. For people, not for decisions.
    pub since_millis: u64,
    /// What fell too far.
    pub falls: BTreeMap<Measure, Fall>,
}

/// How far something fell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fall {
    /// How much of it the published table is made of.
    pub from: u64,
    /// How much of it was read now.
    pub to: u64,
    /// How many polls in a row have read just that.
    pub polls: u32,
    /// How many of them it takes.
    pub needed: u32,
}

/// Why a table passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// Nothing fell too far.
    Harmless,
    /// Enough equal polls.
    Confirmed,
    /// An operator said so.
    Released,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { drop_percent: 20, drop_least: 10, address_drop_percent: 70, equal_polls: 3, zero_polls: 100 }
    }
}

impl Thresholds {
    /// Whether `measure` may not simply go from `from` to `to`.
    pub fn is_doubtful(&self, measure: Measure, from: u64, to: u64) -> bool {
        let drop = from.saturating_sub(to);
        let beyond = |percent: u64| u128::from(drop) * 100 > u128::from(from) * u128::from(percent);
        drop > 0
            && (to == 0
                || match measure {
                    Measure::Objects(_) | Measure::Routes(_) | Measure::Definitions | Measure::Defined => {
                        drop > self.drop_least && beyond(self.drop_percent)
                    }
                    Measure::Addresses => beyond(self.address_drop_percent),
                })
    }

    const fn needed(&self, to: u64) -> u32 {
        if to == 0 { self.zero_polls } else { self.equal_polls }
    }
}

impl Guard {
    /// A guard that has nothing to compare with.
    pub const fn new(thresholds: Thresholds) -> Self {
        Self { thresholds, passed: None, held: None, released: BTreeMap::new() }
    }

    /// A term begins with what `published` is made of; what was held in an earlier one, and released, is forgotten.
    pub fn begin(&mut self, published: Option<Counts>) {
        *self = Self { passed: published, ..Self::new(self.thresholds) };
    }

    /// Judges what a poll read. Called once for each poll that could be compiled. `same_table`: it is what is published
    /// already, so whatever fell, no client can lose anything by it.
    ///
    /// # Errors
    ///
    /// What fell, while that is held.
    pub fn check(&mut self, counts: &Counts, same_table: bool, now_millis: u64) -> Result<Passed, &Held> {
        let falls = self.falls(counts);
        let released = |(measure, fall): (&Measure, &Fall)| {
            self.released.get(measure).is_some_and(|least| fall.to >= *least)
        };
        let passed = if same_table || falls.is_empty() || Protection::Guard.is_off() {
            Passed::Harmless
        } else if falls.values().all(|fall| fall.polls >= fall.needed) {
            Passed::Confirmed
        } else if falls.iter().all(|(measure, fall)| fall.polls >= fall.needed || released((measure, fall))) {
            Passed::Released
        } else {
            let since_millis = self.held.as_ref().map_or(now_millis, |held| held.since_millis);
            return Err(self.held.insert(Held { since_millis, falls }));
        };
        self.begin(Some(counts.clone()));
        Ok(passed)
    }

    /// Lets what is held now pass with the next poll, if that poll reads no less of anything. Returns what it is.
    pub fn release(&mut self) -> Option<Held> {
        let held = self.held.clone()?;
        self.released = held.falls.iter().map(|(measure, fall)| (*measure, fall.to)).collect();
        Some(held)
    }

    /// What is held.
    pub const fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    fn falls(&self, counts: &Counts) -> BTreeMap<Measure, Fall> {
        let Some(passed) = &self.passed else { return BTreeMap::new() };
        let fallen = passed.0.iter().filter_map(|(measure, &from)| {
            let to = *counts.0.get(measure)?;
            self.thresholds.is_doubtful(*measure, from, to).then(|| {
                let before = self.held.as_ref().and_then(|held| held.falls.get(measure));
                let polls = before.filter(|fall| fall.to == to).map_or(0, |fall| fall.polls) + 1;
                (*measure, Fall { from, to, polls, needed: self.thresholds.needed(to) })
            })
        });
        fallen.collect()
    }
}

impl Held {
    /// What fell, as one fragment: `routes of the kind Ingress fell from 100 to 3`.
    pub fn describe(&self) -> String {
        let each = self.falls.iter().map(|(measure, fall)| {
            format!(
                "{measure} fell from {} to {} ({} of {} equal polls)",
                fall.from, fall.to, fall.polls, fall.needed
            )
        });
        each.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
