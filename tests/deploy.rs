//! The manifests of `deploy/` fit each other, the command line that they give, and what the program does. That they are what
//! the chart renders, and that Kubernetes takes them, `chaos deploy` sees to.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use bellwether::flags::{self, LeaseOptions, Parsed, ServeOptions, SourceOptions};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Namespace, Service, ServiceAccount};
use k8s_openapi::api::flowcontrol::v1::FlowSchema;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Every document of every manifest that is applied where the fleet polls Bellwether.
fn manifests() -> Vec<Value> {
    let mut all = manifests_in("deploy/manifests/base");
    all.extend(manifests_in("deploy/manifests/exec"));
    all
}

fn manifests_in(folder: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let parse = |file: &PathBuf| {
        let text = std::fs::read_to_string(file).unwrap();
        serde_saphyr::from_multiple::<Value>(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    };
    let for_the_api = |one: &Value| one["kind"] != "Kustomization" && one["kind"] != "Component";
    files.iter().flat_map(parse).filter(for_the_api).collect()
}

fn the(kind: &str, name: &str) -> Value {
    let mut found =
        manifests().into_iter().filter(|one| one["kind"] == kind && one["metadata"]["name"] == name);
    let one = found.next().unwrap_or_else(|| panic!("there is a {kind} {name}"));
    assert!(found.next().is_none(), "one {kind} {name}");
    one
}

fn replica_set() -> Value {
    the("StatefulSet", "bellwether")
}

fn container() -> Value {
    let containers = replica_set()["spec"]["template"]["spec"]["containers"].clone();
    assert_eq!(containers.as_array().unwrap().len(), 1);
    containers[0].clone()
}

fn list<'a>(value: &'a Value, what: &str) -> &'a [Value] {
    value[what].as_array().unwrap_or_else(|| panic!("a list {what} in {value}"))
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// The arguments as the kubelet hands them to the first replica, parsed by the program.
fn options() -> ServeOptions {
    let container = container();
    let values = [
        ("POD_NAME", "metadata.name", "bellwether-0"),
        ("POD_UID", "metadata.uid", "9e3c"),
        ("POD_NAMESPACE", "metadata.namespace", "bellwether"),
        ("POD_IP", "status.podIP", "10.1.2.3"),
    ];
    let fields = list(&container, "env").iter();
    let fields: Vec<_> =
        fields.map(|one| (&one["name"], &one["valueFrom"]["fieldRef"]["fieldPath"])).collect();
    for (name, field, _) in values {
        assert!(fields.contains(&(&json!(name), &json!(field))), "{name} comes from {field}");
    }
    let expand = |text: &str| {
        values
            .iter()
            .fold(text.to_owned(), |text, (name, _, value)| text.replace(&format!("$({name})"), value))
    };
    let arguments: Vec<_> = texts(&container["args"]).into_iter().map(expand).collect();
    assert_eq!(arguments[0], "serve");
    let environment =
        |name: &str| values.iter().find(|value| value.0 == name).map(|value| value.2.to_owned());
    match flags::serve(&arguments[1..], &environment).unwrap() {
        Parsed::Run(options) => *options,
        other => panic!("it runs, not {other:?}"),
    }
}

fn port(name: &str) -> u64 {
    let container = container();
    let port = list(&container, "ports").iter().find(|port| port["name"] == name);
    port.unwrap_or_else(|| panic!("a port {name}"))["containerPort"].as_u64().unwrap()
}

