//! Objects that are bad now keep the routes that they last had when they were good (design D5).
//!
//! In: the routes that survived, what was left out, the past. Out: for each bad object with a past its last good routes,
//! all of them and in place of all that it asks for now: half of an object may mean something else than the whole.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::compile::document::Document;
use crate::compile::past::{Bad, Good, Past, Uids};
use crate::compile::{ObjectRef, Quarantined, SourcedRoute};

/// Puts last good routes in the place of those of bad objects; the words of all others stay.
pub(in crate::compile) fn restore(
    past: &Past,
    uids: &Uids,
    routes: &mut Vec<SourcedRoute>,
    document: Document,
    quarantined: &mut [Quarantined],
) -> Document {
    if quarantined.is_empty() {
        return document;
    }
    let bad = bad_objects(routes, quarantined, uids);
    let mut good = past.last_good(&bad);
    good.retain(|_, good| !good.is_empty());
    let replaced: HashSet<ObjectRef> = good.keys().cloned().collect();
    let stays =
        |sourced: &SourcedRoute| sourced.object.as_deref().is_none_or(|object| !replaced.contains(object));
    let others = routes.iter().filter(|sourced| stays(sourced));
    let taken: HashSet<String> = others.map(|sourced| sourced.route.id.clone()).collect();
    let mut kept = Vec::new();
    for (object, Bad { uid, .. }) in bad {
        let mut good = good.remove(&object).unwrap_or_default();
        // An id that another object has meanwhile is that one's now.
        good.retain(|good| !taken.contains(&good.route.id));
        note(quarantined, &object, &uid, &good);
        kept.push((Arc::new(object), good));
    }
    if replaced.is_empty() {
        return document;
    }
    let words = |(index, sourced)| (sourced, Cow::Borrowed(document.definition(index)));
    let mut all: Vec<(SourcedRoute, Cow<'_, str>)> = routes.drain(..).enumerate().map(words).collect();
    all.retain(|(sourced, _)| stays(sourced));
    for (object, good) in kept {
        all.extend(good.into_iter().map(|Good { route, text }| {
            (SourcedRoute { route, object: Some(Arc::clone(&object)) }, Cow::Owned(text))
        }));
    }
    all.sort_by(|(a, _), (b, _)| a.route.id.cmp(&b.route.id));
    let mut restored = Document::with_room_for(all.len());
    for (sourced, text) in all {
        restored.append(&text);
        routes.push(sourced);
    }
    restored
}

/// The bad objects, with the ids of all routes that they ask for.
fn bad_objects(
    routes: &[SourcedRoute],
    quarantined: &[Quarantined],
    uids: &Uids,
) -> BTreeMap<ObjectRef, Bad> {
    let mut bad: BTreeMap<ObjectRef, Bad> = BTreeMap::new();
    for left_out in quarantined.iter().filter(|it| !it.object.kind.is_empty()) {
        let new = || Bad { uid: uids.get(&left_out.object).cloned().unwrap_or_default(), ..Bad::default() };
        bad.entry(left_out.object.clone()).or_insert_with(new).ids.insert(left_out.route.clone());
    }
    for sourced in routes {
        if let Some(bad) = sourced.object.as_deref().and_then(|object| bad.get_mut(object)) {
            bad.ids.insert(sourced.route.id.clone());
        }
    }
    bad
}

/// Notes with what was left out of `object` what becomes of it. The first entry names the routes that stay.
fn note(quarantined: &mut [Quarantined], object: &ObjectRef, uid: &str, good: &[Good]) {
    let hint = match good.len() {
        0 => "it is left out until the object is mended".to_owned(),
        1 => "the object's last good route stays until it is mended or deleted".to_owned(),
        many => format!("the object's {many} last good routes stay until it is mended or deleted"),
    };
    let mut ids: Vec<_> = good.iter().map(|good| good.route.id.clone()).collect();
    for left_out in quarantined.iter_mut().filter(|it| it.object == *object) {
        uid.clone_into(&mut left_out.uid);
        left_out.hint.clone_from(&hint);
        left_out.last_good = std::mem::take(&mut ids);
    }
}
