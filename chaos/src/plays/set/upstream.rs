//! Where objects come from: a real API server, or one of ours whose answers can be made wrong.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::{StreamExt, TryStreamExt};
use serde_json::Value;

use crate::fakeapi::{Endpoint, FakeApi, Fault};
use crate::stage::cluster::{Apply, Cluster};
use crate::stage::until;

/// How many objects are written at once.
const WRITERS: usize = 16;

/// Which API server a scenario is played with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Api {
    /// etcd and kube-apiserver.
    Real,
    /// Ours: the same rules, and answers that can be made wrong.
    Fake,
}

/// A running one.
pub enum Upstream {
    /// etcd and kube-apiserver.
    Real(Box<Cluster>),
    /// One store, and a server of its own for each replica.
    Fake {
        /// What the harness itself asks; never faulty.
        store: FakeApi,
        /// Each replica's.
        servers: Vec<FakeApi>,
    },
}

impl Upstream {
    /// Ours, for so many replicas.
    ///
    /// # Errors
    ///
    /// Where it cannot listen.
    pub async fn fake(replicas: usize) -> Result<Self> {
        let store = FakeApi::start(&[]).await?;
        let mut servers = Vec::new();
        for _ in 0..replicas {
            servers.push(store.beside().await?);
        }
        Ok(Self::Fake { store, servers })
    }

    /// Where the replica `index` finds it.
    pub fn url(&self, index: usize) -> String {
        match self {
            Self::Real(cluster) => cluster.api.url(),
            Self::Fake { servers, .. } => servers[index].url(),
        }
    }

    /// Makes each of `objects` be there as it is.
    ///
    /// # Errors
    ///
    /// Where the API server refuses one.
    pub async fn put(&self, objects: &[Value]) -> Result<()> {
        match self {
            Self::Real(cluster) => {
                // Definitions and namespaces come first, and are few.
                let (first, rest): (Vec<_>, Vec<_>) =
                    objects.iter().partition(|one| one["metadata"]["namespace"].is_null());
                for object in first {
                    cluster.apply(std::slice::from_ref(object), Apply::ForGood).await?;
                }
                let applied =
                    rest.into_iter().map(|one| cluster.apply(std::slice::from_ref(one), Apply::ForGood));
                futures::stream::iter(applied).buffer_unordered(WRITERS).try_collect().await
            }
            Self::Fake { store, .. } => {
                store.put(objects);
                Ok(())
            }
        }
    }

    /// Removes each of `objects`.
    ///
    /// # Errors
    ///
    /// Where one is not there.
    pub async fn delete(&self, objects: &[Value]) -> Result<()> {
        match self {
            Self::Real(cluster) => {
                let deleted = objects.iter().map(|one| cluster.delete(one));
                futures::stream::iter(deleted).buffer_unordered(WRITERS).try_collect().await
            }
            Self::Fake { store, .. } => {
                store.delete(objects);
                Ok(())
            }
        }
    }

    /// Takes it away from everybody: whoever connects is refused.
    ///
    /// # Errors
    ///
    /// Where it survives that.
    pub async fn down(&mut self) -> Result<()> {
        match self {
            Self::Real(cluster) => cluster.api.down().await,
            Self::Fake { servers, .. } => {
                for endpoint in Endpoint::ALL {
                    servers.iter().for_each(|server| server.break_with(endpoint, Fault::Reset));
                }
                Ok(())
            }
        }
    }

    /// Brings it back, whatever was wrong with it.
    ///
    /// # Errors
    ///
    /// Where it is not ready in time.
    pub async fn up(&mut self) -> Result<()> {
        match self {
            Self::Real(cluster) => cluster.up().await,
            Self::Fake { servers, .. } => {
                servers.iter().for_each(FakeApi::heal);
                Ok(())
            }
        }
    }

    /// Brings it back where it is away or wrong.
    ///
    /// # Errors
    ///
    /// Where it is not ready in time.
    pub async fn restore(&mut self) -> Result<()> {
        if let Self::Real(cluster) = self
            && cluster.api.is_up()
        {
            return Ok(());
        }
        self.up().await
    }

    /// The server of the replica `index`, to make its answers wrong.
    ///
    /// # Errors
    ///
    /// Where the API server is a real one.
    pub fn server(&self, index: usize) -> Result<&FakeApi> {
        match self {
            Self::Real(_) => bail!("a real API server cannot be told to answer wrongly"),
            Self::Fake { servers, .. } => servers.get(index).context("each replica has a server"),
        }
    }

    /// The real one.
    ///
    /// # Errors
    ///
    /// Where it is ours.
    pub fn cluster(&mut self) -> Result<&mut Cluster> {
        match self {
            Self::Real(cluster) => Ok(cluster),
            Self::Fake { .. } => bail!("only a real API server has an etcd"),
        }
    }

    /// The servers of all replicas; none where the API server is a real one.
    pub fn servers(&self) -> &[FakeApi] {
        match self {
            Self::Real(_) => &[],
            Self::Fake { servers, .. } => servers,
        }
    }

    /// The Lease of the replicas, as it is now.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub async fn lease(&self, namespace: &str) -> Result<Value> {
        let there = || async {
            match self {
                Self::Real(cluster) => {
                    let found = cluster.get(&lease(namespace)).await.ok()?;
                    serde_json::to_value(found).ok()
                }
                Self::Fake { store, .. } => store.get(&lease(namespace)),
            }
        };
        until("the Lease", Duration::from_secs(5), Duration::from_millis(50), there).await
    }
}

/// The name of the Lease in `namespace`, as an object.
pub fn lease(namespace: &str) -> Value {
    serde_json::json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "bellwether", "namespace": namespace},
    })
}