#[test]
fn the_command_line_is_what_the_manifests_around_it_expect() {
    let options = options();
    assert_eq!(options.notes, [], "nothing in it is without effect");
    assert_eq!(options.source, SourceOptions::Kubernetes);
    assert!(options.api.in_cluster);
    assert_eq!(options.id, "bellwether-0");
    assert_eq!(u64::from(options.address.port()), port("routes"));
    assert_eq!(u64::from(options.support_listener.unwrap().port()), port("support"));
    assert_eq!(u64::from(options.replication.listener.port()), port("replication"));
    assert_eq!(options.replication.address, "10.1.2.3:9912");

    let container = container();
    let mounts: Vec<_> = list(&container, "volumeMounts").iter().map(|mount| &mount["mountPath"]).collect();
    let mounted = |path: &Path| mounts.iter().any(|mount| path.starts_with(mount.as_str().unwrap()));
    let tls = options.replication.tls.unwrap();
    for path in [&options.state_dir, &tls.certificate, &tls.key, &tls.authority] {
        assert!(mounted(path), "{} is on a volume", path.display());
    }
}

#[test]
fn every_replica_is_a_peer_by_its_stable_name() {
    let set = replica_set();
    let service = set["spec"]["serviceName"].as_str().unwrap();
    let headless = the("Service", service);
    assert_eq!(headless["spec"]["clusterIP"], "None");
    assert_eq!(headless["spec"]["publishNotReadyAddresses"], true);
    let replicas = set["spec"]["replicas"].as_u64().unwrap();
    let peers: Vec<_> = (0..replicas)
        .map(|n| format!("bellwether-{n}.{service}.bellwether.svc:{}", port("replication")))
        .collect();
    assert_eq!(replicas, 3);
    assert_eq!(options().replication.peers, peers);
}

#[test]
fn a_stop_ends_before_the_kubelet_loses_patience() {
    let options = options();
    let grace = replica_set()["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert_eq!(
        (options.linger, options.drain_timeout, grace),
        (Duration::from_secs(10), Duration::from_secs(15), 30)
    );
    assert!(options.linger + options.drain_timeout < Duration::from_secs(grace));
}

#[test]
fn selectors_match_the_pods() {
    let set = replica_set();
    let labels = set["spec"]["template"]["metadata"]["labels"].as_object().unwrap();
    let pod = &set["spec"]["template"]["spec"];
    let spread =
        list(pod, "topologySpreadConstraints").iter().map(|one| one["labelSelector"]["matchLabels"].clone());
    let mut selectors = vec![
        set["spec"]["selector"]["matchLabels"].clone(),
        the("PodDisruptionBudget", "bellwether")["spec"]["selector"]["matchLabels"].clone(),
    ];
    let policy = the("NetworkPolicy", "bellwether");
    selectors.push(policy["spec"]["podSelector"]["matchLabels"].clone());
    let services: Vec<_> = manifests().into_iter().filter(|one| one["kind"] == "Service").collect();
    assert_eq!(services.len(), 3);
    selectors.extend(services.iter().map(|service| service["spec"]["selector"].clone()));
    selectors.extend(spread);
    for selector in selectors {
        let selector = selector.as_object().unwrap();
        assert!(!selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value)));
    }
    for service in &services {
        for target in list(&service["spec"], "ports") {
            port(target["targetPort"].as_str().expect("ports are named"));
        }
    }
    for name in ["bellwether", "routes"] {
        let ports = the("Service", name)["spec"]["ports"].clone();
        assert_eq!(ports, json!([{"name": "routes", "port": 80, "targetPort": "routes"}]));
    }
    for rule in list(&policy["spec"], "ingress") {
        port(rule["ports"][0]["port"].as_str().expect("ports are named"));
    }
}

#[test]
fn probes_ask_the_support_listener() {
    let container = container();
    for (probe, path) in
        [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]
    {
        assert_eq!(container[probe]["httpGet"], json!({"path": path, "port": "support"}));
    }
    assert_eq!(port("support"), 9911);
}

