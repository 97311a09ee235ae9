//! Whether we and the peer make the same of a cluster, and which known deviation explains it where not.
//!
//! Each deviation is a row of `docs/compatibility.md`. A rule tells it by what is seen on both sides, never by the cluster;
//! and whatever it does not explain is a difference.

use anyhow::Result;
use bellwether::compile::{Compiled, ObjectRef, Past};
use serde_json::Value;

use super::compiler::{self, Ours};
use super::oracle::{Answer, Oracle};
use super::tables::against;
use crate::generate::Cluster;

/// How often at most the peer is asked where it may decide at random. It goes through its hosts in the order of a Go map: up
/// to eight lie in a circle, and each walk starts anywhere. Of two neighbours that make one id the second one
/// wins where the walk starts between them, once in eight times; it never shows up in 200 with a probability of
/// (7/8)^200, some 10^-12.
const MOST_RUNS: usize = 200;

/// How often it is asked at once.
const RUNS: usize = 20;

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

/// A verdict, and what it was made of.
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    /// What the peer answered; several answers where it decides at random, none where it fails or ends.
    pub(super) answers: Vec<Answer>,
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
pub(super) fn judge(cluster: &Cluster, oracle: &mut Oracle) -> Result<Judged> {
    let differs = |difference| Judged { verdict: Verdict::Differs(difference), answers: Vec::new() };
    let ours = match compiler::compile(cluster, &Past::default()) {
        Ok(ours) => ours,
        Err(error) => return Ok(differs(error)),
    };
    let Some(answers) = oracle.ask(cluster, 1)? else {
        let complaints = ours.complaints();
        let objects = complaints.iter().map(|object| without(cluster, &[object]));
        let parts = [without_empty_parts(cluster), up_to_nulls(cluster)];
        let less = objects.chain(parts).collect();
        let verdict = explained_by(&ours, less, Deviation::Crash, "the peer ends", oracle)?;
        return Ok(Judged { verdict, answers: Vec::new() });
    };
    let error = &answers[0].error;
    if error.starts_with("failed to fetch routes") {
        let less = vec![without(cluster, &ours.misshapen.iter().collect::<Vec<_>>())];
        let verdict = explained_by(&ours, less, Deviation::Shape, error, oracle)?;
        return Ok(Judged { verdict, answers: Vec::new() });
    }
    if !error.is_empty() {
        return Ok(differs(error.clone()));
    }
    match against(&ours.compiled, &answers) {
        Verdict::Differs(_) => draw(&ours.compiled, cluster, answers, oracle),
        verdict => Ok(Judged { verdict, answers }),
    }
}

/// The cluster without some objects.
fn without(cluster: &Cluster, objects: &[&ObjectRef]) -> Cluster {
    let mut rest = cluster.clone();
    rest.objects.retain(|manifest| !objects.iter().any(|object| is(object, manifest)));
    rest
}

/// The cluster without objects that have no metadata, paths of Ingresses that have no backend, and endpoints of slices that
/// have no address.
fn without_empty_parts(cluster: &Cluster) -> Cluster {
    let mut rest = cluster.clone();
    rest.objects.retain(|manifest| !manifest["metadata"].is_null());
    for manifest in &mut rest.objects {
        let rules = manifest.pointer_mut("/spec/rules").and_then(Value::as_array_mut);
        for rule in rules.into_iter().flatten() {
            let paths = rule.pointer_mut("/http/paths").and_then(Value::as_array_mut);
            paths.into_iter().for_each(|paths| paths.retain(|path| !path["backend"].is_null()));
        }
        let endpoints = manifest.get_mut("endpoints").and_then(Value::as_array_mut);
        let has_address = |endpoint: &Value| endpoint.pointer("/addresses/0").is_some();
        endpoints.into_iter().for_each(|endpoints| endpoints.retain(has_address));
    }
    rest
}

