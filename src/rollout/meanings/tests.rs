use super::*;
use crate::eskip::{Backend, Endpoint, Filter, Predicate, parse, print_document};

fn read(text: &str) -> Meanings {
    Meanings::read(text, None).expect("a table")
}

#[test]
fn meaning_is_what_skipper_takes_for_equal() {
    let meaning = |text: &str| Meaning::of(&parse(text).expect("a route")[0]);
    let one = meaning(
        r#"a: Host(/x/) && Header("A", "b") -> f(1, 0, "s") -> <random, "http://b:1", "http://a:1">"#,
    );
    let same = meaning(
        r#"a: Header("A", "b") && Host("x") -> f(1.0, 0, /s/)
           -> <random, "http://a:1", "http://b:1">"#,
    );
    assert_eq!(one, same);
    for other in [
        r#"b: Host(/x/) && Header("A", "b") -> f(1, 0, "s") -> <random, "http://b:1", "http://a:1">"#,
        r#"a: Host(/y/) && Header("A", "b") -> f(1, 0, "s") -> <random, "http://b:1", "http://a:1">"#,
        r#"a: Host(/x/) && Header("A", "b") -> f(1, 0, "S") -> <random, "http://b:1", "http://a:1">"#,
        r#"a: Host(/x/) && Header("A", "b") -> f(1, 0, "s") -> <roundRobin, "http://b:1", "http://a:1">"#,
        r#"a: Host(/x/) && Header("A", "b") -> f(1, 0, "s") -> <random, "http://b:1">"#,
    ] {
        assert_ne!(one, meaning(other), "{other}");
    }
}

#[test]
fn lines_that_are_known_are_not_read_again_and_all_others_are() {
    let before = read("a: * -> <shunt>;\nb: * -> <shunt>;\nc: * -> <shunt>;");
    let after =
        Meanings::read("a: * -> <shunt>;\nb: * -> x() -> <shunt>;\nd: * -> <shunt>;", Some(&before)).unwrap();
    let mut unlike: Vec<_> = before.unlike(&after).collect();
    unlike.sort_unstable();
    assert_eq!(unlike, ["b", "c", "d"]);
    assert_eq!(read("a: * -> <shunt>;\nb: * -> x() -> <shunt>;\nd: * -> <shunt>;").unlike(&after).count(), 0);
}

#[test]
fn a_table_in_another_layout_is_the_same_table() {
    let lines = read("a: Path(\"/a\") -> x() -> <shunt>;\nb: * -> <shunt>;");
    let pretty = read("a: Path(\"/a\")\n  -> x()\n  -> <shunt>;\n\n// and\nb: *\n  -> <shunt>;\n");
    assert_eq!((lines.unlike(&pretty).count(), pretty.len()), (0, 2));
    let found = routes("a: *\n  -> <shunt>;\n\nb: *\n  -> <loopback>;\n", |id| id == "b");
    assert_eq!((found.len(), found[0].backend.clone()), (1, Backend::Loopback));
}

#[test]
fn what_is_no_table_says_so() {
    assert!(matches!(Meanings::read("<html>", None), Err(NotATable::Eskip(_))));
    for text in ["a: * -> <shunt>;\na: * -> <loopback>;", "a: *\n-> <shunt>; a: * -> <loopback>;"] {
        assert_eq!(Meanings::read(text, None).err(), Some(NotATable::Twice("a".to_owned())), "{text}");
    }
    assert_eq!(read("").len(), 0);
}

/// A dice that rolls the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

fn table() -> Vec<Route> {
    let text = r#"
        a: Path("/a") && Host(/^(a[.]test)$/) -> setPath("/x") -> <roundRobin, "http://10.0.0.1:80", "http://10.0.0.2:80">;
        b: PathSubtree("/b") && Method("GET") && Weight(3) -> status(200) -> inlineContent("b") -> <shunt>;
        c: Header("X", "1") && HeaderRegexp("Y", /y/) && Traffic(0.3) -> setRequestHeader("A", "b") -> "http://c:80";
        d: Host(/d/) && PathRegexp(/^d/) -> <dynamic>; e: * -> ratelimit(20, "1s") -> <loopback>;
        f: Path("/f") -> <powerOfRandomNChoices, "http://10.0.0.3:80", "http://10.0.0.4:80", "http://10.0.0.5:80">;"#;
    parse(text).expect("routes")
}

/// Changes what one route means, in one place.
fn mutate(route: &mut Route, dice: &mut Dice) {
    let fresh = format!("new-{}", dice.roll(1 << 30));
    match dice.roll(12) {
        0 => route.path = Some(format!("/{fresh}")),
        1 => route.host_regexps.push(fresh),
        2 => route.method = Some(fresh),
        3 => drop(route.headers.insert(fresh, "1".to_owned())),
        4 => route.predicates.push(Predicate::new(fresh.replace('-', ""), [])),
        5 => route.filters.push(Filter::new("setPath", [fresh.as_str().into()])),
        6 => route.filters.insert(0, Filter::new(fresh.replace('-', ""), [])),
        7 => drop(route.header_regexps.insert(fresh, vec!["1".to_owned()])),
        8 => route.backend = Backend::Network(format!("http://{fresh}:80")),
        9 => {
            let address = format!("http://{fresh}:80");
            let endpoints = [Endpoint { address, ..Endpoint::default() }].into();
            route.backend = Backend::LoadBalanced { algorithm: "random".to_owned(), endpoints };
        }
        10 => match &mut route.backend {
            Backend::LoadBalanced { endpoints, .. } => *endpoints = endpoints[1..].into(),
            _ => route.filters.push(Filter::new("status", [404.0.into()])),
        },
        _ => match route.filters.pop() {
            Some(_) => {}
            None => route.path_regexps.push(fresh),
        },
    }
}

#[test]
fn ten_thousand_differences_of_a_single_route_are_all_found_and_nothing_else() {
    let (table, mut dice) = (table(), Dice(7));
    let ours = read(&print_document(&table));
    for round in 0..10_000 {
        let (mut theirs, place) = (table.clone(), dice.roll(table.len()));
        let id = match dice.roll(10) {
            0 => theirs.remove(place).id,
            1 => {
                let id = format!("new_{round}");
                theirs.push(Route { id: id.clone(), ..table[place].clone() });
                id
            }
            _ => {
                mutate(&mut theirs[place], &mut dice);
                theirs[place].id.clone()
            }
        };
        let text = print_document(&theirs);
        let read = Meanings::read(&text, Some(&ours)).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(ours.unlike(&read).collect::<Vec<_>>(), [id.as_str()], "round {round}:\n{text}");
        let found = crate::compare::tables(&table, &parse(&text).expect("routes")).differences;
        assert_eq!((found.len(), found[0].id.as_str()), (1, id.as_str()), "round {round}:\n{text}");
        assert!(!found[0].parts.is_empty(), "it says what differs");
    }
}
