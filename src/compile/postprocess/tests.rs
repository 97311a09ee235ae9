use super::super::Rewrite;
use super::*;
use crate::eskip::{parse, parse_filters, print_document};

/// The text of `routes` after processing, and how much was said.
fn processed(routes: &str, settings: &Settings) -> (Vec<String>, usize) {
    let routes =
        parse(routes).unwrap().into_iter().map(|route| SourcedRoute { route, object: None }).collect();
    let mut diagnostics = Diagnostics::default();
    let routes: Vec<_> =
        process(routes, settings, &mut diagnostics).into_iter().map(|sourced| sourced.route).collect();
    (print_document(&routes).lines().map(str::to_owned).collect(), diagnostics.into_vec().len())
}

fn rewrite(pattern: &str, replacement: &str) -> Vec<Rewrite> {
    vec![Rewrite { pattern: pattern.to_owned(), replacement: replacement.to_owned() }]
}

fn edit(pattern: &str, replacement: &str) -> Settings {
    Settings { edit_routes: rewrite(pattern, replacement), ..Settings::default() }
}

fn clone(pattern: &str, replacement: &str) -> Settings {
    Settings { clone_routes: rewrite(pattern, replacement), ..Settings::default() }
}

#[test]
fn routes_are_sorted_by_the_bytes_of_their_ids() {
    let (lines, _) = processed(
        "b: * -> <shunt>; a_: * -> <shunt>; aB: * -> <shunt>; B: * -> <shunt>;",
        &Settings::default(),
    );
    assert_eq!(lines, ["B: * -> <shunt>;", "aB: * -> <shunt>;", "a_: * -> <shunt>;", "b: * -> <shunt>;"]);
}

#[test]
fn default_filters_stand_around_the_others() {
    let settings = Settings {
        default_filters_prepend: parse_filters("first()").unwrap(),
        default_filters_append: parse_filters("last(1) -> last(2)").unwrap(),
        ..Settings::default()
    };
    let (lines, _) = processed("a: * -> own() -> <shunt>;", &settings);
    assert_eq!(lines, ["a: * -> first() -> own() -> last(1) -> last(2) -> <shunt>;"]);
}

#[test]
fn oauth_callback_has_no_default_filters_and_no_default_path() {
    let settings = Settings {
        oauth2_grant_flow: true,
        default_filters_prepend: parse_filters("first()").unwrap(),
        ..Settings::default()
    };
    let (lines, _) = processed("a: * -> <shunt>;", &settings);
    assert_eq!(lines[0], r#"__oauth2_grant_callback: Path("") -> grantCallback() -> <shunt>;"#);
}

#[test]
fn nothing_stays_nothing() {
    let settings = Settings { oauth2_grant_flow: true, ..Settings::default() };
    assert_eq!(processed("", &settings), (Vec::new(), 0));
}

#[test]
fn edited_route_is_printed_in_canonical_form() {
    let routes = r#"a: Host(/x/) && Source("10.0.0.0/8") -> <shunt>; b: Host(/x/) -> <shunt>;"#;
    let (lines, _) = processed(routes, &edit("Source[(](.*)[)]", "ClientIP($1)"));
    assert_eq!(lines, [r#"a: Host("x") && ClientIP("10.0.0.0/8") -> <shunt>;"#, "b: Host(/x/) -> <shunt>;"]);
}

#[test]
fn edits_see_each_other_in_their_order() {
    let mut settings = edit("one", "two");
    settings.edit_routes.extend(rewrite("two", "three"));
    assert_eq!(processed("a: * -> one() -> <shunt>;", &settings).0, ["a: * -> three() -> <shunt>;"]);
}

#[test]
fn part_that_an_edit_spoils_stays() {
    for replacement in ["(", "", "//x"] {
        let (lines, said) = processed("a: * -> keep() -> f() -> <shunt>;", &edit("^f.*", replacement));
        assert_eq!(
            (lines, said),
            (vec!["a: * -> keep() -> f() -> <shunt>;".to_owned()], 1),
            "{replacement:?}"
        );
    }
}

#[test]
fn of_several_filters_in_place_of_one_the_first_is_taken() {
    let (lines, _) = processed("a: * -> f() -> <shunt>;", &edit("^f.*", "g() -> h()"));
    assert_eq!(lines, ["a: * -> g() -> <shunt>;"]);
}

#[test]
fn clone_stands_beside_its_original() {
    let routes = r#"a: Source("10.0.0.0/8") -> <shunt>; b: * -> <shunt>;"#;
    let (lines, _) = processed(routes, &clone("Source", "ClientIP"));
    assert_eq!(
        lines,
        [
            r#"a: Source("10.0.0.0/8") -> <shunt>;"#,
            "b: * -> <shunt>;",
            r#"clone_a: ClientIP("10.0.0.0/8") -> <shunt>;"#
        ]
    );
}

#[test]
fn clones_come_after_edits() {
    let settings = Settings { clone_routes: rewrite("two", "three"), ..edit("one", "two") };
    let (lines, _) = processed("a: * -> one() -> <shunt>;", &settings);
    assert_eq!(lines, ["a: * -> two() -> <shunt>;", "clone_a: * -> three() -> <shunt>;"]);
}

#[test]
fn pattern_that_is_none_is_said_and_not_applied() {
    let (lines, said) = processed("a: * -> f() -> <shunt>;", &edit("(", "x"));
    assert_eq!((lines, said), (vec!["a: * -> f() -> <shunt>;".to_owned()], 1));
}