/// The cluster with all lists up to their first null.
fn up_to_nulls(cluster: &Cluster) -> Cluster {
    fn cut(value: &mut Value) {
        match value {
            Value::Array(items) => {
                let end = items.iter().position(Value::is_null).unwrap_or(items.len());
                items.truncate(end);
                items.iter_mut().for_each(cut);
            }
            Value::Object(map) => map.values_mut().for_each(cut),
            _ => {}
        }
    }
    let mut rest = cluster.clone();
    rest.objects.iter_mut().for_each(cut);
    rest
}

/// Whether ours is what the peer makes of one of these: of the cluster without what we left out.
fn explained_by(
    ours: &Ours,
    less: Vec<Cluster>,
    deviation: Deviation,
    difference: &str,
    oracle: &mut Oracle,
) -> Result<Verdict> {
    for rest in less {
        let Some(answers) = oracle.ask(&rest, 1)? else { continue };
        if !answers[0].error.is_empty() {
            continue;
        }
        let verdict = match against(&ours.compiled, &answers) {
            Verdict::Differs(_) => draw(&ours.compiled, &rest, answers, oracle)?.verdict,
            verdict => verdict,
        };
        match verdict {
            Verdict::Same(routes) => return Ok(Verdict::Deviates(vec![deviation], routes)),
            Verdict::Deviates(mut deviations, routes) => {
                deviations.push(deviation);
                return Ok(Verdict::Deviates(deviations, routes));
            }
            Verdict::Differs(_) => {}
        }
    }
    Ok(Verdict::Differs(format!("{difference}\n  nothing that we complain of, left out, explains ours")))
}

/// Whether a manifest is that of `object`.
fn is(object: &ObjectRef, manifest: &Value) -> bool {
    let text = |field: &str| manifest["metadata"][field].as_str().unwrap_or_default();
    let namespace = |name: &str| if name.is_empty() { "default" } else { name }.to_owned();
    manifest["kind"] == object.kind
        && text("name") == object.name
        && namespace(text("namespace")) == namespace(&object.namespace)
}

/// Asks again, until one of the peer's draws is ours or there is no doubt left.
fn draw(ours: &Compiled, cluster: &Cluster, mut answers: Vec<Answer>, oracle: &mut Oracle) -> Result<Judged> {
    let mut verdict = against(ours, &answers);
    for _ in 0..MOST_RUNS / RUNS {
        let Some(more) = oracle.ask(cluster, RUNS)? else {
            let verdict = Verdict::Differs("the peer ends in some of its runs".to_owned());
            return Ok(Judged { verdict, answers: Vec::new() });
        };
        for answer in more {
            if !answers.contains(&answer) {
                answers.push(answer);
            }
        }
        if answers.len() == 1 {
            continue;
        }
        verdict = against(ours, &answers);
        let mut deviations = match &verdict {
            Verdict::Differs(_) => continue,
            Verdict::Same(_) => Vec::new(),
            Verdict::Deviates(deviations, _) => deviations.clone(),
        };
        deviations.push(Deviation::RandomWinner);
        verdict = Verdict::Deviates(deviations, ours.table.count);
        break;
    }
    Ok(Judged { verdict, answers })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_deviation_is_a_row_of_the_page() {
        let page = include_str!("../../../docs/compatibility.md");
        for deviation in Deviation::ALL {
            let row = format!("\n| {} |", deviation.row());
            assert!(page.contains(&row), "{}", deviation.row());
        }
    }

    #[test]
    fn an_object_is_told_by_kind_namespace_and_name() {
        let object =
            ObjectRef { kind: "Service".to_owned(), namespace: "x".to_owned(), name: "a".to_owned() };
        let manifest = |kind: &str, namespace: Value| json!({"kind": kind, "metadata": {"name": "a", "namespace": namespace}});
        assert!(is(&object, &manifest("Service", json!("x"))));
        assert!(!is(&object, &manifest("Ingress", json!("x"))));
        assert!(!is(&object, &manifest("Service", json!("y"))));
        let object = ObjectRef { namespace: String::new(), ..object };
        assert!(
            is(&object, &manifest("Service", Value::Null))
                && is(&object, &manifest("Service", json!("default")))
        );
    }
}
