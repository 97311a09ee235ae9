use super::*;

/// The first seeds; `chaos elections` plays very many.
#[test]
fn no_two_terms_are_ever_valid_at_once() {
    explore(0..300, None).unwrap_or_else(|found| panic!("{found}"));
}

#[test]
fn each_thing_that_the_rules_rest_on_is_missed() {
    for broken in Broken::ALL {
        let found = explore(0..4_000, Some(broken)).err();
        let found = found.unwrap_or_else(|| panic!("{}: nobody notices {broken:?}", broken.rule()));
        let (two_lead, twice) = (found.what.contains("are valid at once"), found.what.contains(" after "));
        assert!(two_lead || twice, "{broken:?}: {found}");
    }
}
