use proptest::prelude::*;

use super::*;
use crate::snapshot::{Digest, Version};
use crate::wire;

fn target() -> Target {
    Target { version: Version::new(7, 3), origin: Version::new(7, 2), digest: Digest::of(b"a") }
}

fn acts() -> impl Strategy<Value = Act> + Clone {
    let target = (0..3u64, 0..3u64)
        .prop_map(|(epoch, sequence)| Target { version: Version::new(epoch, sequence), ..target() });
    prop_oneof![
        Just(Act::Freeze),
        Just(Act::Unfreeze),
        target.clone().prop_map(Act::Pin),
        target.prop_map(Act::Rollback),
        Just(Act::GuardRelease),
    ]
}

/// What one replica may know: orders and outcomes whose numbers meet those of others.
fn orders() -> impl Strategy<Value = Orders> {
    let text = "[ab]?";
    let order = (0..6u64, 0..3u64, acts(), text, text).prop_map(|(number, at_millis, act, by, why)| Order {
        number,
        at_millis,
        act,
        by,
        why,
    });
    let hold = order.clone().prop_filter("holds", |order| order.act != Act::GuardRelease);
    let release = order.prop_map(|order| Order { act: Act::GuardRelease, ..order });
    let outcome = (0..6u64, 0..3u64, text, text).prop_map(|(number, at_millis, by, said)| Outcome {
        number,
        at_millis,
        by,
        said,
    });
    let all = (
        proptest::option::of(hold),
        proptest::option::of(release),
        proptest::option::of(outcome.clone()),
        proptest::option::of(outcome),
    );
    all.prop_map(|(hold, release, hold_outcome, release_outcome)| Orders {
        hold,
        release,
        hold_outcome,
        release_outcome,
    })
}

fn merged(left: &Orders, right: &Orders) -> Orders {
    let mut merged = left.clone();
    merged.merge(right);
    merged
}

proptest! {
    #[test]
    fn replicas_come_to_the_same_orders_whoever_tells_whom_first(a in orders(), b in orders(), c in orders()) {
        prop_assert_eq!(merged(&a, &b), merged(&b, &a));
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
        prop_assert_eq!(merged(&a, &a), a.clone());
        let both = merged(&a, &b);
        prop_assert!(!both.clone().merge(&a), "nothing new is no change");
        prop_assert_eq!(both.highest(), a.highest().max(b.highest()));
    }

    #[test]
    fn a_new_order_outranks_all_that_are_known(known in orders(), act in acts()) {
        let mut given = known.clone();
        let order = given.give(act, "ann".to_owned(), String::new(), 0);
        prop_assert!(order.number > known.highest());
        prop_assert_eq!(merged(&known, &given), given.clone());
        prop_assert_eq!(merged(&given, &known), given);
    }

    #[test]
    fn orders_survive_the_wire(orders in orders()) {
        prop_assert_eq!(Orders::from(wire::Orders::from(&orders)), orders);
    }
}

fn given(acts: &[Act]) -> Orders {
    let mut orders = Orders::default();
    for act in acts {
        orders.give(*act, "ann".to_owned(), "because".to_owned(), 7);
    }
    orders
}

#[test]
fn a_release_of_the_guard_ends_no_freeze_and_an_unfreeze_ends_every_hold() {
    assert_eq!(given(&[Act::Freeze, Act::GuardRelease]).held(), Hold::Frozen);
    assert_eq!(given(&[Act::Freeze, Act::Unfreeze]).held(), Hold::Free);
    assert_eq!(given(&[Act::Freeze, Act::Pin(target())]).held(), Hold::Pinned(2));
    assert_eq!(given(&[Act::Rollback(target()), Act::Freeze]).held(), Hold::Frozen);
    assert_eq!(given(&[Act::Pin(target()), Act::Unfreeze]).held(), Hold::Free);
    let released = given(&[Act::GuardRelease, Act::Unfreeze]);
    assert_eq!(released.release().map(|it| it.number), Some(1));
}

#[test]
fn a_release_is_due_until_a_leader_has_carried_it_out() {
    let mut orders = given(&[Act::GuardRelease]);
    assert_eq!(orders.release_due().map(|it| it.number), Some(1));
    let outcome =
        Outcome { number: 1, at_millis: 8, by: "r1".to_owned(), said: "nothing was held".to_owned() };
    orders.carried_out(outcome.clone());
    assert_eq!((orders.release_due(), orders.outcome(1)), (None, Some(&outcome)));
    orders.give(Act::GuardRelease, "bob".to_owned(), String::new(), 9);
    assert_eq!(orders.release_due().map(|it| it.number), Some(2));
}

#[test]
fn what_a_newer_release_says_is_passed_over() {
    let known = wire::Orders::from(&given(&[Act::Freeze]));
    let newer = wire::Order { kind: 99, number: 9, ..known.hold.clone().expect("a freeze") };
    let mixed = wire::Orders { hold: Some(newer), ..known };
    assert_eq!(Orders::from(mixed).hold(), None);
    let pinless = wire::Order { kind: wire::OrderKind::Pin.into(), number: 9, ..Default::default() };
    assert_eq!(Orders::from(wire::Orders { hold: Some(pinless), ..Default::default() }).hold(), None);
}
