//! Whether we and the peer make the same of a cluster, and which known deviation explains it where not.
//!
//! Each deviation is a row of `docs/compatibility.md`. A rule tells it by what is seen on both sides, never by the cluster.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use bellwether::compile::Compiled;

use super::compiler;
use super::oracle::{Answer, Oracle};
use crate::generate::Cluster;

/// How often the peer is asked where it may decide at random.
const RUNS: usize = 40;

/// What came of a comparison, with the number of our routes.
pub(super) enum Verdict {
    Same(usize),
    Deviates(Vec<Deviation>, usize),
    /// What differs, in a few lines.
    Differs(String),
}

/// A known deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Deviation {
    /// The peer publishes routes that no client can use.
    Poison,
    /// An address with a quote or a line break ends a route early, and what follows it is read as something else.
    Smuggling,
    /// Objects whose hosts make the same id: the peer publishes one of them at random.
    RandomWinner,
    /// One object of a wrong shape fails the peer's whole poll; we leave the object out.
    Shape,
    /// One object of a wrong shape ends the peer.
    Crash,
}

impl Deviation {
    #[cfg(test)]
    const ALL: [Self; 5] = [Self::Poison, Self::Smuggling, Self::RandomWinner, Self::Shape, Self::Crash];

    /// Its row in `docs/compatibility.md`, by what it begins with.
    pub(super) const fn row(self) -> &'static str {
        match self {
            Self::Poison => "A route that no parser takes",
            Self::Smuggling => "Backend addresses with quotes or line breaks",
            Self::RandomWinner => "Routes with one id from several Ingresses",
            Self::Shape => "An object of another shape than its kind wants",
            Self::Crash => {
                "An object that makes the conversion panic; a null in a list, where somebody comes upon it"
            }
        }
    }
}

/// Compares both sides.
///
/// # Errors
///
/// Where the oracle cannot be asked.
pub(super) fn judge(cluster: &Cluster, oracle: &mut Oracle) -> Result<Verdict> {
    let ours = match compiler::compile(cluster) {
        Ok(compiled) => compiled,
        Err(error) => return Ok(Verdict::Differs(error)),
    };
    if let Some(panicked) = ours.quarantined.iter().find(|left_out| left_out.reason.contains("panicked")) {
        return Ok(Verdict::Differs(format!("our compiler: {}", panicked.reason)));
    }
    let routes = ours.table.count;
    let Some(answers) = oracle.ask(cluster, 1)? else {
        return Ok(Verdict::Deviates(vec![Deviation::Crash], routes));
    };
    if !answers[0].error.is_empty() {
        let failed = answers[0].error.starts_with("failed to fetch routes");
        let error = answers.into_iter().map(|answer| answer.error).collect();
        return Ok(if failed {
            Verdict::Deviates(vec![Deviation::Shape], routes)
        } else {
            Verdict::Differs(error)
        });
    }
    let first = against(&ours, &answers[..1]);
    if !matches!(first, Verdict::Differs(_)) {
        return Ok(first);
    }
    let Some(answers) = oracle.ask(cluster, RUNS)? else {
        return Ok(Verdict::Deviates(vec![Deviation::Crash], routes));
    };
    if answers.iter().all(|answer| answer.routes == answers[0].routes) {
        return Ok(first);
    }
    Ok(match against(&ours, &answers) {
        Verdict::Differs(difference) => Verdict::Differs(difference),
        Verdict::Deviates(mut deviations, routes) => {
            deviations.push(Deviation::RandomWinner);
            Verdict::Deviates(deviations, routes)
        }
        Verdict::Same(routes) => Verdict::Deviates(vec![Deviation::RandomWinner], routes),
    })
}

