//! Whatever the upstream answers and operators do: what passes is no doubtful fall, or was confirmed, or released.

use proptest::prelude::*;

use super::*;
use crate::object::Kind;

const MEASURES: [Measure; 3] =
    [Measure::Objects(Kind::Ingress), Measure::Routes(Kind::RouteGroup), Measure::Addresses];

#[derive(Clone, Debug)]
enum Step {
    Poll([u64; 3]),
    Release,
    Term,
}

fn step() -> impl Strategy<Value = Step> {
    let number = prop_oneof![Just(0u64), Just(40), 0..60u64];
    prop_oneof![
        12 => prop::array::uniform3(number).prop_map(Step::Poll),
        1 => Just(Step::Release),
        1 => Just(Step::Term),
    ]
}

proptest! {
    #[test]
    fn nothing_smaller_passes_without_its_conditions(
        steps in prop::collection::vec((step(), 1..6usize), 1..60),
    ) {
        let thresholds = Thresholds { zero_polls: 5, ..Thresholds::default() };
        let mut guard = Guard::new(thresholds);
        let mut published: Option<[u64; 3]> = None;
        // Written down from the outside: every poll of this term, and what was on hold when a release came.
        let mut polls: Vec<[u64; 3]> = Vec::new();
        let mut released: Option<[Option<u64>; 3]> = None;
        for step in steps.into_iter().flat_map(|(step, times)| std::iter::repeat_n(step, times)) {
            match step {
                Step::Term => {
                    let counts = published.map(|of| Counts(MEASURES.into_iter().zip(of).collect()));
                    guard.begin(counts);
                    polls.clear();
                    released = None;
                }
                Step::Release => {
                    if let Some(held) = guard.release() {
                        released = Some(MEASURES.map(|measure| held.falls.get(&measure).map(|fall| fall.to)));
                    }
                }
                Step::Poll(read) => {
                    polls.push(read);
                    let counts = Counts(MEASURES.into_iter().zip(read).collect());
                    let Ok(_) = guard.check(&counts, false, 0) else { continue };
                    for at in 0..MEASURES.len() {
                        let Some(from) = published.map(|of| of[at]) else { continue };
                        if !thresholds.is_doubtful(MEASURES[at], from, read[at]) {
                            continue;
                        }
                        let equal = polls.iter().rev().take_while(|poll| poll[at] == read[at]).count();
                        let needed = if read[at] == 0 { thresholds.zero_polls } else { thresholds.equal_polls };
                        let least = released.and_then(|least| least[at]);
                        prop_assert!(
                            equal >= needed as usize || least.is_some_and(|least| read[at] >= least),
                            "{} fell from {from} to {} after {equal} equal polls", MEASURES[at], read[at]
                        );
                    }
                    published = Some(read);
                    polls.clear();
                    released = None;
                }
            }
        }
    }

    /// A guard that held for ever would keep every promise above.
    #[test]
    fn a_steady_upstream_is_published_in_the_end(before in 0..1000u64, after in 0..1000u64) {
        let mut guard = Guard::new(Thresholds::default());
        let counts = |number| Counts(MEASURES.into_iter().map(|measure| (measure, number)).collect());
        guard.begin(Some(counts(before)));
        let passed = (1..=100).find(|_| guard.check(&counts(after), false, 0).is_ok());
        let most = if after == 0 { 100 } else { 3 };
        prop_assert!(passed.is_some_and(|polls| polls <= most));
    }
}
