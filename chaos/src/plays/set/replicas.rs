//! The replicas of a set: each with a way of its own to the API server and to the others, which can be broken.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{self, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::path::Path;
use super::upstream::Upstream;
use super::{Server, Sizes};
use crate::ground::{Ground, Place};
use crate::history::History;
use crate::peers;
use crate::stage::apiserver::ADMIN_TOKEN;
use crate::stage::badges::Badges;
use crate::stage::cluster::{Apply, Cluster};
use crate::stage::fleet::Fleet;
use crate::stage::replica::{Launch, Replica};
use crate::stage::{Folder, manifests};

/// What Bellwether and routesrv are told alike.
const FLAGS: [&str; 2] = ["-enable-kubernetes-endpointslices", "-enable-kubernetes-external-names"];

/// Where the Lease is with our own API server, which knows of no namespaces.
const NOWHERE: &str = "default";

/// The replicas, and what leads to and from them.
pub struct Replicas {
    pub fleet: Fleet,
    /// Where each runs.
    pub places: Vec<Place>,
    /// Each replica's way to the API server.
    pub to_api: Vec<Path>,
    /// The others' way to each replica, where it is a link.
    pub to_replica: Vec<Path>,
    /// The namespace of the Lease.
    pub namespace: String,
    /// What they prove to each other with; none on loopback, where nobody needs to.
    pub badges: Option<Badges>,
}

/// What they are made for.
pub struct Wanted<'a> {
    pub server: Server,
    pub binary: Option<&'a path::Path>,
    pub upstream: &'a Upstream,
    pub sizes: &'a Sizes,
    pub ground: &'a Ground,
    pub folder: &'a Folder,
    pub history: &'a History,
    /// The environment of Bellwether, beside what is the same for all.
    pub env: &'a BTreeMap<String, String>,
}

/// Makes them; none is started yet.
pub async fn make(wanted: &Wanted<'_>) -> Result<Replicas> {
    let name = match wanted.server {
        Server::Bellwether => "r",
        Server::Routesrv => "routesrv",
    };
    let (mut places, mut to_api) = (Vec::new(), Vec::new());
    for index in 0..wanted.sizes.replicas {
        let place = wanted.ground.place(&format!("{name}{index}"))?;
        let api = address(&wanted.upstream.url(index))?;
        to_api.push(Path::start(wanted.ground, &place, api).await?);
        places.push(place);
    }
    match wanted.server {
        Server::Bellwether => bellwethers(wanted, places, to_api).await,
        Server::Routesrv => routesrvs(wanted, places, to_api),
    }
}

async fn bellwethers(wanted: &Wanted<'_>, places: Vec<Place>, to_api: Vec<Path>) -> Result<Replicas> {
    let Wanted { upstream, sizes, folder, history, .. } = wanted;
    let binary = wanted.binary.context("the binary of Bellwether is built before")?;
    let (namespace, kubeconfig) = match upstream {
        Upstream::Real(cluster) => {
            let (namespace, kubeconfig) = account(cluster).await?;
            (namespace, Some((kubeconfig, cluster.api.url())))
        }
        Upstream::Fake { .. } => (NOWHERE.to_owned(), None),
    };
    let (mut listeners, mut to_replica) = (Vec::new(), Vec::new());
    for place in &places {
        let listener = place.socket(9912)?;
        to_replica.push(Path::start(wanted.ground, place, listener).await?);
        listeners.push(listener);
    }
    let peers: Vec<_> = to_replica.iter().map(|path| path.address().to_string()).collect();
    let names = places.iter().map(|place| place.name().to_owned()).collect();
    let badges = match wanted.ground.has_places() {
        true => Some(Badges::make(&folder.sub("badges")?, names)?),
        false => None,
    };
    let mut replicas = Vec::new();
    for (index, place) in places.iter().enumerate() {
        let (name, api) = (place.name(), to_api[index].address());
        let mut args = common(sizes);
        args.insert(0, "serve".to_owned());
        args.extend([
            "--source=kubernetes".to_owned(),
            format!("--lease=kubernetes:{namespace}/bellwether"),
            format!("--id={name}"),
            format!("--state-dir={}", folder.sub(name)?.display()),
            format!("--replication-listener={}", listeners[index]),
            format!("--replication-address={}", peers[index]),
            format!("--peers={}", peers.join(",")),
            "--log-format=json".to_owned(),
        ]);
        if let Some(badges) = &badges {
            args.extend(badges.flags(name));
        }
        args.push(match &kubeconfig {
            Some((kubeconfig, url)) => {
                format!("--kubeconfig={}", through(kubeconfig, url, api, name)?.display())
            }
            None => format!("-kubernetes-url=http://{api}"),
        });
        let mut env = wanted.env.clone();
        // As the pod's own fields say it: a container that is started again is the same replica.
        env.insert("POD_UID".to_owned(), format!("pod-of-{name}"));
        replicas.push(replica(place, binary.to_owned(), args, env, "/readyz", folder, history)?);
    }
    Ok(Replicas { fleet: Fleet { replicas }, places, to_api, to_replica, namespace, badges })
}

