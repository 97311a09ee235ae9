use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

fn table(routes: &[(String, String)]) -> Packed {
    let mut text = String::new();
    for (id, rest) in routes {
        let separator = if text.is_empty() { "" } else { "\n" };
        let _ = write!(text, "{separator}{id}: {rest};");
    }
    Packed::of(text.as_bytes(), None)
}

fn routes(ids: impl IntoIterator<Item = usize>) -> Vec<(String, String)> {
    let rest = |n: usize| format!("Path(\"/{n}\") -> \"http://10.0.{}.{}:80\"", n % 251, n % 241);
    ids.into_iter().map(|n| (format!("kube_r{n:06}"), rest(n))).collect()
}

fn numbers(old: &Packed, new: &Packed) -> (u64, u64, u64) {
    let it = Difference::between(old, new).expect("nothing is damaged");
    (it.added, it.removed, it.changed)
}

#[test]
fn what_is_new_gone_or_other_is_counted_and_a_few_are_named() {
    let old = routes(0..20);
    let mut new = routes((3..20).chain(30..40));
    new[0].1 = "* -> <shunt>".to_owned();
    let difference = Difference::between(&table(&old), &table(&new)).expect("sound");
    assert_eq!((difference.added, difference.removed, difference.changed), (10, 3, 1));
    let named = |what| -> Vec<&str> {
        difference.named.iter().filter(|it| it.what == what).map(|it| it.route.as_str()).collect()
    };
    assert_eq!(named(What::Removed), ["kube_r000000", "kube_r000001", "kube_r000002"]);
    assert_eq!(named(What::Changed), ["kube_r000003"]);
    assert_eq!(named(What::Added).len(), NAMED);
}

#[test]
fn an_empty_table_is_before_or_after_any() {
    let (empty, one) = (Packed::default(), table(&routes(0..3)));
    assert_eq!(numbers(&empty, &one), (3, 0, 0));
    assert_eq!(numbers(&one, &empty), (0, 3, 0));
    assert_eq!(numbers(&one, &one), (0, 0, 0));
}

#[test]
fn a_line_break_in_a_regular_expression_ends_no_route() {
    let (old, mut new) = (routes(0..9), routes(0..9));
    new[4].1 = "PathRegexp(/a\nkube_x: b;\n c/) -> <shunt>".to_owned();
    let with_break = table(&new);
    assert_eq!(numbers(&table(&old), &with_break), (0, 0, 1));
    new[4].1.push(' ');
    assert_eq!(numbers(&with_break, &table(&new)), (0, 0, 1));
}

#[test]
fn damage_says_nothing() {
    let (old, new) = (table(&routes(0..99)), table(&routes(0..98)));
    assert_eq!(Difference::between(&old.damaged_for_tests(2), &new), None);
    assert_eq!(Difference::between(&old, &new.damaged_for_tests(2)), None);
}

/// How much of two large tables is looked at, where one route differs.
#[test]
fn only_blocks_that_differ_are_looked_at() {
    let (old, mut new) = (routes(0..40_000), routes(0..40_000));
    new[20_000].1 = "* -> <shunt>".to_owned();
    let (old, new) = (table(&old), table(&new));
    let (olds, news) = differing(&old, &new);
    assert!(olds.len() == 2 && news.len() == 2, "{olds:?} {news:?} of {}", old.held().blocks.len());
    assert_eq!(numbers(&old, &new), (0, 0, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn numbers_are_those_of_a_comparison_route_by_route(
        seed in any::<u64>(),
        count in 0usize..6_000,
        one_in in 1u64..2_000,
        lines in prop::sample::select(vec![0usize, 1, 700]),
    ) {
        let mut state = seed | 1;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let mut old = routes(0..count);
        // Long ones, with line breaks, that lie across the edges of blocks.
        for (at, (_, rest)) in old.iter_mut().enumerate() {
            if at % 97 == 5 {
                *rest = format!("PathRegexp(/{}/) -> <shunt>", "x\n y".repeat(lines));
            }
        }
        let (mut new, mut expected) = (Vec::new(), (0, 0, 0));
        for (id, rest) in &old {
            match (next(one_in), next(3)) {
                (0, 0) => expected.1 += 1,
                (0, 1) => {
                    expected.2 += 1;
                    new.push((id.clone(), format!("{rest} ")));
                }
                (0, _) => {
                    expected.0 += 1;
                    new.push((id.clone(), rest.clone()));
                    new.push((format!("{id}x"), rest.clone()));
                }
                _ => new.push((id.clone(), rest.clone())),
            }
        }
        prop_assert_eq!(numbers(&table(&old), &table(&new)), expected);
    }
}
