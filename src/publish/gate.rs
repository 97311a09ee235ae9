//! The guard where tasks meet it: the leader's loop asks it, operators release, `/status` and the metrics look at it.

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::{Notify, watch};

use crate::compile::{Counts, Measure};
use crate::guard::{Fall, Guard, Held, Passed, Thresholds};
use crate::writes::{Events, Severity};

/// Why a table passed although much had fallen.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct By {
    by: &'static str,
}

/// What fell, as labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct What {
    measure: &'static str,
    kind: &'static str,
}

/// The guard of this process. Closed while it does not lead: then nothing is held.
pub struct Gate {
    guard: Mutex<Guard>,
    thresholds: Thresholds,
    release: Notify,
    /// How many tables were judged since the term began.
    judged: watch::Sender<u64>,
    held: Gauge,
    fallen: Family<What, Gauge>,
    held_polls: Counter,
    passed: Family<By, Counter>,
    events: Events,
}

impl Gate {
    /// A closed gate, its metrics registered.
    pub fn new(thresholds: Thresholds, registry: &mut Registry) -> Self {
        let gate = Self {
            guard: Mutex::new(Guard::new(thresholds)),
            thresholds,
            release: Notify::new(),
            judged: watch::Sender::default(),
            held: Gauge::default(),
            fallen: Family::default(),
            held_polls: Counter::default(),
            passed: Family::default(),
            events: Events::default(),
        };
        registry.register("guard_held", "1 while the guard holds a table back", gate.held.clone());
        registry.register(
            "guard_fallen",
            "By how much a held table is smaller than the published one, by what is counted and of which kind",
            gate.fallen.clone(),
        );
        registry.register(
            "guard_held_polls",
            "Polls whose table the guard has held back",
            gate.held_polls.clone(),
        );
        registry.register(
            "guard_passed",
            "Tables that passed although much had fallen: confirmed by equal polls, or released",
            gate.passed.clone(),
        );
        gate
    }

    /// The same gate, which tells `events` what it holds and lets pass.
    pub fn telling(self, events: Events) -> Self {
        Self { events, ..self }
    }

    /// A term begins, with what the published table is made of.
    pub(crate) fn open(&self, published: Option<Counts>) {
        self.guard.lock().begin(published);
        self.judged.send_replace(0);
        self.show(None);
    }

    /// The term is over.
    pub(super) fn close(&self) {
        *self.guard.lock() = Guard::new(self.thresholds);
        self.show(None);
    }

    /// Whether a table made of `counts` may be published. Says in the log what is held and when that ends.
    pub(crate) fn passes(&self, counts: &Counts, same_table: bool, now_millis: u64) -> bool {
        let passes = self.judge(counts, same_table, now_millis);
        self.judged.send_modify(|judged| *judged += 1);
        passes
    }

    fn judge(&self, counts: &Counts, same_table: bool, now_millis: u64) -> bool {
        let mut guard = self.guard.lock();
        let before = guard.held().cloned();
        let held = match guard.check(counts, same_table, now_millis) {
            Ok(passed) => {
                drop(guard);
                self.pass(passed, before);
                return true;
            }
            Err(held) => held.clone(),
        };
        drop(guard);
        self.held_polls.inc();
        let falls = |held: &Held| held.falls.iter().map(|(what, fall)| (*what, fall.to)).collect::<Vec<_>>();
        if before.is_none_or(|before| falls(&before) != falls(&held)) {
            tracing::error!(
                reason = held.describe(),
                "the table is held back; see whether that is meant, then `bellwether guard release`"
            );
            let message = format!(
                "a table is held back: {}; see whether that is meant, then `bellwether guard release`",
                held.describe()
            );
            self.events.tell_of_fleet(Severity::Warning, "GuardHeld", message, true);
        }
        self.show(Some(&held));
        false
    }

    fn pass(&self, passed: Passed, before: Option<Held>) {
        let by = match passed {
            Passed::Harmless => None,
            Passed::Confirmed => Some("equal-polls"),
            Passed::Released => Some("release"),
        };
        if let Some(by) = by {
            self.passed.get_or_create(&By { by }).inc();
        }
        if let Some(before) = before {
            let (was, by) = (before.describe(), by.unwrap_or("recovery"));
            tracing::info!(was, by, "the guard lets the table pass");
            let message = format!("the guard lets a table pass, by {by}; it was held: {was}");
            self.events.tell_of_fleet(Severity::Normal, "GuardPassed", message, true);
            self.show(None);
        }
    }

    /// What is held back now.
    pub fn held(&self) -> Option<Held> {
        self.guard.lock().held().cloned()
    }

    /// Lets what is held now pass: the upstream is read at once, and published if it reads no less. Returns what it is;
    /// nothing where nothing is held.
    pub fn release(&self) -> Option<Held> {
        let held = self.guard.lock().release()?;
        tracing::info!(what = held.describe(), "an operator releases what the guard holds");
        self.release.notify_one();
        Some(held)
    }

    /// How many tables were judged since the term began; wakes after each.
    pub(super) fn judged(&self) -> watch::Receiver<u64> {
        self.judged.subscribe()
    }

    /// Waits for a release.
    pub(super) async fn released(&self) {
        self.release.notified().await;
    }

    fn show(&self, held: Option<&Held>) {
        self.held.set(held.is_some().into());
        self.fallen.clear();
        for (measure, Fall { from, to, .. }) in held.iter().flat_map(|held| &held.falls) {
            let by = i64::try_from(from - to).unwrap_or(i64::MAX);
            self.fallen.get_or_create(&what(*measure)).set(by);
        }
    }
}

fn what(measure: Measure) -> What {
    What { measure: measure.name(), kind: measure.kind().map_or("", crate::object::Kind::name) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Kind;

    const INGRESSES: Measure = Measure::Objects(Kind::Ingress);

    fn counts(number: u64) -> Counts {
        Counts([(INGRESSES, number)].into())
    }

    fn metrics(registry: &Registry) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, registry).expect("text");
        text
    }

    #[tokio::test]
    async fn what_is_held_can_be_seen_and_released() {
        let mut registry = Registry::default();
        let gate = Gate::new(Thresholds::default(), &mut registry);
        gate.open(Some(counts(100)));
        assert_eq!(gate.release(), None, "nothing is held");
        assert!(!gate.passes(&counts(50), false, 7));
        assert_eq!(gate.held().expect("held").since_millis, 7);
        let text = metrics(&registry);
        assert!(text.contains("guard_held 1") && text.contains("guard_held_polls_total 1"), "{text}");
        assert!(text.contains("guard_fallen{measure=\"objects\",kind=\"Ingress\"} 50"), "{text}");

        assert!(gate.release().is_some());
        gate.released().await;
        assert!(gate.passes(&counts(50), false, 8));
        assert_eq!(gate.held(), None);
        let text = metrics(&registry);
        assert!(text.contains("guard_held 0") && !text.contains("guard_fallen{"), "{text}");
        assert!(text.contains("guard_passed_total{by=\"release\"} 1"), "{text}");
    }

    #[test]
    fn the_end_of_a_term_ends_the_hold() {
        let gate = Gate::new(Thresholds::default(), &mut Registry::default());
        gate.open(Some(counts(100)));
        assert!(!gate.passes(&counts(50), false, 7));
        gate.close();
        assert_eq!((gate.held(), gate.release()), (None, None));
    }
}
