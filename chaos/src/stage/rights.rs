//! What a replica may do: exactly what `deploy/` grants.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::stage::cluster::{Apply, Cluster};
use crate::stage::manifests;

/// The account of the replicas.
pub struct Account {
    /// Its namespace, where the Lease is too.
    pub namespace: String,
    /// How the API is reached as this account.
    pub kubeconfig: PathBuf,
    /// How many objects of `deploy/` the API server would take.
    pub deployed: usize,
    /// How many of them grant rights, and were applied.
    pub granted: usize,
}

/// Applies what these parts of `deploy/manifests` grant, and has the API server look at the rest of them.
///
/// # Errors
///
/// Where the API server refuses one of them.
pub async fn grant(cluster: &Cluster, parts: &[&str]) -> Result<Account> {
    let mut deploy = Vec::new();
    for part in parts {
        deploy.extend(manifests::deployed(part)?);
    }
    let kind = |document: &Value| document["kind"].as_str().unwrap_or_default().to_owned();
    let (namespaces, deploy): (Vec<_>, Vec<_>) = deploy.into_iter().partition(|one| kind(one) == "Namespace");
    cluster.apply(&namespaces, Apply::ForGood).await?;
    cluster.apply(&deploy, Apply::DryRun).await?;
    let granting = |one: &&Value| {
        kind(one).ends_with("Role") || kind(one).ends_with("RoleBinding") || kind(one) == "ServiceAccount"
    };
    let rights: Vec<Value> = deploy.iter().filter(granting).cloned().collect();
    cluster.apply(&rights, Apply::ForGood).await?;
    let account =
        rights.iter().find(|one| kind(one) == "ServiceAccount").context("deploy/ has no ServiceAccount")?;
    let name = account["metadata"]["name"].as_str().context("the ServiceAccount has no name")?;
    let namespace = account["metadata"]["namespace"].as_str().unwrap_or("default").to_owned();
    let kubeconfig = cluster.kubeconfig_of(&namespace, name).await?;
    Ok(Account { namespace, kubeconfig, deployed: deploy.len(), granted: rights.len() })
}
