//! `deploy/manifests/`: what the chart renders, as files for those who want kubectl and Kustomize only.
//!
//! `base` is what no mode changes; `off`, `pre` and `exec` add the rest. `ingress-status` and `monitoring` are components.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use super::chart::{self, Rendered};
use crate::stage::{Folder, manifests};

/// Files by their path below `deploy/manifests/`.
type Files = BTreeMap<String, String>;

const MODES: [&str; 3] = ["off", "pre", "exec"];

/// What a mode changes.
const OF_THE_MODE: &str = "fleet-service.yaml";

/// What is in a component, and in no base.
const COMPONENTS: [(&str, &[&str]); 2] = [
    ("ingress-status", &["ingress-status.yaml"]),
    ("monitoring", &["servicemonitor.yaml", "prometheusrule.yaml", "dashboard.yaml"]),
];

const HEAD: &str = "# Made from deploy/chart by `cargo run -p chaos -- deploy --write`; change that, or patch this from outside.\n";

/// The Service whose addresses Ingresses get, in the component; to be patched.
const STATUS_FROM: &str = "kube-system/skipper-ingress";

/// The chart's values behind the manifests.
fn values(mode: &str, all: bool) -> Value {
    json!({
        "namespace": {"create": true},
        "certificates": {"from": "secret"},
        "rollout": {"mode": mode, "service": {
            "name": "routes",
            "routesrv": {"selector": {"application": "skipper-ingress", "component": "routesrv"}, "targetPort": 9990},
        }},
        "ingressStatus": {"fromService": if all { STATUS_FROM } else { "" }},
        "serviceMonitor": {"enabled": all}, "alerts": {"enabled": all}, "dashboard": {"enabled": all},
    })
}

async fn rendered(mode: &str, all: bool, folder: &Folder) -> Result<Vec<Rendered>> {
    chart::render(&values(mode, all), folder).await
}

/// Every file as it should be.
async fn expected(folder: &Folder) -> Result<Files> {
    let mut files = Files::new();
    let mut base = Vec::new();
    for one in rendered("exec", false, folder).await?.into_iter().filter(|one| one.template != OF_THE_MODE) {
        files.insert(format!("base/{}", one.template), format!("{HEAD}{}", one.text));
        base.push(one.template);
    }
    files.insert("base/kustomization.yaml".to_owned(), kustomization("Kustomization", "", &base, ""));
    for mode in MODES {
        let service =
            rendered(mode, false, folder).await?.into_iter().find(|one| one.template == OF_THE_MODE);
        let service = service.context("the chart renders no Service of the fleet")?;
        files.insert(format!("{mode}/{OF_THE_MODE}"), format!("{HEAD}{}", service.text));
        let rest = match mode {
            "off" => {
                let nothing = "# Everything is in place, and nothing runs.\nreplicas:\n  - name: bellwether\n    count: 0\n";
                format!("{nothing}{}", patch("--rollout=off"))
            }
            "pre" => {
                let compare = "# Name what the fleet runs now by a patch of your own like this one: --rollout-compare=URL,URL.\n";
                format!("{compare}{}", patch("--rollout=pre"))
            }
            _ => String::new(),
        };
        let resources = ["../base".to_owned(), OF_THE_MODE.to_owned()];
        files.insert(
            format!("{mode}/kustomization.yaml"),
            kustomization("Kustomization", about(mode), &resources, &rest),
        );
    }
    for one in rendered("exec", true, folder).await? {
        if let Some((component, _)) = COMPONENTS.iter().find(|(_, its)| its.contains(&one.template.as_str()))
        {
            files.insert(format!("{component}/{}", one.template), format!("{HEAD}{}", one.text));
        }
    }
    for (component, templates) in COMPONENTS {
        let resources: Vec<_> = templates.iter().map(|&name| name.to_owned()).collect();
        let rest = if component == "ingress-status" {
            patch(&format!("-kubernetes-status-from-service={STATUS_FROM}"))
        } else {
            String::new()
        };
        files.insert(
            format!("{component}/kustomization.yaml"),
            kustomization("Component", about(component), &resources, &rest),
        );
    }
    Ok(files)
}

