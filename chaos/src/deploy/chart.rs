//! The chart through Helm: what it renders for values, and which values it refuses.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use super::cascade;
use crate::peers;
use crate::stage::{Folder, manifests};

/// One template's output.
pub(super) struct Rendered {
    /// The template's file name.
    pub template: String,
    /// What it gave, as it is.
    pub text: String,
}

impl Rendered {
    /// The objects in it.
    pub fn objects(&self) -> Result<Vec<Value>> {
        manifests::documents(&self.text).with_context(|| self.template.clone())
    }
}

/// Renders the chart as the release `bellwether` in the namespace `bellwether`.
pub(super) async fn render(values: &Value, folder: &Folder) -> Result<Vec<Rendered>> {
    let file = folder.path().join("values.json");
    std::fs::write(&file, values.to_string()).context("write the values")?;
    let mut helm = helm()?;
    helm.args(["template", "bellwether", "chart", "--namespace=bellwether", "--values"]).arg(file);
    let text = super::output(&mut helm, "helm template").await?;
    Ok(split(&text))
}

fn helm() -> Result<Command> {
    let mut helm = Command::new(peers::HELM.binary()?);
    helm.current_dir(super::root()).env("HELM_NO_PLUGINS", "1");
    Ok(helm)
}

/// Helm says before each document which template it is from, and sorts them by their kinds.
fn split(text: &str) -> Vec<Rendered> {
    let mut all: Vec<Rendered> = Vec::new();
    for document in text.split("---\n# Source: bellwether/templates/").skip(1) {
        let (template, text) = document.split_once('\n').unwrap_or((document, ""));
        let text = text.trim_matches('\n');
        match all.iter_mut().find(|one| one.template == template) {
            Some(before) => before.text.push_str(&format!("---\n{text}\n")),
            None => all.push(Rendered { template: template.to_owned(), text: format!("{text}\n") }),
        }
    }
    all
}

/// Values that must do, each for a part of the templates that the defaults leave out.
fn good() -> Vec<(&'static str, Value)> {
    let routesrv =
        json!({"name": "routes", "routesrv": {"selector": {"component": "routesrv"}, "targetPort": 9990}});
    vec![
        ("the defaults", json!({})),
        ("off", json!({"rollout": {"mode": "off", "service": routesrv}})),
        ("pre", json!({"rollout": {"mode": "pre", "service": routesrv}})),
        ("exec", json!({"rollout": {"mode": "exec", "service": routesrv}})),
        ("off, standing by", json!({"rollout": {"mode": "off", "standBy": true}})),
        (
            "a Secret",
            json!({"certificates": {"from": "secret", "secretName": "mine", "sharedName": "replica"}}),
        ),
        ("cert-manager", json!({"certificates": {"from": "cert-manager"}})),
        (
            "an issuer that is there",
            json!({"certificates": {"from": "cert-manager", "certManager": {"issuerRef": {"kind": "ClusterIssuer", "name": "ca"}}}}),
        ),
        ("a token", json!({"certificates": {"from": "token", "secretName": "token"}})),
        ("plain text", json!({"certificates": {"from": "none"}})),
        (
            "a certificate per pod",
            json!({
                "certificates": {"from": "secret", "perPod": true},
                "extraVolumes": [{"name": "replication", "csi": {"driver": "csi.cert-manager.io", "readOnly": true}}],
            }),
        ),
        (
            "one namespace, Endpoints, no volume",
            json!({
                "flags": {"kubernetes-namespace": "shop", "enable-kubernetes-endpointslices": false},
                "persistence": {"enabled": false},
            }),
        ),
        (cascade::CASE, cascade::values()),
        (
            "a routesrv in the same cluster",
            json!({"source": {"from": "eskip+http://routesrv.kube-system/routes"}, "networkPolicy": {"sourcePorts": [9990]}}),
        ),
        (
            "documents on a volume",
            json!({
                "source": {"from": "eskip:/routes"},
                "extraVolumes": [{"name": "routes", "configMap": {"name": "routes"}}],
                "extraVolumeMounts": [{"name": "routes", "mountPath": "/routes"}],
            }),
        ),
        (
            "everything at once",
            json!({
                "nameOverride": "other", "namespace": {"create": true}, "replicas": 5,
                "image": {"repository": "registry.example/bellwether", "digest": format!("sha256:{}", "0".repeat(64))},
                "imagePullSecrets": [{"name": "pull"}],
                "flags": {"max-table-bytes": 268435456, "default-filters-prepend": ["a()", "b(\"x\")"], "log-format": "json"},
                "extraArgs": ["-kubernetes-lb-algorithm-annotation=x"], "extraEnv": [{"name": "RUST_BACKTRACE", "value": "1"}],
                "drain": {"preStopSeconds": 3}, "adminToken": {"secretName": "admin"},
                "ingressStatus": {"fromService": "kube-system/skipper"}, "priorityClassName": "high",
                "nodeSelector": {"pool": "system"}, "tolerations": [{"operator": "Exists"}],
                "affinity": {"nodeAffinity": {}}, "podLabels": {"team": "edge"}, "podAnnotations": {"a": "b"},
                "serviceAccount": {"annotations": {"a": "b"}}, "service": {"annotations": {"a": "b"}},
                "persistence": {"storageClassName": "fast"},
                "networkPolicy": {"routesFrom": [{"podSelector": {}}], "supportFrom": [{"namespaceSelector": {}}], "extraEgress": [{"ports": [{"port": 4317}]}]},
                "extraVolumes": [{"name": "filters", "configMap": {"name": "filters"}}],
                "extraVolumeMounts": [{"name": "filters", "mountPath": "/filters"}],
                "serviceMonitor": {"enabled": true, "labels": {"release": "p"}}, "alerts": {"enabled": true}, "dashboard": {"enabled": true},
            }),
        ),
    ]
}

