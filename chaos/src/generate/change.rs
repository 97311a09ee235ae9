//! The next state of a cluster: what operators and controllers do to its objects.

use serde_json::Value;

use super::{Cluster, Dice, cluster, oddity};

/// Changes what is in `now`, always in the same way for the same seed. `first` is the state that it may come back to.
pub fn change(now: &mut Cluster, first: &Cluster, seed: u64) {
    let dice = &mut Dice::new(!seed);
    let other = cluster(seed);
    for _ in 0..1 + dice.up_to(2) {
        match dice.up_to(15) {
            0 => now.objects.clone_from(&first.objects),
            1 => {
                let kind = dice.pick(&["Ingress", "RouteGroup", "Service", "Endpoints", "EndpointSlice"]);
                now.objects.retain(|object| object["kind"] != kind);
            }
            2 => now.default_filters.clone_from(&other.default_filters),
            3 => oddity::spoil(dice, &mut now.objects),
            4..7 => now.objects.extend(other.objects.iter().cloned()),
            7..10 if !now.objects.is_empty() => drop(now.objects.remove(dice.up_to(now.objects.len() - 1))),
            _ => edit(dice, &mut now.objects, &other.objects),
        }
        unify(&mut now.objects);
    }
}

/// Gives one object the content of another one of its kind.
fn edit(dice: &mut Dice, objects: &mut [Value], others: &[Value]) {
    if objects.is_empty() {
        return;
    }
    let index = dice.up_to(objects.len() - 1);
    let object = &mut objects[index];
    let others: Vec<_> = others.iter().filter(|other| other["kind"] == object["kind"]).collect();
    if others.is_empty() {
        return;
    }
    let mut new = dice.pick(&others).clone();
    for field in ["name", "namespace"] {
        if new["metadata"].is_object() && object["metadata"].is_object() {
            new["metadata"][field] = object["metadata"][field].take();
        }
    }
    *object = new;
}

/// Of objects with one name the last one stays.
fn unify(objects: &mut Vec<Value>) {
    let name = |object: &Value| {
        let namespace = object["metadata"]["namespace"].as_str().filter(|name| !name.is_empty());
        let name = object["metadata"]["name"].clone();
        (object["kind"].clone(), namespace.unwrap_or("default").to_owned(), name)
    };
    let mut kept: Vec<Value> = Vec::with_capacity(objects.len());
    for object in objects.drain(..) {
        match kept.iter_mut().find(|other| name(other) == name(&object)) {
            Some(other) => *other = object,
            None => kept.push(object),
        }
    }
    *objects = kept;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_names_one_change_and_most_change_something() {
        let first = cluster(1);
        let changed = |seed| {
            let mut now = first.clone();
            change(&mut now, &first, seed);
            now
        };
        assert_eq!(changed(3), changed(3));
        let different = (0..100).filter(|seed| changed(*seed) != first).count();
        assert!(different > 80, "{different}");
    }

    #[test]
    fn names_stay_unique() {
        let first = cluster(1);
        let mut now = first.clone();
        for seed in 0..50 {
            change(&mut now, &first, seed);
        }
        let mut again = now.objects.clone();
        unify(&mut again);
        assert_eq!(again, now.objects);
        assert!(now.objects.len() < 200, "{}", now.objects.len());
    }
}
