//! Alerts and dashboard against what is measured: three real replicas, which trust each other by the certificate that the
//! chart makes, are scraped by a real Prometheus, which answers every query; each metric and label in them is there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bellwether::eskip::query_escape;
use k8s_openapi::ByteString;
use serde_json::{Value, json};

use super::{chart, queries, rules};
use crate::ground::Ground;
use crate::history::History;
use crate::http::Call;
use crate::process::Process;
use crate::stage::fleet::Fleet;
use crate::stage::{Folder, program, until};

/// Objects at first, and after the fall that the guard holds.
const OBJECTS: (usize, usize) = (30, 5);

/// What the dashboard's variables stand for here.
const VARIABLES: [(&str, &str); 4] =
    [("$namespace", "bellwether"), ("$job", "bellwether"), ("$__rate_interval", "15s"), ("$__range", "1m")];

/// Labels that Prometheus and the ServiceMonitor add.
const ADDED: [&str; 3] = ["namespace", "job", "instance"];

/// Checks everything.
pub(super) async fn check(binary: Option<PathBuf>, folder: &Folder) -> Result<()> {
    let (dashboard, alerts) = (dashboard()?, rules::rules()?);
    let Some(prometheus) = rules::tool("prometheus") else {
        super::left_out("what replicas measure", "prometheus");
        return Ok(());
    };
    let binary = program::bellwether(binary).await?;
    let ground = Ground::loopback();
    let mut fleet = replicas(&ground, &binary, folder).await?;
    fleet.start()?;
    fleet.ready(Duration::from_secs(60)).await?;
    fleet.settled(Duration::from_secs(60)).await?;
    super::said("three replicas trust each other by the certificate that the chart makes");

    let polled = Call::get(fleet.replicas[0].serve(), "/routes").send().await;
    polled.map_err(|failure| anyhow::anyhow!("/routes: {}", failure.cause))?;
    write_objects(&folder.sub("objects")?, OBJECTS.1)?;
    let leader = fleet.leader(Duration::from_secs(10)).await?;
    let held = async || {
        fleet.replicas[leader].metric("bellwether_guard_held ").await.ok().filter(|held| *held == 1.0)
    };
    until("the guard to hold a table", Duration::from_secs(30), Duration::from_millis(100), held).await?;
    for replica in &fleet.replicas {
        each_family_once(replica.support()).await?;
    }

    let at = ground.place("prometheus")?.socket(9090)?;
    let mut server = start(&prometheus, at, &fleet, folder)?;
    let scraped = async || {
        ensure!(server.exited().is_none(), "prometheus has ended: {}", server.tail(5));
        ask(at, "min(count_over_time(bellwether_build_info[1m])) >= 8").await
    };
    scraped_enough(scraped).await?;
    for (panel, query, legend) in &dashboard {
        let answer = ask(at, query).await.with_context(|| format!("panel {panel:?}"))?;
        ensure!(!answer.is_empty(), "panel {panel:?} shows nothing: {query}");
        names_are_measured(at, query, legend).await.with_context(|| format!("panel {panel:?}"))?;
    }
    for rule in &alerts {
        ask(at, &rule.query).await.with_context(|| rule.name.clone())?;
        names_are_measured(at, &rule.query, "").await.with_context(|| rule.name.clone())?;
    }
    super::said(&format!(
        "Prometheus answers {} queries of the dashboard, and knows what {} alerts name",
        dashboard.len(),
        alerts.len()
    ));
    Ok(())
}

/// Panel, query and legend of everything that the dashboard shows.
fn dashboard() -> Result<Vec<(String, String, String)>> {
    let text = std::fs::read_to_string(super::root().join("chart/files/dashboard.json"))
        .context("read the dashboard")?;
    let dashboard: Value = serde_json::from_str(&text).context("dashboard.json")?;
    let panels = dashboard["panels"].as_array().context("the dashboard has no panels")?;
    let mut all = Vec::new();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let title = panel["title"].as_str().context("a panel without a title")?;
        ensure!(
            panel["description"].as_str().is_some_and(|text| !text.is_empty()),
            "{title} explains nothing"
        );
        for target in panel["targets"].as_array().into_iter().flatten() {
            let mut query = target["expr"].as_str().context("a target without a query")?.to_owned();
            for (name, value) in VARIABLES {
                query = query.replace(name, value);
            }
            ensure!(!query.contains('$'), "{title} has a variable that is not known here: {query}");
            all.push((
                title.to_owned(),
                query,
                target["legendFormat"].as_str().unwrap_or_default().to_owned(),
            ));
        }
    }
    ensure!(!all.is_empty(), "the dashboard shows nothing");
    Ok(all)
}

/// Three of them, before a folder of manifests and a lease file.
async fn replicas(ground: &Ground, binary: &Path, folder: &Folder) -> Result<Fleet> {
    let objects = folder.sub("objects")?;
    write_objects(&objects, OBJECTS.0)?;
    let keys = folder.sub("keys")?;
    let rendered = chart::render(&json!({}), folder).await?;
    let secret = rendered.iter().find(|one| one.template == "certificates.yaml");
    let secret = secret.context("the chart makes no certificates")?.objects()?.remove(0);
    for name in ["ca.crt", "tls.crt", "tls.key"] {
        let ByteString(bytes) =
            serde_json::from_value(secret["data"][name].clone()).context("a Secret's data")?;
        std::fs::write(keys.join(name), bytes).with_context(|| format!("write {name}"))?;
    }
    let key = |name: &str| keys.join(name).display().to_string();
    let flags = [
        format!("--source=manifests:{}", objects.display()),
        format!("--lease=file:{}", folder.path().join("lease").display()),
        "-source-poll-timeout=500".to_owned(),
        // What is held stays so.
        "--guard-equal-polls=1000000".to_owned(),
        format!("--replication-tls-cert={}", key("tls.crt")),
        format!("--replication-tls-key={}", key("tls.key")),
        format!("--replication-tls-ca={}", key("ca.crt")),
        "--replication-tls-shared-name=bellwether".to_owned(),
        // Compared with themselves: what is measured of that is there, and all is equal.
        "--rollout=pre".to_owned(),
    ];
    let mut fleet = program::bellwethers(ground, binary, 3, &flags, folder, &History::default())?;
    let own = format!("--rollout-compare=http://{}/routes", fleet.replicas[0].serve());
    for replica in &mut fleet.replicas {
        replica.relaunch(|launch| launch.args.push(own.clone()));
    }
    Ok(fleet)
}

