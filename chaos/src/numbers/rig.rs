//! What is measured on: three replicas over a folder of manifests and a lease file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::ground::Ground;
use crate::history::History;
use crate::stage::fleet::Fleet;
use crate::stage::{Folder, manifests, program};

/// Until all replicas are current with one table. A failover lies within it, and a busy machine.
const SETTLED: Duration = Duration::from_secs(30);

/// Paths of one RouteGroup.
const PATHS: usize = 10;

/// Routes that come of it: each path has its own and one that redirects to HTTPS, and the host one for the rest.
pub(super) const ROUTES: usize = 2 * PATHS + 1;

/// The running replicas and their manifests.
pub struct Rig {
    /// The replicas.
    pub fleet: Fleet,
    manifests: PathBuf,
    generation: u64,
}

impl Rig {
    /// Starts it with a table of about `routes` routes and `more` flags, and waits until all serve it.
    ///
    /// # Errors
    ///
    /// Where the replicas do not come to one table.
    pub async fn start(binary: &Path, routes: usize, more: &[&str], folder: &Folder) -> Result<Self> {
        let manifests = folder.sub("manifests")?;
        let groups: Vec<Value> = (0..routes / ROUTES).map(group).collect();
        write(&manifests, "bulk.json", &json!({"apiVersion": "v1", "kind": "List", "items": groups}))?;
        write(&manifests, "marker.json", &manifests::marker(1))?;
        let mut flags = vec![
            format!("--source=manifests:{}", manifests.display()),
            format!("--lease=file:{}", folder.path().join("lease").display()),
            "-source-poll-timeout=100".to_owned(),
            // What a stopping leader does is measured to the announcement of the next one, not to its own end.
            "-wait-for-healthcheck-interval=1s".to_owned(),
        ];
        flags.extend(more.iter().map(|flag| (*flag).to_owned()));
        let mut fleet =
            program::bellwethers(&Ground::loopback(), binary, 3, &flags, folder, &History::default())?;
        fleet.start()?;
        fleet.ready(SETTLED).await?;
        let mut rig = Self { fleet, manifests, generation: 1 };
        rig.settled().await?;
        Ok(rig)
    }

    /// Waits until all replicas run, are current and have one digest; returns that.
    ///
    /// # Errors
    ///
    /// Where that does not come in time.
    pub async fn settled(&mut self) -> Result<String> {
        self.fleet.ready(SETTLED).await?;
        self.fleet.settled(SETTLED).await
    }

    /// Changes one manifest: the next table is a new one.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub fn change(&mut self) -> Result<()> {
        self.generation += 1;
        write(&self.manifests, "marker.json", &manifests::marker(self.generation))
    }
}

/// A RouteGroup of [`PATHS`] paths.
pub(super) fn group(number: usize) -> Value {
    let routes = (0..PATHS).map(|n| json!({"pathSubtree": format!("/{n}")}));
    json!({
        "apiVersion": "zalando.org/v1", "kind": "RouteGroup",
        "metadata": {"name": format!("bulk-{number}"), "namespace": manifests::NAMESPACE},
        "spec": {
            "hosts": [format!("bulk-{number}.test")],
            "backends": [{"name": "there", "type": "network", "address": "http://10.20.0.1:8080"}],
            "defaultBackends": [{"backendName": "there"}],
            "routes": routes.collect::<Vec<_>>(),
        },
    })
}

/// Writes a manifest in one step: a reader sees the old one or the new one.
fn write(folder: &Path, name: &str, manifest: &Value) -> Result<()> {
    let (path, new) = (folder.join(name), folder.join(format!(".{name}.new")));
    std::fs::write(&new, manifest.to_string()).with_context(|| format!("write {}", new.display()))?;
    std::fs::rename(&new, &path).with_context(|| format!("write {}", path.display()))
}
