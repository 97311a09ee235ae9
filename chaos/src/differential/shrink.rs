//! The smallest cluster that still shows a difference.

use anyhow::Result;
use serde_json::Value;

use crate::generate::Cluster;

/// Takes away objects, flags and fields for as long as `persists` says that the difference is still there.
pub(super) fn smallest(
    cluster: &Cluster,
    mut persists: impl FnMut(&Cluster) -> Result<bool>,
) -> Result<Cluster> {
    let mut best = cluster.clone();
    loop {
        let before = best.clone();
        each(
            &mut best,
            |cluster| cluster.objects.len(),
            |cluster, at| {
                cluster.objects.remove(at);
            },
            &mut persists,
        )?;
        each(
            &mut best,
            |cluster| cluster.flags.len(),
            |cluster, at| {
                cluster.flags.remove(at);
            },
            &mut persists,
        )?;
        each(
            &mut best,
            |cluster| cluster.default_filters.len(),
            |cluster, at| {
                let name = cluster.default_filters.keys().nth(at).cloned().unwrap_or_default();
                cluster.default_filters.remove(&name);
            },
            &mut persists,
        )?;
        for object in 0..best.objects.len() {
            each(
                &mut best,
                |cluster| leaves(&cluster.objects[object]),
                |cluster, at| remove(&mut cluster.objects[object], &mut at.clone()),
                &mut persists,
            )?;
        }
        if best == before {
            return Ok(best);
        }
    }
}

/// Tries each of some parts, from the last one down.
fn each(
    best: &mut Cluster,
    parts: impl Fn(&Cluster) -> usize,
    take: impl Fn(&mut Cluster, usize),
    persists: &mut impl FnMut(&Cluster) -> Result<bool>,
) -> Result<()> {
    let mut at = parts(best);
    while at > 0 {
        at -= 1;
        let mut candidate = best.clone();
        take(&mut candidate, at);
        if candidate != *best && persists(&candidate)? {
            *best = candidate;
            at = at.min(parts(best));
        }
    }
    Ok(())
}

/// What no object is without.
const KEPT: [&str; 2] = ["kind", "name"];

/// How many members and elements a value has, at all depths, beside those that are kept.
fn leaves(value: &Value) -> usize {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(name, _)| !KEPT.contains(&name.as_str()))
            .map(|(_, value)| 1 + leaves(value))
            .sum(),
        Value::Array(items) => items.iter().map(|value| 1 + leaves(value)).sum(),
        _ => 0,
    }
}

/// Removes the part number `at`, counted as in [`leaves`], a whole before its parts.
fn remove(value: &mut Value, at: &mut usize) {
    match value {
        Value::Object(map) => {
            let names: Vec<_> = map.keys().filter(|name| !KEPT.contains(&name.as_str())).cloned().collect();
            for name in names {
                let inside = leaves(&map[&name]);
                if *at == 0 {
                    map.remove(&name);
                    return;
                }
                *at -= 1;
                if *at < inside {
                    return remove(&mut map[&name], at);
                }
                *at -= inside;
            }
        }
        Value::Array(items) => {
            for index in 0..items.len() {
                let inside = leaves(&items[index]);
                if *at == 0 {
                    items.remove(index);
                    return;
                }
                *at -= 1;
                if *at < inside {
                    return remove(&mut items[index], at);
                }
                *at -= inside;
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_part_can_be_removed() {
        let value = json!({"a": {"b": [1, 2]}, "kind": "K", "c": 3});
        assert_eq!(leaves(&value), 5);
        let without = |at: usize| {
            let mut value = value.clone();
            remove(&mut value, &mut at.clone());
            value
        };
        assert_eq!(without(0), json!({"kind": "K", "c": 3}));
        assert_eq!(without(1), json!({"a": {}, "kind": "K", "c": 3}));
        assert_eq!(without(3), json!({"a": {"b": [1]}, "kind": "K", "c": 3}));
        assert_eq!(without(4), json!({"a": {"b": [1, 2]}, "kind": "K"}));
    }

    #[test]
    fn what_does_not_matter_goes() {
        let cluster = Cluster {
            flags: vec!["-a".to_owned(), "-b".to_owned()],
            objects: vec![json!({"kind": "A"}), json!({"kind": "B", "spec": {"x": 1, "y": [1, 2, 3]}})],
            ..Cluster::default()
        };
        let persists = |cluster: &Cluster| {
            Ok(cluster.flags.iter().any(|flag| flag == "-b")
                && cluster.objects.iter().any(|object| object["spec"]["y"][0] == 2))
        };
        let smallest = smallest(&cluster, persists).unwrap();
        assert_eq!(smallest.flags, ["-b"]);
        assert_eq!(smallest.objects, [json!({"kind": "B", "spec": {"y": [2]}})]);
    }
}