/// Compares ours with the answers of several runs: each route must be as in one of them.
fn against(ours: &Compiled, answers: &[Answer]) -> Verdict {
    // An entry without a route is one for a whole object: what it means for the table is seen there.
    let routes = ours.quarantined.iter().filter(|left_out| !left_out.route.is_empty());
    let left_out: BTreeMap<_, _> =
        routes.map(|left_out| (left_out.route.as_str(), left_out.reason.as_str())).collect();
    let refused: BTreeSet<_> =
        answers.iter().flat_map(|answer| &answer.refused).map(String::as_str).collect();
    let smuggled = left_out.iter().filter(|(_, reason)| is_smuggling(reason)).count() > 0;

    let mut out = String::new();
    for id in refused.iter().filter(|id| !left_out.contains_key(**id) && !smuggled) {
        out += &format!("  the peer refuses {id}, we do not\n");
    }
    for (id, reason) in
        left_out.iter().filter(|(id, reason)| !refused.contains(**id) && !is_smuggling(reason))
    {
        out += &format!("  we refuse {id} ({reason}), the peer does not\n");
    }
    if !smuggled && refused.is_empty() && left_out.is_empty() {
        let status = if ours.table.count == 0 { 404 } else { 200 };
        if status != answers[0].status || ours.table.count != answers[0].count {
            let theirs = (answers[0].status, answers[0].count);
            out += &format!("  {status} with {} routes instead of {theirs:?}\n", ours.table.count);
        }
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
        let difference = tables_differ(&ours.table_for(zone).eskip, &theirs, &without, smuggled);
        if !difference.is_empty() {
            out += &format!("  {}:\n{difference}", zone.unwrap_or("main table"));
        }
    }
    if !out.is_empty() {
        return Verdict::Differs(out);
    }
    let mut deviations = Vec::new();
    if !refused.is_empty() {
        deviations.push(Deviation::Poison);
    }
    if smuggled {
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

/// What differs between our table and those of the peer's runs, without the routes that are left out.
fn tables_differ(ours: &str, theirs: &[&str], without: &BTreeSet<&str>, smuggled: bool) -> String {
    if let [theirs] = theirs
        && !smuggled
    {
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
    // What a smuggled definition is called, nobody knows.
    if !smuggled {
        for (id, texts) in possible.iter().filter(|(id, _)| !seen.contains(**id) && !without.contains(**id)) {
            let always = theirs.iter().all(|table| definitions(table).iter().any(|(other, _)| other == id));
            if always {
                out += &format!("    - {}\n", texts.first().expect("each id has a text"));
            }
        }
        if out.is_empty() && theirs.len() == 1 {
            out += "    the order differs\n";
        }
    }
    out
}

/// The definitions of a table: each begins a line with its id, which the compiler made. A line that an object's text breaks
/// begins with none.
fn definitions(table: &str) -> Vec<(&str, &str)> {
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
    use super::*;

    const NONE: &BTreeSet<&str> = &BTreeSet::new();

    #[test]
    fn every_deviation_is_a_row_of_the_page() {
        let page = include_str!("../../../docs/compatibility.md");
        for deviation in Deviation::ALL {
            let row = format!("\n| {} |", deviation.row());
            assert!(page.contains(&row), "{}", deviation.row());
        }
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
        assert_eq!(tables_differ(two, &[two], NONE, false), "");
        assert!(tables_differ(one, &[two], NONE, false).contains("- kube_b:"));
        assert!(tables_differ(two, &[one], NONE, false).contains("+ kube_b:"));
        assert_eq!(tables_differ(one, &[two], &["kube_b"].into(), false), "");
    }

    #[test]
    fn of_random_winners_any_may_be_ours_but_no_other() {
        let (one, two) = ("kube_a: * -> <shunt>;", "kube_a: * -> <loopback>;");
        assert_eq!(tables_differ(two, &[one, two], NONE, false), "");
        assert!(tables_differ("kube_a: * -> <dynamic>;", &[one, two], NONE, false).contains("+ kube_a:"));
    }

    #[test]
    fn the_order_counts() {
        let (ab, ba) =
            ("kube_a: * -> <shunt>;\nkube_b: * -> <shunt>;", "kube_b: * -> <shunt>;\nkube_a: * -> <shunt>;");
        assert!(tables_differ(ab, &[ba], NONE, false).contains("order"));
    }
}