/// Values that must be refused, and a word that the refusal has.
fn bad() -> Vec<(Value, &'static str)> {
    vec![
        (json!({"replica": 3}), "replica"),
        (json!({"replicas": "three"}), "replicas"),
        (json!({"replicas": 0}), "replicas"),
        (json!({"rollout": {"mode": "on"}}), "mode"),
        (json!({"rollout": {"mode": "pre", "service": {"name": "routes"}}}), "selector"),
        (json!({"certificates": {"from": "nowhere"}}), "from"),
        (json!({"flags": {"kubernetes-ingress-clas": "x"}}), "kubernetes-ingress-clas"),
        (json!({"flags": {"kubernetes-https-redirect": "no"}}), "kubernetes-https-redirect"),
        (json!({"flags": {"election-validity": "3 s"}}), "election-validity"),
        (json!({"flags": {"peers": "a,b"}}), "peers"),
        (json!({"image": {"digest": "1234"}}), "digest"),
        (json!({"ingressStatus": {"fromService": "skipper"}}), "fromService"),
        (json!({"source": {"from": "https://routes.a.example"}}), "from"),
        (json!({"source": {"from": "eskip+https://routes.a.example"}}), "source.ca"),
        (json!({"source": {"from": "eskip+http://a", "certificate": {"secretName": "b"}}}), "eskip+https"),
        (
            json!({"source": {"from": "eskip+https://a", "ca": {"secretName": "b", "configMapName": "c"}}}),
            "not both",
        ),
        (
            json!({"source": {"from": "eskip:/routes"}, "ingressStatus": {"fromService": "a/b"}}),
            "ingressStatus",
        ),
    ]
}

/// Renders everything that must render, and sees refused what must be. Returns all objects, each with its case.
pub(super) async fn check(folder: &Folder) -> Result<Vec<(&'static str, Value)>> {
    super::output(helm()?.args(["lint", "--strict", "chart"]), "helm lint").await?;
    let (good, bad) = (good(), bad());
    let mut objects = Vec::new();
    for (case, values) in &good {
        let rendered = render(values, folder).await.with_context(|| format!("values for {case}"))?;
        for one in rendered {
            objects.extend(one.objects()?.into_iter().map(|object| (*case, object)));
        }
    }
    super::said(&format!("Helm renders {} sets of values to {} objects", good.len(), objects.len()));
    for (values, word) in &bad {
        let refusal = render(values, folder).await.err();
        let refusal = refusal.with_context(|| format!("values that must be refused are not: {values}"))?;
        ensure!(format!("{refusal:#}").contains(word), "{values} is refused for something else: {refusal:#}");
    }
    super::said(&format!("Helm refuses {} sets of values, and says why", bad.len()));
    Ok(objects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_told_apart_by_their_template() {
        let text = "---\n# Source: bellwether/templates/b.yaml\nkind: B\n\n---\n# Source: bellwether/templates/a.yaml\n# why\n\
                    kind: A\n---\n# Source: bellwether/templates/b.yaml\nkind: C\n";
        let all = split(text);
        let texts: Vec<_> = all.iter().map(|one| (one.template.as_str(), one.text.as_str())).collect();
        assert_eq!(texts, [("b.yaml", "kind: B\n---\nkind: C\n"), ("a.yaml", "# why\nkind: A\n")]);
        assert_eq!(all[0].objects().unwrap().len(), 2);
    }
}
