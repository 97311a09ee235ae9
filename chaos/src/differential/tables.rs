//! What differs between our tables and the peer's, and which of that is known.
//!
//! In: what we compiled, and what the peer answered in one run or, where it decides at random, in several. Out: nothing but
//! known deviations, or the difference in a few lines.

use std::collections::{BTreeMap, BTreeSet};

use bellwether::compile::Compiled;
use bellwether::eskip;

use super::oracle::Answer;
use super::verdict::{Deviation, Verdict};

/// Compares ours with the answers of several runs: each route must be as in one of them.
pub(super) fn against(ours: &Compiled, answers: &[Answer]) -> Verdict {
    // Of an object that is left out as a whole no route is known.
    let routes = ours.quarantined.iter().filter(|left_out| !left_out.route.is_empty());
    let left_out: BTreeMap<_, _> =
        routes.clone().map(|left_out| (left_out.route.as_str(), left_out.reason.as_str())).collect();
    let refused: BTreeSet<_> =
        answers.iter().flat_map(|answer| &answer.refused).map(String::as_str).collect();
    let misread: BTreeSet<_> =
        answers.iter().flat_map(|answer| definitions(&answer.routes)).filter(is_misread).collect();

    let mut out = String::new();
    for id in refused.iter().filter(|id| !left_out.contains_key(**id)) {
        out += &format!("  the peer refuses {id}, we do not\n");
    }
    for (id, reason) in left_out.iter().filter(|(id, _)| !refused.contains(**id)) {
        let known = is_smuggling(reason) && misread.iter().any(|(other, _)| other == id);
        if !known {
            out += &format!("  we refuse {id} ({reason}), the peer does not\n");
        }
    }
    let routes = ours.table.count + routes.count();
    let expected = (if routes == 0 { 404 } else { 200 }, routes);
    let theirs = (answers[0].status, answers[0].count);
    if expected != theirs {
        out += &format!("  status and number of routes: {expected:?} instead of {theirs:?}\n");
    }
    let without: BTreeSet<_> = left_out.keys().copied().collect();
    let zones: BTreeSet<_> =
        ours.zones.keys().chain(answers.iter().flat_map(|answer| answer.zones.keys())).collect();
    let tables = [None].into_iter().chain(zones.into_iter().map(|zone| Some(zone.as_str())));
    for zone in tables {
        let theirs: Vec<_> = answers
            .iter()
            .map(|answer| zone.and_then(|zone| answer.zones.get(zone)).unwrap_or(&answer.routes).as_str())
            .collect();
        let difference = tables_differ(&ours.table_for(zone).eskip(), &theirs, &without);
        if !difference.is_empty() {
            out += &format!("  {}:\n{difference}", zone.unwrap_or("main table"));
        }
    }
    if !out.is_empty() {
        return Verdict::Differs(out);
    }
    let smuggling = left_out.values().filter(|reason| is_smuggling(reason)).count();
    let mut deviations = Vec::new();
    if smuggling < left_out.len() {
        deviations.push(Deviation::Poison);
    }
    if smuggling > 0 {
        deviations.push(Deviation::Smuggling);
    }
    if deviations.is_empty() {
        Verdict::Same(ours.table.count)
    } else {
        Verdict::Deviates(deviations, ours.table.count)
    }
}

fn is_smuggling(reason: &str) -> bool {
    reason.contains("a quote in the address") || reason.contains("more than one route")
}

/// Whether who parses a definition with another one behind it gets something else than it says.
fn is_misread((_, text): &(&str, &str)) -> bool {
    let next = "next: * -> <shunt>;";
    let Ok(routes) = eskip::parse(&format!("{text}\n{next}")) else { return true };
    let print = |route: &eskip::Route| {
        let mut printed = String::new();
        eskip::print_definition(&mut printed, route);
        printed
    };
    let printed: Vec<_> = routes.iter().map(print).collect();
    printed != [*text, next]
}

/// What differs between our table and those of the peer's runs, without the routes that are left out.
pub(super) fn tables_differ(ours: &str, theirs: &[&str], without: &BTreeSet<&str>) -> String {
    if let [theirs] = theirs {
        // Of several routes of one id, some may be left out and others not.
        let published: BTreeSet<_> = definitions(ours).into_iter().collect();
        let kept = definitions(theirs)
            .into_iter()
            .filter(|definition| !without.contains(definition.0) || published.contains(definition));
        if kept.map(|(_, text)| text).collect::<Vec<_>>().join("\n") == ours {
            return String::new();
        }
    }
    let mut possible: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (id, text) in theirs.iter().flat_map(|table| definitions(table)) {
        possible.entry(id).or_default().insert(text);
    }
    let mut out = String::new();
    let mut seen = BTreeSet::new();
    for (id, text) in definitions(ours) {
        seen.insert(id);
        if !possible.get(id).is_some_and(|texts| texts.contains(text)) {
            out += &format!("    + {text}\n");
            for text in possible.get(id).into_iter().flatten() {
                out += &format!("    - {text}\n");
            }
        }
    }
    for (id, texts) in possible.iter().filter(|(id, _)| !seen.contains(**id) && !without.contains(**id)) {
        let always = theirs.iter().all(|table| definitions(table).iter().any(|(other, _)| other == id));
        if always {
            out += &format!("    - {}\n", texts.first().expect("each id has a text"));
        }
    }
    if out.is_empty() && theirs.len() == 1 {
        out += "    the order differs\n";
    }
    out
}