fn write_objects(folder: &Path, count: usize) -> Result<()> {
    let one = |n: usize| {
        json!({
            "apiVersion": "zalando.org/v1", "kind": "RouteGroup",
            "metadata": {"name": format!("g{n}"), "namespace": "default"},
            "spec": {
                "hosts": [format!("g{n}.test")], "backends": [{"name": "shunt", "type": "shunt"}],
                "defaultBackends": [{"backendName": "shunt"}], "routes": [{"path": "/"}],
            },
        })
    };
    let text: String = (0..count).map(|n| format!("---\n{}\n", one(n))).collect();
    let half = folder.join("objects.new");
    std::fs::write(&half, text)
        .and_then(|()| std::fs::rename(&half, folder.join("objects.yaml")))
        .context("write objects")
}

/// Prometheus keeps one of two samples of a name and drops the other.
async fn each_family_once(support: SocketAddr) -> Result<()> {
    let sent = Call::get(support, "/metrics").send().await;
    let (_, reply) = sent.map_err(|failure| anyhow::anyhow!("/metrics: {}", failure.cause))?;
    let mut seen = BTreeSet::new();
    for line in String::from_utf8_lossy(&reply.body).lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().unwrap_or_default().to_owned();
        ensure!(seen.insert(name), "two metrics have one name: {line}");
    }
    ensure!(!seen.is_empty(), "/metrics names no types");
    Ok(())
}

fn start(program: &Path, at: SocketAddr, fleet: &Fleet, folder: &Folder) -> Result<Process> {
    let home = folder.sub("prometheus")?;
    let targets: Vec<_> = fleet.replicas.iter().map(|replica| replica.support().to_string()).collect();
    let config = json!({
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [{"job_name": "bellwether", "static_configs": [{
            "targets": targets, "labels": {"namespace": "bellwether"},
        }]}],
    });
    let file = home.join("prometheus.yml");
    std::fs::write(&file, config.to_string()).context("write Prometheus' configuration")?;
    let mut command = tokio::process::Command::new(program);
    command.arg(format!("--config.file={}", file.display()));
    command.arg(format!("--storage.tsdb.path={}", home.join("data").display()));
    command.arg(format!("--web.listen-address={at}"));
    Process::spawn("prometheus", command, &folder.sub("logs")?)
}

/// Waits until there is something to take rates of.
async fn scraped_enough(mut ask: impl AsyncFnMut() -> Result<Vec<Value>>) -> Result<()> {
    let mut last = String::new();
    let some = async || match ask().await {
        Ok(answer) if answer.is_empty() => None,
        Ok(_) => Some(()),
        Err(error) => {
            last = format!("{error:#}");
            None
        }
    };
    let waited =
        until("Prometheus to scrape", Duration::from_secs(90), Duration::from_millis(500), some).await;
    waited.with_context(|| format!("the last answer: {last}"))
}

/// What Prometheus answers to a query.
async fn ask(at: SocketAddr, query: &str) -> Result<Vec<Value>> {
    let data = api(at, &format!("/api/v1/query?query={}", query_escape(query)))
        .await
        .with_context(|| query.to_owned())?;
    Ok(data["result"].as_array().cloned().unwrap_or_default())
}

async fn api(at: SocketAddr, path: &str) -> Result<Value> {
    let sent = Call::get(at, path).send().await;
    let (_, reply) = sent.map_err(|failure| anyhow::anyhow!("prometheus: {}", failure.cause))?;
    let mut answer: Value = serde_json::from_slice(&reply.body).context("Prometheus' answer")?;
    if answer["status"] != "success" {
        bail!("{}", answer["error"]);
    }
    Ok(answer["data"].take())
}

/// That every metric that `query` names has series, with the labels that `query` and `legend` name.
async fn names_are_measured(at: SocketAddr, query: &str, legend: &str) -> Result<()> {
    let named = queries::named(query);
    ensure!(!named.metrics.is_empty(), "{query} names no metric");
    let mut labels_of = BTreeMap::new();
    for (metric, labels) in &named.metrics {
        let series = api(at, &format!("/api/v1/series?match[]={}", query_escape(metric))).await?;
        let first = series.as_array().and_then(|all| all.first());
        let known = first.and_then(Value::as_object).with_context(|| format!("nobody measures {metric}"))?;
        let missing = labels.iter().find(|label| !known.contains_key(*label));
        ensure!(missing.is_none(), "{metric} has no label {}", missing.map_or("", String::as_str));
        labels_of.insert(metric, known.clone());
    }
    let somewhere =
        |label: &str| ADDED.contains(&label) || labels_of.values().any(|known| known.contains_key(label));
    let of_legend =
        legend.split("{{").skip(1).filter_map(|rest| rest.split_once("}}")).map(|(label, _)| label.trim());
    for label in named.labels.iter().map(String::as_str).chain(of_legend) {
        ensure!(somewhere(label), "no metric of {query} has the label {label}");
    }
    Ok(())
}
