//! What a real API server says: each object passes its validation and admission, strictly, in a dry run; a pod of the
//! StatefulSet is admitted where only restricted pods are. Kinds of others are tried with their own definitions.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::ground::Ground;
use crate::peers::files;
use crate::stage::cluster::{Apply, Cluster};
use crate::stage::{Folder, manifests};

/// Tries every object.
pub(super) async fn check(objects: &[(&str, Value)], folder: &Folder) -> Result<()> {
    let cluster = Cluster::start(&Ground::loopback(), folder).await?;
    cluster.apply(&manifests::route_group_definition(), Apply::ForGood).await?;
    for path in files::definitions()? {
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        cluster.apply(&manifests::documents(&text)?, Apply::ForGood).await?;
    }
    cluster.apply(&[namespace("bellwether"), namespace("shop")], Apply::ForGood).await?;
    let mut by_case: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (case, object) in objects {
        by_case.entry(*case).or_default().push(object.clone());
    }
    let mut pods = 0;
    for (case, objects) in &by_case {
        let what = || format!("values for {case}");
        cluster.apply(objects, Apply::DryRun).await.with_context(what)?;
        let accounts: Vec<_> =
            objects.iter().filter(|one| one["kind"] == "ServiceAccount").cloned().collect();
        cluster.apply(&accounts, Apply::ForGood).await.with_context(what)?;
        let sets = objects.iter().filter(|one| one["kind"] == "StatefulSet");
        for set in sets.filter(|set| set.pointer("/spec/template/spec/priorityClassName").is_none()) {
            cluster.apply(&[pod(set)], Apply::DryRun).await.with_context(what)?;
            pods += 1;
        }
    }
    ensure!(pods > 0, "no pod was tried");
    super::said(&format!(
        "a real API server takes {} objects in a dry run, and admits {pods} pods where all are restricted",
        objects.len()
    ));
    Ok(())
}

fn namespace(name: &str) -> Value {
    let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

/// A pod as the controller would make it: claims have become volumes.
fn pod(set: &Value) -> Value {
    let mut spec = set["spec"]["template"]["spec"].clone();
    let claims = set["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten();
    let volumes = claims.map(|claim| {
        let name = &claim["metadata"]["name"];
        json!({"name": name, "persistentVolumeClaim": {"claimName": name}})
    });
    let mut all = spec["volumes"].as_array().cloned().unwrap_or_default();
    all.extend(volumes);
    spec["volumes"] = Value::Array(all);
    json!({
        "apiVersion": "v1", "kind": "Pod", "spec": spec,
        "metadata": {"name": "tried", "namespace": set["metadata"]["namespace"], "labels": set["spec"]["template"]["metadata"]["labels"]},
    })
}
