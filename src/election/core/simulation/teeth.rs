//! What the rules of docs/protocol.md rest on, taken away one by one: the simulation must notice.

use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::*;

/// What the first schedules under `broken` come to, if one of `tries` breaks an invariant.
fn bite(broken: Option<Broken>, tries: u32) -> Option<String> {
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let schedules = prop::collection::vec(acts(), 40..160);
    let rates = [1000, 999, 1001, 1000, 1000];
    (0..tries).find_map(|_| {
        let acts = schedules.new_tree(&mut runner).expect("no filter").current();
        let mut world = World::broken(4, &rates, broken);
        let noticed = acts.iter().find_map(|act| {
            let acted = world.act(act).err();
            acted.or_else(|| world.check().err())
        });
        noticed.map(|error| error.to_string())
    })
}

#[test]
fn each_thing_that_the_rules_rest_on_is_missed() {
    for (broken, rule) in [
        (Broken::Precondition, "E1"),
        (Broken::Forgetful, "E1"),
        (Broken::Release, "E2"),
        (Broken::Gone, "E2"),
        (Broken::Validity, "E3"),
        (Broken::Drift, "E3"),
        (Broken::LateRelease, "E7"),
        (Broken::Refusal, "E8"),
    ] {
        let noticed =
            bite(Some(broken), 4_000).unwrap_or_else(|| panic!("{rule}: nobody notices {broken:?}"));
        let (two_lead, twice) = (noticed.contains("are valid at once"), noticed.contains(" after "));
        assert!(two_lead || twice, "{rule}, {broken:?}: {noticed}");
    }
}

#[test]
fn the_same_schedules_break_nothing_where_nothing_is_taken_away() {
    assert_eq!(bite(None, 100), None);
}
