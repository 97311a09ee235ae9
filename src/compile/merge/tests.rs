//! How groups come together, and when they do not.

use std::sync::Arc;

use super::*;
use crate::compile::ObjectRef;
use crate::compile::document::Document;

fn object(name: &str) -> ObjectRef {
    ObjectRef { kind: "Ingress".to_owned(), name: name.to_owned(), ..ObjectRef::default() }
}

/// A group with a definition for each id; those with a capital are of the settings.
fn group(ids: &[&str]) -> Made {
    let text: Vec<_> = ids.iter().map(|id| format!("{id}: * -> <shunt>;")).collect();
    let mut ends = Vec::new();
    for definition in &text {
        ends.push(ends.last().map_or(0, |end: &usize| end + 1) + definition.len());
    }
    let owner = |id: &&str| (!id.starts_with(char::is_uppercase)).then(|| Arc::new(object(id)));
    Made {
        document: Document::of(text.join("\n"), ends),
        owners: ids.iter().map(owner).collect(),
        zones: Default::default(),
        uids: Default::default(),
        knots: Default::default(),
        diagnostics: Vec::new(),
        quarantined: Vec::new(),
    }
}

fn left_out(route: &str) -> Quarantined {
    Quarantined { route: route.to_owned(), object: object("o"), ..Quarantined::default() }
}

fn merged(groups: &[&[&str]]) -> Option<String> {
    let (tables, _) = Merged::of(groups.iter().map(|ids| group(ids)).collect())?.pack(&Past::default(), 2);
    let (text, ends) = tables.document.into_parts();
    assert_eq!((ends.len(), tables.owners.len()), (text.count, text.count));
    let ids = text.eskip().lines().map(|line| line.split(':').next().unwrap().to_owned()).collect::<Vec<_>>();
    Some(ids.concat())
}

#[test]
fn definitions_come_in_the_order_of_their_ids() {
    assert_eq!(merged(&[&["a", "d", "e"], &["b", "c"], &[], &["f"]]).unwrap(), "abcdef");
    assert_eq!(merged(&[&[], &[]]).unwrap(), "");
}

#[test]
fn what_the_settings_ask_for_comes_once() {
    assert_eq!(merged(&[&["B", "a", "c"], &["B", "b"], &["B"]]).unwrap(), "Babc");
}

#[test]
fn an_id_in_two_groups_is_in_the_way() {
    assert_eq!(merged(&[&["a", "b"], &["b"]]), None);
    let mut other = group(&["B"]);
    other.owners[0] = Some(Arc::new(object("o")));
    assert!(Merged::of(vec![group(&["B"]), other]).is_none(), "an object has taken it from the settings");
    assert_eq!(
        merged(&[&["a", "a", "b"], &["c"]]).unwrap(),
        "aabc",
        "in one group it is that group's affair"
    );
}

#[test]
fn an_id_that_was_left_out_may_be_nobody_elses() {
    let with = |route: &str| Made { quarantined: vec![left_out(route)], ..group(&["a", "c"]) };
    assert!(Merged::of(vec![with("b"), group(&["d"])]).is_some());
    assert!(Merged::of(vec![with("d"), group(&["d"])]).is_none());
    assert!(Merged::of(vec![group(&["d"]), with("d")]).is_none());
    assert!(
        Merged::of(vec![with("b"), Made { quarantined: vec![left_out("b")], ..group(&["d"]) }]).is_none()
    );
    assert!(Merged::of(vec![with(""), group(&["d"])]).is_some(), "a whole object, that asks for nothing");
}

#[test]
fn what_is_said_of_the_settings_is_said_once() {
    let general = Diagnostic { object: None, reason: "odd".to_owned(), hint: String::new() };
    let of = |name: &str| Diagnostic { object: Some(object(name)), ..general.clone() };
    let settings = Quarantined { route: "Z".to_owned(), ..Quarantined::default() };
    let saying = |name: &str, ids: &[&str]| Made {
        diagnostics: vec![general.clone(), of(name)],
        quarantined: vec![settings.clone()],
        ..group(ids)
    };
    let merged = Merged::of(vec![saying("y", &["a"]), saying("x", &["b"])]).unwrap();
    assert_eq!(merged.findings(), (vec![general.clone(), of("x"), of("y")], vec![settings.clone()]));
}