#[test]
fn a_replica_has_no_power_over_its_node() {
    let set = replica_set();
    let pod = &set["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(pod["serviceAccountName"], the("ServiceAccount", "bellwether")["metadata"]["name"]);
    let container = container();
    assert_eq!(
        container["securityContext"],
        json!({
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        })
    );
    assert!(container["resources"]["limits"]["memory"].is_string());
    assert!(container["resources"]["limits"]["cpu"].is_null(), "throttling costs the Lease");
}

#[test]
fn volumes_are_there() {
    let set = replica_set();
    let pod = &set["spec"]["template"]["spec"];
    let names = list(pod, "volumes").iter().map(|volume| &volume["name"]);
    let claims = list(&set["spec"], "volumeClaimTemplates").iter().map(|claim| &claim["metadata"]["name"]);
    let there: Vec<_> = names.chain(claims).collect();
    for mount in list(&container(), "volumeMounts") {
        assert!(there.contains(&&mount["name"]), "{mount}");
    }
}

/// The rules of a role as `verb group/resource[/name]`, sorted.
fn rights(role: &Value) -> Vec<String> {
    let mut rights = Vec::new();
    for rule in list(role, "rules") {
        for (group, resource, verb) in texts(&rule["apiGroups"]).iter().flat_map(|group| {
            let pairs = texts(&rule["resources"]).into_iter();
            pairs.flat_map(move |resource| {
                texts(&rule["verbs"]).into_iter().map(move |verb| (*group, resource, verb))
            })
        }) {
            match rule["resourceNames"].as_array() {
                None => rights.push(format!("{verb} {group}/{resource}")),
                Some(names) => rights.extend(
                    names.iter().map(|name| format!("{verb} {group}/{resource}/{}", name.as_str().unwrap())),
                ),
            }
        }
    }
    rights.sort();
    rights
}

#[test]
fn the_rights_are_what_is_done_and_no_more() {
    let addresses =
        if options().compile.endpoint_slices { "discovery.k8s.io/endpointslices" } else { "/endpoints" };
    let mut upstream = vec!["create /events".to_owned(), "patch /events".to_owned()];
    for kind in ["/services", "networking.k8s.io/ingresses", "zalando.org/routegroups", addresses] {
        upstream.extend([format!("list {kind}"), format!("watch {kind}")]);
    }
    upstream.sort();
    assert_eq!(rights(&the("ClusterRole", "bellwether-upstream")), upstream);

    let LeaseOptions::Kubernetes { namespace, name } = options().lease else { panic!("a Lease of the API") };
    let lease = format!("coordination.k8s.io/leases/{name}");
    let mut own = vec!["create coordination.k8s.io/leases".to_owned()];
    own.extend(["get", "list", "update", "watch"].map(|verb| format!("{verb} {lease}")));
    own.sort();
    let role = the("Role", "bellwether");
    assert_eq!(rights(&role), own);
    assert_eq!(role["metadata"]["namespace"].as_str(), namespace.as_deref());
    let bindings =
        [("ClusterRoleBinding", "ClusterRole", "bellwether-upstream"), ("RoleBinding", "Role", "bellwether")];
    for (binding, kind, name) in bindings {
        let binding = the(binding, name);
        assert_eq!(binding["roleRef"]["kind"], kind);
        assert_eq!(binding["roleRef"]["name"], name);
        let account = json!([{"kind": "ServiceAccount", "name": "bellwether", "namespace": "bellwether"}]);
        assert_eq!(binding["subjects"], account);
    }
}

#[test]
fn the_status_of_ingresses_may_be_written_where_that_is_asked_for() {
    let optional = manifests_in("deploy/manifests/ingress-status");
    let [role, binding] = optional.as_slice() else { panic!("a role and its binding: {optional:?}") };
    known_to_the_api::<ClusterRole>(role);
    known_to_the_api::<ClusterRoleBinding>(binding);
    assert_eq!(rights(role), ["patch networking.k8s.io/ingresses/status"]);
    assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
    assert_eq!(binding["subjects"], the("ClusterRoleBinding", "bellwether-upstream")["subjects"]);
}

#[test]
fn renewals_of_the_lease_have_a_queue_of_their_own() {
    let schema = the("FlowSchema", "bellwether-election");
    assert_eq!(schema["spec"]["priorityLevelConfiguration"]["name"], "leader-election");
    let rule = &schema["spec"]["rules"][0];
    assert_eq!(
        rule["subjects"],
        json!([{"kind": "ServiceAccount", "serviceAccount": {"name": "bellwether", "namespace": "bellwether"}}])
    );
    let verbs = texts(&rule["resourceRules"][0]["verbs"]);
    let role = the("Role", "bellwether");
    for verb in list(&role, "rules").iter().filter(|rule| rule["resources"] == json!(["leases"])) {
        assert!(texts(&verb["verbs"]).iter().all(|verb| verbs.contains(verb)), "{verb}");
    }
}

#[test]
fn everything_is_in_one_namespace() {
    let cluster_wide = ["Namespace", "ClusterRole", "ClusterRoleBinding", "FlowSchema"];
    for one in manifests() {
        let namespaced = !cluster_wide.contains(&one["kind"].as_str().unwrap());
        let expected = if namespaced { json!("bellwether") } else { Value::Null };
        assert_eq!(one["metadata"]["namespace"], expected, "{} {}", one["kind"], one["metadata"]["name"]);
    }
    assert_eq!(
        the("Namespace", "bellwether")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"],
        "restricted"
    );
}

#[test]
fn a_drain_takes_one_replica_at_a_time() {
    let budget = the("PodDisruptionBudget", "bellwether");
    assert_eq!(budget["spec"]["maxUnavailable"], 1);
}

/// What the API's own types do not know would be dropped by it, or refused.
fn known_to_the_api<T: DeserializeOwned + Serialize>(one: &Value) {
    let typed: T = serde_json::from_value(one.clone()).unwrap_or_else(|error| panic!("{one}: {error}"));
    let back = serde_json::to_value(typed).unwrap();
    assert_eq!(without_empty(&back), without_empty(one));
}

/// Types write some empty fields that no manifest has to.
fn without_empty(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().map(|(key, value)| (key.clone(), without_empty(value)));
            kept.filter(|(_, value)| *value != json!({})).collect()
        }
        Value::Array(items) => items.iter().map(without_empty).collect(),
        other => other.clone(),
    }
}

