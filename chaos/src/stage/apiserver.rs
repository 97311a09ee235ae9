//! A real kube-apiserver with RBAC, which can go down and come back.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::ground::Place;
use crate::peers;
use crate::process::Process;
use crate::stage::pki::Pki;
use crate::stage::{Folder, until};

/// The one static token; its user is in `system:masters`.
pub const ADMIN_TOKEN: &str = "chaos-admin";

/// From start to `/readyz`: some 5 s on an idle machine, several times that on a busy one.
const START: Duration = Duration::from_secs(120);

/// The API server; down until [`ApiServer::up`].
pub struct ApiServer {
    place: Place,
    address: SocketAddr,
    pki: Pki,
    etcd: String,
    folder: PathBuf,
    logs: PathBuf,
    process: Option<Process>,
}

impl ApiServer {
    /// One in `place` that keeps its objects in the etcd at the URL `etcd`. Not started.
    ///
    /// # Errors
    ///
    /// Where its keys cannot be written.
    pub fn new(place: &Place, folder: &Folder, etcd: String) -> Result<Self> {
        let (home, logs) = (folder.sub("apiserver")?, folder.sub("logs")?);
        let pki = Pki::make(&home, place.address())?;
        let tokens = format!("{ADMIN_TOKEN},admin,admin,\"system:masters\"\n");
        std::fs::write(home.join("tokens.csv"), tokens).context("write the admin's token")?;
        let address = place.socket(6443)?;
        Ok(Self { place: place.clone(), address, pki, etcd, folder: home, logs, process: None })
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The kubeconfig of whoever has `token`, written to `NAME.kubeconfig`.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub fn kubeconfig(&self, name: &str, token: &str) -> Result<PathBuf> {
        let path = self.folder.join(format!("{name}.kubeconfig"));
        let text = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "chaos",
            "clusters": [{"name": "chaos", "cluster": {
                "server": self.url(), "certificate-authority": self.pki.ca,
            }}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": "chaos", "context": {"cluster": "chaos", "user": name}}],
        });
        std::fs::write(&path, text.to_string()).with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }

    /// Where it runs.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The CA that its certificate is signed by.
    pub fn ca(&self) -> &std::path::Path {
        &self.pki.ca
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    ///
    /// Where it is not built, ends, or is not ready in time; with the end of its log.
    pub async fn up(&mut self, client: &kube::Client) -> Result<()> {
        let mut process = Process::spawn("kube-apiserver", self.command()?, &self.logs)?;
        let ready = until("the API server's /readyz", START, Duration::from_millis(100), async || {
            if let Some(status) = process.exited() {
                return Some(Err(anyhow::anyhow!("the API server ended: {status}")));
            }
            let request = http::Request::get("/readyz").body(Vec::new()).ok()?;
            client.request_text(request).await.ok().map(|_| Ok(()))
        });
        ready.await.flatten().map_err(|error| process.blame(&error))?;
        self.process = Some(process);
        Ok(())
    }

    /// Whether it runs.
    pub fn is_up(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.exited().is_none())
    }

    /// Kills it: whoever connects is refused from now on.
    ///
    /// # Errors
    ///
    /// Where it survives that.
    pub async fn down(&mut self) -> Result<()> {
        match &mut self.process {
            Some(process) => process.kill().await,
            None => Ok(()),
        }
    }

    fn command(&self) -> Result<Command> {
        let mut command = self.place.command(peers::KUBE_APISERVER.binary()?);
        let file = |path: &PathBuf| path.display().to_string();
        command.args([
            format!("--etcd-servers={}", self.etcd),
            format!("--bind-address={}", self.address.ip()),
            format!("--advertise-address={}", self.address.ip()),
            format!("--secure-port={}", self.address.port()),
            format!("--tls-cert-file={}", file(&self.pki.server_cert)),
            format!("--tls-private-key-file={}", file(&self.pki.server_key)),
            format!("--token-auth-file={}", file(&self.folder.join("tokens.csv"))),
            "--authorization-mode=RBAC".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
            format!("--service-account-key-file={}", file(&self.pki.account_public)),
            format!("--service-account-signing-key-file={}", file(&self.pki.account_key)),
            "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
            // It would write the loopback address as the endpoint of the kubernetes Service, which is refused.
            "--endpoint-reconciler-type=none".to_owned(),
        ]);
        Ok(command)
    }
}
