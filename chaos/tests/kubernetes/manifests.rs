//! The manifests fit the settings, the scripts and what `deploy/` installs.

use std::fs;
use std::path::Path;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{folder, setting, settings};

fn documents(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn the(kind: &str) -> Value {
    let kustomization = kustomization();
    let files = kustomization["resources"].as_array().unwrap().iter();
    let all = files.flat_map(|file| documents(&folder().join(file.as_str().unwrap())));
    let mut found = all.filter(|one| one["kind"] == kind);
    let one = found.next().unwrap_or_else(|| panic!("a {kind}"));
    assert!(found.next().is_none(), "one {kind}");
    one
}

fn kustomization() -> Value {
    documents(&folder().join("kustomization.yaml")).remove(0)
}

/// The one of `deploy/` that has this kind and name.
fn installed(kind: &str, name: &str) -> Value {
    let base = folder().join("../../deploy/manifests/base");
    let files = base.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut all = files.flat_map(|file| documents(&file));
    all.find(|one| one["kind"] == kind && one["metadata"]["name"] == name).unwrap()
}

/// What the API's own types do not know would be dropped by it, or refused.
fn known_to_the_api<T: DeserializeOwned + Serialize>(one: &Value) {
    let typed: T = serde_json::from_value(one.clone()).unwrap_or_else(|error| panic!("{one}: {error}"));
    let mut back = serde_json::to_value(typed).unwrap();
    if let Some(template) = back.pointer_mut("/spec/template") {
        template.as_object_mut().unwrap().retain(|_, value| *value != json!({}));
    }
    assert_eq!(back, *one);
}

#[test]
fn the_api_knows_every_field() {
    known_to_the_api::<ServiceAccount>(&the("ServiceAccount"));
    known_to_the_api::<Role>(&the("Role"));
    known_to_the_api::<RoleBinding>(&the("RoleBinding"));
    known_to_the_api::<Ingress>(&the("Ingress"));
    known_to_the_api::<Job>(&the("Job"));
}

#[test]
fn it_runs_where_bellwether_is_installed() {
    let set = installed("StatefulSet", &setting("SET"));
    assert_eq!(kustomization()["namespace"], set["metadata"]["namespace"]);
    let url = setting("URL");
    let service = url.strip_prefix("http://").unwrap().strip_suffix("/routes").unwrap();
    let service = installed("Service", service);
    let backend = the("Ingress")["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"].clone();
    assert_eq!(backend["name"], service["metadata"]["name"]);
    assert_eq!(backend["port"]["name"], service["spec"]["ports"][0]["name"]);
    // Else the Service would send polls to the Job.
    let labels = &kustomization()["labels"][0]["pairs"];
    assert_ne!(labels["app.kubernetes.io/name"], service["spec"]["selector"]["app.kubernetes.io/name"]);
}

#[test]
fn it_may_do_what_its_scripts_do_and_no_more() {
    let set = installed("StatefulSet", &setting("SET"));
    let replicas = set["spec"]["replicas"].as_u64().unwrap();
    let pods: Vec<_> = (0..replicas).map(|n| format!("{}-{n}", setting("SET"))).collect();
    let rule = |group: &str, resource: &str, names: Value, verbs: Value| json!({"apiGroups": [group], "resources": [resource], "resourceNames": names, "verbs": verbs});
    let rules = json!([
        rule("coordination.k8s.io", "leases", json!([setting("LEASE")]), json!(["get"])),
        rule("apps", "statefulsets", json!([setting("SET")]), json!(["get"])),
        rule("", "pods", json!(pods), json!(["delete"])),
        rule("networking.k8s.io", "ingresses", json!(["bellwether-chaos"]), json!(["get", "patch"])),
    ]);
    assert_eq!(the("Role")["rules"], rules);
    assert_eq!(the("Ingress")["metadata"]["name"], "bellwether-chaos");
    assert_eq!(the("RoleBinding")["roleRef"]["name"], the("Role")["metadata"]["name"]);
    let account = the("ServiceAccount")["metadata"]["name"].clone();
    assert_eq!(the("RoleBinding")["subjects"], json!([{"kind": "ServiceAccount", "name": account}]));
    assert_eq!(the("Job")["spec"]["template"]["spec"]["serviceAccountName"], account);
}

#[test]
fn the_namespace_lets_its_pod_in() {
    let job = the("Job");
    let pod = &job["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    let expected = json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
    });
    assert_eq!(pod["containers"][0]["securityContext"], expected);
}

/// The names in capitals that a script reads.
fn read_by(script: &str) -> Vec<String> {
    let names = script.split('$').skip(1).map(|rest| {
        let rest = rest.trim_start_matches('{');
        rest.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect::<String>()
    });
    names.filter(|name| name.len() > 1).collect()
}

#[test]
fn every_script_is_mounted_and_every_setting_is_read() {
    let kustomization = kustomization();
    let mut mounted: Vec<_> = kustomization["configMapGenerator"][1]["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file.as_str().unwrap().to_owned())
        .collect();
    mounted.sort();
    let files = folder().read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut scripts: Vec<_> = files.filter(|name| name.ends_with(".sh") || name.ends_with(".awk")).collect();
    scripts.sort();
    assert_eq!(mounted, scripts);

    let texts: Vec<_> = scripts.iter().map(|name| fs::read_to_string(folder().join(name)).unwrap()).collect();
    let known: Vec<_> = settings().into_iter().map(|setting| setting.0).collect();
    let own = ["RECORDS", "UNTIL", "POLL_UNTIL"];
    let read: Vec<_> = texts.iter().flat_map(|text| read_by(text)).collect();
    for name in &read {
        assert!(known.contains(name) || own.contains(&name.as_str()), "nobody sets {name}");
    }
    for name in known {
        // Some are read in an arithmetic expression, where a name has no $.
        assert!(texts.iter().any(|text| text.contains(&name)), "nobody reads {name}");
    }
}