/// The definitions of a table: each begins a line with its id, which the compiler made. A line that an object's text breaks
/// begins with none.
pub(super) fn definitions(table: &str) -> Vec<(&str, &str)> {
    let mut starts: Vec<(usize, &str)> = Vec::new();
    let mut position = 0;
    for line in table.split_inclusive('\n') {
        if let Some((id, _)) = line.split_once(": ")
            && ["kube", "__"].iter().any(|made| id.trim_start_matches("clone_").starts_with(made))
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            starts.push((position, id));
        }
        position += line.len();
    }
    let ends = starts.iter().skip(1).map(|(start, _)| start - 1).chain([table.len()]);
    starts.iter().zip(ends).map(|((start, id), end)| (*id, &table[*start..end])).collect()
}

#[cfg(test)]
mod tests {
    use bellwether::compile::{Quarantined, Text};

    use super::*;

    const NONE: &BTreeSet<&str> = &BTreeSet::new();
    const A: &str = "kube_a: * -> <shunt>;";
    const B: &str = "kube_b: * -> \"http://b\" // \";";

    fn ours(table: &str, left_out: &[(&str, &str)]) -> Compiled {
        let left_out = left_out.iter().map(|(route, reason)| Quarantined {
            route: (*route).to_owned(),
            reason: (*reason).to_owned(),
            ..Quarantined::default()
        });
        Compiled {
            table: Text { packed: table.to_owned().into(), count: definitions(table).len() },
            quarantined: left_out.collect(),
            ..Compiled::default()
        }
    }

    fn theirs(table: &str, refused: &[&str]) -> [Answer; 1] {
        let refused = refused.iter().map(|id| (*id).to_owned()).collect();
        let count = definitions(table).len();
        [Answer { status: 200, routes: table.to_owned(), count, refused, ..Answer::default() }]
    }

    fn differs(ours: &Compiled, theirs: &[Answer]) -> bool {
        matches!(against(ours, theirs), Verdict::Differs(_))
    }

    #[test]
    fn smuggling_excuses_the_route_that_smuggles_and_nothing_else() {
        let quote = "a quote in the address of its backend ends it early";
        let peers = theirs(&format!("{A}\n{B}"), &[]);
        let known = against(&ours(A, &[("kube_b", quote)]), &peers);
        assert!(matches!(known, Verdict::Deviates(deviations, 1) if deviations == [Deviation::Smuggling]));
        assert!(differs(&ours("", &[("kube_b", quote)]), &peers), "a route is missing");
        assert!(differs(&ours(A, &[]), &peers), "nothing says why");
        assert!(differs(&ours(A, &[("kube_b", "another reason")]), &peers));
        let sound = theirs(&format!("{A}\nkube_b: * -> \"http://b\";"), &[]);
        assert!(differs(&ours(A, &[("kube_b", quote)]), &sound), "there is nothing to refuse");
        let other = theirs(&format!("{A}\n{B}\nkube_c: * -> <shunt>;"), &["kube_c"]);
        assert!(differs(&ours(A, &[("kube_b", quote)]), &other), "another one is refused");
    }

    #[test]
    fn poison_excuses_what_the_peer_refuses_too() {
        let peers = theirs(&format!("{A}\nkube_b: Weight(1e-05) -> <shunt>;"), &["kube_b"]);
        let known = against(&ours(A, &[("kube_b", "syntax")]), &peers);
        assert!(matches!(known, Verdict::Deviates(deviations, 1) if deviations == [Deviation::Poison]));
        assert!(differs(&ours(A, &[]), &peers));
    }

    #[test]
    fn definitions_begin_lines_and_may_have_several() {
        let found = definitions("kube_a: * -> \"x\ny: \";\nkube_1: A() -> <shunt>;");
        assert_eq!(found, [("kube_a", "kube_a: * -> \"x\ny: \";"), ("kube_1", "kube_1: A() -> <shunt>;")]);
        assert_eq!(definitions(""), []);
    }

    #[test]
    fn what_only_one_side_has_differs() {
        let one = "kube_a: * -> <shunt>;";
        let two = "kube_a: * -> <shunt>;\nkube_b: * -> <shunt>;";
        assert_eq!(tables_differ(two, &[two], NONE), "");
        assert!(tables_differ(one, &[two], NONE).contains("- kube_b:"));
        assert!(tables_differ(two, &[one], NONE).contains("+ kube_b:"));
        assert_eq!(tables_differ(one, &[two], &["kube_b"].into()), "");
    }

    #[test]
    fn of_random_winners_any_may_be_ours_but_no_other() {
        let (one, two) = ("kube_a: * -> <shunt>;", "kube_a: * -> <loopback>;");
        assert_eq!(tables_differ(two, &[one, two], NONE), "");
        assert!(tables_differ("kube_a: * -> <dynamic>;", &[one, two], NONE).contains("+ kube_a:"));
    }

    #[test]
    fn the_order_counts() {
        let (ab, ba) =
            ("kube_a: * -> <shunt>;\nkube_b: * -> <shunt>;", "kube_b: * -> <shunt>;\nkube_a: * -> <shunt>;");
        assert!(tables_differ(ab, &[ba], NONE).contains("order"));
    }
}