fn about(what: &str) -> &'static str {
    match what {
        "off" => "The fleet polls routesrv. Bellwether is in place and does not run.",
        "pre" => "The fleet polls routesrv. Bellwether runs beside it, under a Service of its own.",
        "exec" => "The fleet polls Bellwether. The way back is `kubectl apply -k` of pre.",
        "ingress-status" => {
            "The leader writes the addresses of a Service into the status of Ingresses: put its name into the patch."
        }
        _ => "For Prometheus' operator and Grafana's sidecar.",
    }
}

fn kustomization(kind: &str, about: &str, resources: &[String], rest: &str) -> String {
    let version = if kind == "Component" { "v1alpha1" } else { "v1beta1" };
    let about = if about.is_empty() { String::new() } else { format!("# {about}\n") };
    let resources: String = resources.iter().map(|one| format!("  - {one}\n")).collect();
    format!(
        "{HEAD}{about}apiVersion: kustomize.config.k8s.io/{version}\nkind: {kind}\nresources:\n{resources}{rest}"
    )
}

/// One argument more.
fn patch(argument: &str) -> String {
    format!(
        "patches:\n  - target:\n      kind: StatefulSet\n      name: bellwether\n    patch: |\n      - op: add\n        \
         path: /spec/template/spec/containers/0/args/-\n        value: {argument}\n"
    )
}

fn root() -> PathBuf {
    super::root().join("manifests")
}

/// Writes every file, and takes away those that are no more.
pub(super) async fn write(folder: &Folder) -> Result<()> {
    let expected = expected(folder).await?;
    for stale in present()?.keys().filter(|path| !expected.contains_key(*path)) {
        std::fs::remove_file(root().join(stale)).with_context(|| format!("remove {stale}"))?;
    }
    for (path, text) in expected {
        let file = root().join(&path);
        std::fs::create_dir_all(file.parent().context("a file lies in a folder")?)?;
        std::fs::write(&file, text).with_context(|| format!("write {path}"))?;
    }
    Ok(())
}

fn present() -> Result<Files> {
    let mut files = Files::new();
    for folder in std::fs::read_dir(root()).into_iter().flatten().flatten().filter(|one| one.path().is_dir())
    {
        for file in std::fs::read_dir(folder.path())?.flatten() {
            let path = format!("{}/{}", folder.file_name().display(), file.file_name().display());
            files.insert(path, std::fs::read_to_string(file.path())?);
        }
    }
    Ok(files)
}

/// That the files are what the chart renders, and that a real Kustomize makes of each mode what the chart renders for it.
pub(super) async fn check(folder: &Folder) -> Result<()> {
    let (expected, present) = (expected(folder).await?, present()?);
    for path in expected.keys().chain(present.keys()) {
        ensure!(
            expected.get(path) == present.get(path),
            "deploy/manifests/{path} is not what the chart renders; run: cargo run -p chaos -- deploy --write"
        );
    }
    super::said(&format!("{} files of deploy/manifests/ are what the chart renders", present.len()));
    for mode in MODES {
        let mut kustomize = Command::new(crate::peers::KUSTOMIZE.binary()?);
        let text = super::output(kustomize.arg("build").arg(root().join(mode)), "kustomize build").await?;
        let mut objects = Vec::new();
        for one in rendered(mode, false, folder).await? {
            objects.extend(one.objects()?);
        }
        let (ours, theirs) = (by_name(objects), by_name(manifests::documents(&text)?));
        for (name, object) in &ours {
            ensure!(
                theirs.get(name) == Some(object),
                "kustomize build {mode}: {name} is not what the chart renders"
            );
        }
        ensure!(ours.len() == theirs.len(), "kustomize build {mode} has objects that the chart has not");
    }
    super::said("Kustomize makes of each mode what the chart renders for it");
    Ok(())
}

fn by_name(objects: Vec<Value>) -> BTreeMap<String, Value> {
    let name = |one: &Value| format!("{} {}", one["kind"], one["metadata"]["name"]);
    objects.into_iter().map(|one| (name(&one), one)).collect()
}