fn routesrvs(wanted: &Wanted<'_>, places: Vec<Place>, to_api: Vec<Path>) -> Result<Replicas> {
    let Wanted { upstream, sizes, folder, history, .. } = wanted;
    let mut replicas = Vec::new();
    for (place, path) in places.iter().zip(&to_api) {
        let (mut args, mut env) = (common(sizes), BTreeMap::new());
        args.push("-kubernetes".to_owned());
        match upstream {
            Upstream::Real(cluster) => {
                let token = folder.path().join("admin.token");
                std::fs::write(&token, ADMIN_TOKEN).context("write the admin's token")?;
                args.push(format!("-kubernetes-url=https://{}", path.address()));
                args.push(format!("-kubernetes-token-file={}", token.display()));
                // Outside a cluster it trusts what the system trusts; this is how Go is told otherwise.
                env.insert("SSL_CERT_FILE".to_owned(), cluster.api.ca().display().to_string());
            }
            Upstream::Fake { .. } => args.push(format!("-kubernetes-url=http://{}", path.address())),
        }
        replicas.push(replica(place, peers::ROUTESRV.binary()?, args, env, "/health", folder, history)?);
    }
    let fleet = Fleet { replicas };
    Ok(Replicas {
        fleet,
        places,
        to_api,
        to_replica: Vec::new(),
        namespace: NOWHERE.to_owned(),
        badges: None,
    })
}

fn common(sizes: &Sizes) -> Vec<String> {
    let mut args = FLAGS.map(str::to_owned).to_vec();
    args.push(format!("-source-poll-timeout={}", sizes.poll.as_millis()));
    args.push(format!("-wait-for-healthcheck-interval={}s", sizes.drain.as_secs()));
    args
}

fn replica(
    place: &Place,
    binary: PathBuf,
    mut args: Vec<String>,
    env: BTreeMap<String, String>,
    health: &'static str,
    folder: &Folder,
    history: &History,
) -> Result<Replica> {
    let (serve, support) = (place.socket(9090)?, place.socket(9911)?);
    args.extend([format!("-address={serve}"), format!("-support-listener={support}")]);
    let ready = (if health == "/readyz" { support } else { serve }, health);
    let (place, name) = (place.clone(), place.name().to_owned());
    let launch = Launch { name, place, binary, args, env, serve, support, ready };
    Ok(Replica::new(launch, folder.sub("logs")?, history.clone()))
}

/// Applies what `deploy/` grants, and gives the namespace and the kubeconfig of the account that has it.
async fn account(cluster: &Cluster) -> Result<(String, PathBuf)> {
    let deploy = manifests::deployed("base")?;
    let kind = |document: &Value| document["kind"].as_str().unwrap_or_default().to_owned();
    let granting = |one: &&Value| {
        let kind = kind(one);
        kind == "Namespace"
            || kind == "ServiceAccount"
            || kind.ends_with("Role")
            || kind.ends_with("RoleBinding")
    };
    let mut rights: Vec<_> = deploy.iter().filter(granting).cloned().collect();
    rights.sort_by_key(|one| kind(one) != "Namespace");
    cluster.apply(&rights, Apply::ForGood).await?;
    let account = rights.iter().find(|one| kind(one) == "ServiceAccount");
    let account = &account.context("deploy/ has no ServiceAccount")?["metadata"];
    let name = account["name"].as_str().context("the ServiceAccount has no name")?;
    let namespace = account["namespace"].as_str().unwrap_or("default").to_owned();
    let kubeconfig = cluster.kubeconfig_of(&namespace, name).await?;
    Ok((namespace, kubeconfig))
}

/// The kubeconfig with the link's address in place of the API server's.
fn through(kubeconfig: &path::Path, url: &str, link: SocketAddr, name: &str) -> Result<PathBuf> {
    let text =
        std::fs::read_to_string(kubeconfig).with_context(|| format!("read {}", kubeconfig.display()))?;
    let path = kubeconfig.with_file_name(format!("{name}.kubeconfig"));
    std::fs::write(&path, text.replace(url, &format!("https://{link}")))
        .with_context(|| format!("write {}", path.display()))?;
    Ok(path)
}

/// The address in a URL that has nothing but one.
fn address(url: &str) -> Result<SocketAddr> {
    let (_, address) = url.split_once("://").context("a URL has a scheme")?;
    address.parse().with_context(|| format!("the address in {url}"))
}
