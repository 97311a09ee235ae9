//! etcd and API server together, with an administrator's hands: apply, delete, tokens.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Event, ServiceAccount};
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::discovery::{Scope, pinned_kind};
use serde_json::Value;

use crate::ground::Ground;
use crate::stage::apiserver::{ADMIN_TOKEN, ApiServer};
use crate::stage::etcd::Etcd;
use crate::stage::{Folder, manifests, until};

/// How an object is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Apply {
    /// For good.
    ForGood,
    /// A server-side dry run: validated and admitted, not stored. Fields that it does not know are an error.
    DryRun,
}

/// A Kubernetes API with nothing behind it: no controllers, no nodes.
pub struct Cluster {
    /// The API server, to be taken down and up.
    pub api: ApiServer,
    client: kube::Client,
    etcd: Etcd,
}

impl Cluster {
    /// Starts it, in the places `etcd` and `api`, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// Where etcd or the API server do not start.
    pub async fn start(ground: &Ground, folder: &Folder) -> Result<Self> {
        let etcd = Etcd::start(&ground.place("etcd")?, folder)?;
        let mut api = ApiServer::new(&ground.place("api")?, folder, etcd.url())?;
        let kubeconfig = api.kubeconfig("admin", ADMIN_TOKEN)?;
        let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        let client = kube::Client::try_from(config)?;
        api.up(&client).await?;
        Ok(Self { api, client, etcd })
    }

    /// An administrator's client.
    pub fn client(&self) -> kube::Client {
        self.client.clone()
    }

    /// Takes the API server up again after [`ApiServer::down`].
    ///
    /// # Errors
    ///
    /// Where it is not ready in time.
    pub async fn up(&mut self) -> Result<()> {
        self.api.up(&self.client).await
    }

    /// What etcd holds now, in a folder of that name: for [`Cluster::restore`].
    ///
    /// # Errors
    ///
    /// Where it cannot be copied.
    pub fn back_up(&mut self, folder: &Folder, name: &str) -> Result<PathBuf> {
        let backup = folder.sub(name)?;
        self.etcd.back_up(&backup)?;
        Ok(backup)
    }

    /// Writes so often to etcd, past the API server: resource versions grow as those of a large cluster do.
    ///
    /// # Errors
    ///
    /// Where etcd does not answer.
    pub async fn write_elsewhere(&self, times: u32) -> Result<()> {
        self.etcd.write(times).await
    }

    /// Stops both, and starts them again on what `backup` holds. Resource versions, objects and Leases go back.
    ///
    /// # Errors
    ///
    /// Where one of them does not end or start.
    pub async fn restore(&mut self, backup: &Path) -> Result<()> {
        self.api.down().await?;
        self.etcd.restore(backup).await?;
        self.up().await
    }

    /// Server-side apply of every document, in order. A kind whose definition was applied a moment ago is waited
    /// for.
    ///
    /// # Errors
    ///
    /// Where the API server refuses one; the message names it.
    pub async fn apply(&self, documents: &[Value], how: Apply) -> Result<()> {
        apply(&self.client, documents, how).await
    }

    /// Deletes the object that `document` names.
    ///
    /// # Errors
    ///
    /// Where it is not there or must not be deleted.
    pub async fn delete(&self, document: &Value) -> Result<()> {
        let name = text(document, "/metadata/name");
        let deleted = api_of(&self.client, document).await?.delete(&name, &Default::default()).await;
        deleted.map(drop).with_context(|| format!("delete {} {name}", text(document, "/kind")))
    }

    /// The object that `document` names, as it is now.
    ///
    /// # Errors
    ///
    /// Where it is not there.
    pub async fn get(&self, document: &Value) -> Result<DynamicObject> {
        let name = text(document, "/metadata/name");
        let object = api_of(&self.client, document).await?.get(&name).await;
        object.with_context(|| format!("get {} {name}", text(document, "/kind")))
    }

    /// The Events about objects of that name, as `kubectl describe` asks for them.
    ///
    /// # Errors
    ///
    /// Where they cannot be read.
    pub async fn events_about(&self, namespace: &str, name: &str) -> Result<Vec<Event>> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let about = ListParams::default().fields(&format!("involvedObject.name={name}"));
        let list = events.list(&about).await.with_context(|| format!("events about {namespace}/{name}"))?;
        Ok(list.items)
    }

    /// The kubeconfig of a ServiceAccount, with a token from the TokenRequest API.
    ///
    /// # Errors
    ///
    /// Where there is no such account.
    pub async fn kubeconfig_of(&self, namespace: &str, account: &str) -> Result<PathBuf> {
        let request = TokenRequest {
            spec: TokenRequestSpec { expiration_seconds: Some(86_400), ..Default::default() },
            ..Default::default()
        };
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let token = accounts
            .create_token_request(account, &PostParams::default(), &request)
            .await
            .with_context(|| format!("a token for {namespace}/{account}"))?;
        let token = token.status.context("a token request that succeeded has a status")?.token;
        self.api.kubeconfig(account, &token)
    }
}

/// Server-side apply of every document, in order. A kind whose definition was applied a moment ago is waited for.
///
/// # Errors
///
/// Where the API server refuses one; the message names it.
pub async fn apply(client: &kube::Client, documents: &[Value], how: Apply) -> Result<()> {
    for document in documents {
        let what = format!("{} {}", text(document, "/kind"), text(document, "/metadata/name"));
        let api = api_of(client, document).await.with_context(|| format!("apply {what}"))?;
        let name = text(document, "/metadata/name");
        let params = PatchParams::apply("chaos").force();
        let params = match how {
            Apply::ForGood => params,
            Apply::DryRun => params.dry_run().validation_strict(),
        };
        api.patch(&name, &params, &Patch::Apply(document)).await.with_context(|| format!("apply {what}"))?;
    }
    Ok(())
}

/// Where objects like `document` live. What kinds there are is asked each time: definitions come and go.
///
/// # Errors
///
/// Where there is no such kind.
pub async fn api_of(client: &kube::Client, document: &Value) -> Result<Api<DynamicObject>> {
    let kind = manifests::kind(document)?;
    let wait = Duration::from_secs(10);
    let (resource, capabilities) = until(
        &format!("the kind {} at the API server", kind.kind),
        wait,
        Duration::from_millis(100),
        async || pinned_kind(client, &kind).await.ok(),
    )
    .await?;
    Ok(match (capabilities.scope, document.pointer("/metadata/namespace").and_then(Value::as_str)) {
        (Scope::Cluster, _) => Api::all_with(client.clone(), &resource),
        (Scope::Namespaced, namespace) => {
            Api::namespaced_with(client.clone(), namespace.unwrap_or("default"), &resource)
        }
    })
}

fn text(document: &Value, pointer: &str) -> String {
    document.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}
