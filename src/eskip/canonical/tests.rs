use crate::eskip::{Predicate, Route, are_equivalent, parse};

fn route(text: &str) -> Route {
    parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).remove(0)
}

fn canonical(text: &str) -> String {
    route(text).canonical().to_string()
}

#[test]
fn built_in_predicates_become_generic_and_all_are_sorted_by_name() {
    assert_eq!(
        canonical(
            r#"r: Weight(1) && Path("/a") && Host(/h2/) && Host(/h1/) && PathRegexp(/p/) && Method("GET")
               && HeaderRegexp("r", /z/) && HeaderRegexp("r", /a/) && Header("k", "v") && Cookie("c") -> f() -> <shunt>"#
        ),
        concat!(
            r#"Cookie("c") && Header("k", "v") && HeaderRegexp("r", "z") && HeaderRegexp("r", "a") && Host("h2") && "#,
            r#"Host("h1") && Method("GET") && Path("/a") && PathRegexp("p") && Weight(1) -> f() -> <shunt>"#
        )
    );
    assert_eq!(canonical("* -> <loopback>"), "* -> <loopback>");
    assert_eq!(route("r: * -> <shunt>").canonical().id, "r");
}

#[test]
fn a_generic_predicate_goes_before_a_built_in_of_its_name_but_for_the_method() {
    let generic = |name: &str| Predicate::new(name, ["generic".into()]);
    let mut route = route(r#"Path("built") && Host(/built/) && Method("built") -> <shunt>"#);
    route.predicates = ["Path", "Host", "Method"].map(generic).to_vec();
    assert_eq!(
        route.canonical().to_string(),
        r#"Host("generic") && Host("built") && Method("built") && Method("generic") && Path("generic") -> <shunt>"#
    );
}

#[test]
fn many_predicates_of_one_name_get_the_peer_s_unstable_order() {
    let names = ["B", "A", "C"];
    let list: Vec<_> = (0..13).map(|i| format!("{}({i})", names[i % 3])).collect();
    // As Skipper v0.27.65 prints it.
    assert_eq!(
        canonical(&format!("{} -> <shunt>", list.join(" && "))),
        "A(4) && A(1) && A(10) && A(7) && B(6) && B(0) && B(3) && B(9) && B(12) && C(5) && C(8) && C(2) && C(11) -> <shunt>"
    );
}

#[test]
fn endpoints_are_sorted_by_address() {
    assert_eq!(
        canonical(r#"* -> <random, "http://b?zone=1", "http://c", "http://a", "http://b?zone=0">"#),
        r#"* -> <random, "http://a", "http://b?zone=1", "http://b?zone=0", "http://c">"#
    );
}

#[test]
fn equality_looks_through_the_forms() {
    let same = |left: &str, right: &str| route(left).is_equivalent(&route(right));
    assert!(same(r#"Host("a") && F() -> <shunt>"#, "F() && Host(/a/) -> <shunt>"));
    assert!(same(r#"* -> <"http://a", "http://b">"#, r#"* -> <"http://b", "http://a">"#));
    assert!(same("* -> f(-0) -> <shunt>", "* -> f(0) -> <shunt>"));
    assert!(!same("a: * -> <shunt>", "b: * -> <shunt>"));
    assert!(!same("A(1) && A(2) -> <shunt>", "A(2) && A(1) -> <shunt>"));
    assert!(!same("* -> f() -> g() -> <shunt>", "* -> g() -> f() -> <shunt>"));
    assert!(!same("* -> f(1) -> <shunt>", r#"* -> f("1") -> <shunt>"#));
    assert!(!same(r#"* -> <"http://a">"#, r#"* -> "http://a""#));
    assert!(!same(r#"* -> <random, "http://a">"#, r#"* -> <"http://a">"#));
    assert!(!same(r#"* -> <"http://a?zone=z">"#, r#"* -> <"http://a">"#));
}

#[test]
fn tables_are_compared_by_id_and_repeat_none() {
    let table = |text: &str| parse(text).unwrap();
    let equivalent = |left: &str, right: &str| are_equivalent(&table(left), &table(right));
    assert!(equivalent("", ""));
    assert!(equivalent("a: * -> <shunt>; b: F() -> <shunt>", "b: F() -> <shunt>; a: * -> <shunt>"));
    assert!(!equivalent("a: * -> <shunt>", ""));
    assert!(!equivalent("a: * -> <shunt>", "a: F() -> <shunt>"));
    let twice = "a: * -> <shunt>; a: * -> <shunt>";
    assert!(!equivalent(twice, twice));
}
