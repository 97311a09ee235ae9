//! What a program is made of, as CycloneDX 1.6 (cyclonedx.org): its crates, their licences, and who depends on whom.
//!
//! In: what Cargo resolved for the target. Out: JSON. Crates that only tests or build scripts need are not in the program, and
//! not in the list.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, Package, PackageId};
use serde_json::{Value, json};

use super::layout::About;

/// The list for the package `name` and everything that it links.
///
/// # Errors
///
/// Where Cargo did not resolve it.
pub fn of(metadata: &Metadata, name: &str, libc: &str, about: &About) -> Result<Value> {
    let packages: BTreeMap<&PackageId, &Package> = metadata.packages.iter().map(|it| (&it.id, it)).collect();
    let nodes = &metadata.resolve.as_ref().context("cargo metadata resolved nothing")?.nodes;
    let links: BTreeMap<&PackageId, BTreeSet<&PackageId>> = nodes
        .iter()
        .map(|node| {
            let linked = node.deps.iter().filter(|dependency| {
                dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal)
            });
            (&node.id, linked.map(|dependency| &dependency.pkg).collect())
        })
        .collect();
    let root = metadata.packages.iter().find(|it| it.name.as_str() == name);
    let root = root.with_context(|| format!("there is no package {name}"))?;
    let (mut there, mut ahead) = (BTreeSet::from([&root.id]), vec![&root.id]);
    while let Some(next) = ahead.pop() {
        let new: Vec<_> = links[next].iter().filter(|id| !there.contains(*id)).copied().collect();
        there.extend(&new);
        ahead.extend(new);
    }
    let known = |id: &PackageId| packages[id];
    let mut components: Vec<Value> = there
        .iter()
        .map(|id| known(id))
        .filter(|package| package.id != root.id)
        .map(|package| component(package, "library"))
        .collect();
    components.push(json!({"type": "library", "bom-ref": "libc", "name": "glibc", "version": libc,
        "licenses": [{"expression": "LGPL-2.1-or-later"}]}));
    let dependencies = there.iter().map(|id| {
        let mut on: Vec<_> = links[id].iter().map(|id| purl(known(id))).collect();
        if **id == root.id {
            on.push("libc".to_owned());
        }
        json!({"ref": purl(known(id)), "dependsOn": on})
    });
    Ok(json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": jiff::Timestamp::from_second(about.seconds)?.to_string(),
            "component": component(root, "application"),
        },
        "components": components,
        "dependencies": dependencies.collect::<Vec<_>>(),
    }))
}

fn component(package: &Package, kind: &str) -> Value {
    let mut component = json!({
        "type": kind,
        "bom-ref": purl(package),
        "name": package.name,
        "version": package.version.to_string(),
        "purl": purl(package),
    });
    if let Some(license) = &package.license {
        // As it was written before SPDX expressions came.
        component["licenses"] = json!([{"expression": license.replace('/', " OR ")}]);
    }
    if let Some(repository) = &package.repository {
        component["externalReferences"] = json!([{"type": "vcs", "url": repository}]);
    }
    component
}

/// A crate as others name it (github.com/package-url/purl-spec).
fn purl(package: &Package) -> String {
    format!("pkg:cargo/{}@{}", package.name, package.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, license: &str) -> Value {
        json!({"name": name, "version": "1.0.0", "id": name, "license": license, "dependencies": [], "targets": [],
            "features": {}, "manifest_path": "/Cargo.toml", "edition": "2024"})
    }

    fn node(name: &str, on: &[(&str, Value)]) -> Value {
        let deps: Vec<_> = on
            .iter()
            .map(|(on, kind)| json!({"name": on, "pkg": on, "dep_kinds": [{"kind": kind, "target": null}]}))
            .collect();
        json!({"id": name, "deps": deps, "dependencies": [], "features": []})
    }

    #[test]
    fn what_is_linked_is_listed_and_nothing_else() {
        let metadata = json!({
            "packages": [package("app", "Apache-2.0"), package("lib", "MIT/Apache-2.0"), package("leaf", "MIT"),
                package("tests", "MIT"), package("stranger", "MIT")],
            "resolve": {"root": null, "nodes": [
                node("app", &[("lib", Value::Null), ("tests", json!("dev"))]),
                node("lib", &[("leaf", Value::Null)]),
                node("leaf", &[]), node("tests", &[("stranger", Value::Null)]), node("stranger", &[]),
            ]},
            "workspace_members": ["app"], "workspace_root": "/", "target_directory": "/target", "version": 1,
        });
        let metadata: Metadata = serde_json::from_value(metadata).unwrap();
        let about = About { version: "1.0.0".into(), revision: "abc".into(), seconds: 0 };
        let list = of(&metadata, "app", "2.36", &about).unwrap();
        let names: Vec<_> = list["components"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
        assert_eq!(names, ["leaf", "lib", "glibc"]);
        assert_eq!(list["components"][1]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        let app =
            list["dependencies"].as_array().unwrap().iter().find(|it| it["ref"] == "pkg:cargo/app@1.0.0");
        assert_eq!(app.unwrap()["dependsOn"], json!(["pkg:cargo/lib@1.0.0", "libc"]));
    }
}