#[test]
fn the_api_knows_every_field() {
    for one in manifests() {
        match one["kind"].as_str().unwrap() {
            "Namespace" => known_to_the_api::<Namespace>(&one),
            "ServiceAccount" => known_to_the_api::<ServiceAccount>(&one),
            "ClusterRole" => known_to_the_api::<ClusterRole>(&one),
            "ClusterRoleBinding" => known_to_the_api::<ClusterRoleBinding>(&one),
            "Role" => known_to_the_api::<Role>(&one),
            "RoleBinding" => known_to_the_api::<RoleBinding>(&one),
            "Service" => known_to_the_api::<Service>(&one),
            "StatefulSet" => known_to_the_api::<StatefulSet>(&one),
            "PodDisruptionBudget" => known_to_the_api::<PodDisruptionBudget>(&one),
            "FlowSchema" => known_to_the_api::<FlowSchema>(&one),
            "NetworkPolicy" => known_to_the_api::<NetworkPolicy>(&one),
            other => panic!("a manifest of the kind {other} is not checked yet"),
        }
    }
}

#[test]
fn the_mode_is_whom_the_fleet_polls() {
    let of = |mode: &str| {
        let services = manifests_in(&format!("deploy/manifests/{mode}"));
        let [service] = services.as_slice() else { panic!("one Service: {services:?}") };
        assert_eq!(service["metadata"]["name"], "routes");
        service["spec"]["selector"].clone()
    };
    assert_eq!(of("off"), of("pre"));
    assert_ne!(of("pre"), of("exec"));
    assert_eq!(of("exec"), the("Service", "bellwether")["spec"]["selector"]);
}
