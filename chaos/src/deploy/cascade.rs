//! A chart that reads another route server: the program understands its arguments, its files are mounted, its policy lets it out, and
//! it asks for no right but to its Lease.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use bellwether::flags::{self, Parsed, ServeOptions, SourceOptions};
use serde_json::{Value, json};

/// The case among the chart's values.
pub(super) const CASE: &str = "a cascade";

/// The upstream's port in [`values`].
const PORT: u16 = 8443;

/// Reading over TLS, as somebody.
pub(super) fn values() -> Value {
    json!({"source": {
        "from": format!("eskip+https://routes.a.example:{PORT}"),
        "ca": {"configMapName": "authority-of-a"}, "certificate": {"secretName": "who-we-are"},
    }})
}

/// Looks at what the chart renders for [`values`].
pub(super) fn check(objects: &[(&str, Value)]) -> Result<()> {
    let ours: Vec<_> = objects.iter().filter(|(case, _)| *case == CASE).map(|(_, object)| object).collect();
    rights(&ours)?;
    let policy = the(&ours, "NetworkPolicy")?;
    let mut ports = each(&policy["spec"]["egress"]).flat_map(|rule| each(&rule["ports"]));
    ensure!(
        ports.any(|one| one["port"] == PORT && one["protocol"].is_null()),
        "the NetworkPolicy does not let replicas out to port {PORT}"
    );
    let pod = &the(&ours, "StatefulSet")?["spec"]["template"]["spec"];
    let SourceOptions::Remote { address, files } = options(pod)?.source else {
        bail!("the arguments name no route server")
    };
    ensure!((address.tls, address.port) == (true, PORT), "another address: {address}");
    let (certificate, key) = files.identity.context("no certificate is shown")?;
    let authority = files.authority.context("no authority is given")?;
    let container = &pod["containers"][0];
    let mount = each(&container["volumeMounts"]).find(|one| one["name"] == "upstream");
    let folder = mount.and_then(|one| one["mountPath"].as_str()).context("nothing is mounted for TLS")?;
    let volume = each(&pod["volumes"]).find(|one| one["name"] == "upstream").context("no volume for TLS")?;
    let items = each(&volume["projected"]["sources"])
        .flat_map(|source| each(&source["secret"]["items"]).chain(each(&source["configMap"]["items"])));
    let mounted: BTreeSet<_> = items.filter_map(|item| item["path"].as_str()).collect();
    for path in [authority, certificate, key] {
        let name = path.strip_prefix(folder).ok().and_then(|name| name.to_str());
        ensure!(name.is_some_and(|name| mounted.contains(name)), "{} is not mounted", path.display());
    }
    super::said(
        "a chart that reads another route server lets itself out there, and may hold its Lease and nothing else",
    );
    Ok(())
}

fn rights(objects: &[&Value]) -> Result<()> {
    let cluster_wide = objects.iter().find(|one| one["kind"] == "ClusterRole");
    ensure!(cluster_wide.is_none(), "a right for the whole cluster: {cluster_wide:?}");
    let role = the(objects, "Role")?;
    let resources: BTreeSet<_> =
        each(&role["rules"]).flat_map(|rule| each(&rule["resources"])).filter_map(Value::as_str).collect();
    ensure!(resources == BTreeSet::from(["leases"]), "more rights than to the Lease: {resources:?}");
    Ok(())
}

/// What the program makes of the arguments.
fn options(pod: &Value) -> Result<ServeOptions> {
    let arguments = each(&pod["containers"][0]["args"]).filter_map(Value::as_str);
    let expand = |text: &str| {
        [("POD_NAME", "bellwether-0"), ("POD_NAMESPACE", "bellwether"), ("POD_IP", "10.1.2.3")]
            .iter()
            .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("$({name})"), value))
    };
    let arguments: Vec<_> = arguments.skip(1).map(expand).collect();
    match flags::serve(&arguments, &|_: &str| None).context("the arguments of the chart")? {
        Parsed::Run(options) => {
            ensure!(options.notes.is_empty(), "arguments without effect: {:?}", options.notes);
            Ok(*options)
        }
        other => bail!("the arguments run nothing: {other:?}"),
    }
}

fn the<'a>(objects: &[&'a Value], kind: &str) -> Result<&'a Value> {
    let mut found = objects.iter().filter(|one| one["kind"] == kind);
    let one = found.next().with_context(|| format!("no {kind} is rendered"))?;
    ensure!(found.next().is_none(), "more than one {kind} is rendered");
    Ok(one)
}

fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}
