//! What the command line says, as plain data.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::compile::{ServiceName, Settings};
use crate::election::Timing;
use crate::guard::Thresholds;
use crate::replication::peer::TlsFiles;
use crate::rollout;
use crate::serve;
use crate::source::remote;
use crate::traces;

/// Everything that `bellwether serve` was told.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// `--id`: the replica's name, unique among the replicas.
    pub id: String,
    /// `--source`: where objects come from.
    pub source: SourceOptions,
    /// `--lease`: what the replicas elect through.
    pub lease: LeaseOptions,
    /// How the API server is reached, by the source and by the lease.
    pub api: ApiOptions,
    /// `--election-*`: a preset, with single durations of it replaced.
    pub election: Timing,
    /// `--fast-takeover`: a leader whose address refuses connections is taken for dead before its Lease expires.
    pub fast_takeover: bool,
    /// How replicas reach each other.
    pub replication: ReplicationOptions,
    /// `--state-dir`: where the last known good table is kept.
    pub state_dir: PathBuf,
    /// `-address`: where `/routes` and `/health` answer.
    pub address: SocketAddr,
    /// `-enable-mtls`: the files of TLS on `-address`; `None` for plain HTTP.
    pub tls: Option<serve::TlsFiles>,
    /// `-kubernetes-redis-service-…` and `-kubernetes-valkey-service-…`.
    pub shards: serve::Shards,
    /// `-route-server-filters`: what stands before everything on `-address` but `/health`.
    pub filters: Vec<serve::ServerFilter>,
    /// `-support-listener`: where `/metrics`, `/livez`, `/readyz` and `/status` answer; `None` where it is empty.
    pub support_listener: Option<SocketAddr>,
    /// `-source-poll-timeout`: how often the leader reads the upstream.
    pub poll_interval: Duration,
    /// `--watch`: the leader hears of changes from the API server, and reads all of it only now and then.
    pub watch: bool,
    /// `-wait-for-healthcheck-interval`: after SIGTERM, how long to go on serving before the listeners close.
    pub linger: Duration,
    /// `--drain-timeout`: after that, how long responses under way may still take.
    pub drain_timeout: Duration,
    /// `--max-bytes-under-way`: how much of tables is sent at once, in bytes.
    pub bytes_under_way: u64,
    /// `--shards`: into how many shards the table is cut; zero where there are none.
    pub table_shards: u16,
    /// `--hold`: how long a poll that is up to date waits for a change; zero is not at all.
    pub hold: Duration,
    /// `--stop-with-stdin`: stop, as on SIGTERM, when standard input ends.
    pub stop_with_stdin: bool,
    /// `--rollout…`: how far the fleet has moved over.
    pub rollout: rollout::Options,
    /// `-open-telemetry`: where traces go; `None` where there are none.
    pub traces: Option<traces::Options>,
    /// `--guard-…`: which tables are held back.
    pub guard: Thresholds,
    /// `--admin-token-file`: the token that commands from other machines must bring; `None` takes none from them.
    pub admin_token_file: Option<PathBuf>,
    /// `-kubernetes-status-from-service`: the Service whose addresses Ingresses have in their status.
    pub status_from: Option<ServiceName>,
    /// What changes the table.
    pub compile: Settings,
    /// `-default-filters-dir`: a folder of default filters, read with each poll.
    pub default_filters_dir: Option<PathBuf>,
    /// What is logged, and how.
    pub log: LogOptions,
    /// What the operator should know about the command line itself.
    pub notes: Vec<Note>,
    /// Each flag that works, with its value, for who looks into a running replica.
    pub settings: Vec<Setting>,
}

/// Everything that `bellwether compile` was told.
#[derive(Clone, Debug)]
pub struct CompileOptions {
    /// `-manifests`: a file or a folder.
    pub manifests: PathBuf,
    /// `-zone`: print this zone's table instead of the main one.
    pub zone: Option<String>,
    /// `-report`: write a report here.
    pub report: Option<PathBuf>,
    /// `-kubernetes-namespace`: only this namespace's objects; empty for all.
    pub namespace: String,
    /// `-default-filters-dir`: a folder of default filters.
    pub default_filters_dir: Option<PathBuf>,
    /// What changes the table.
    pub compile: Settings,
    /// What is logged, and how.
    pub log: LogOptions,
    /// What the operator should know about the command line itself.
    pub notes: Vec<Note>,
}

/// `--source`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceOptions {
    /// `kubernetes`: the API server.
    Kubernetes,
    /// `manifests:DIR`: a folder of manifests.
    Manifests(PathBuf),
    /// `eskip:PATH`: a file or a folder of documents of routes.
    Routes(PathBuf),
    /// `eskip+http://…` or `eskip+https://…`: the table of another route server.
    Remote {
        /// Its URL.
        address: remote::Address,
        /// `-upstream-…-file`: the files of TLS.
        files: remote::ClientFiles,
    },
}

impl SourceOptions {
    /// Whether it has routes, and no objects.
    pub const fn has_routes(&self) -> bool {
        matches!(self, Self::Routes(_) | Self::Remote { .. })
    }
}

/// `--lease`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseOptions {
    /// `kubernetes[:NAMESPACE/NAME]`: a Lease of the API server.
    Kubernetes {
        /// Its namespace; `None` for the pod's own.
        namespace: Option<String>,
        /// Its name.
        name: String,
    },
    /// `file:PATH`: a file that the replicas of one machine share.
    File(PathBuf),
}

/// How the API server is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiOptions {
    /// `-kubernetes-in-cluster`: insist on the pod's service account.
    pub in_cluster: bool,
    /// `-kubernetes-url`: the API server's address.
    pub url: Option<String>,
    /// `-kubernetes-token-file`: a bearer token, re-read while running.
    pub token_file: Option<PathBuf>,
    /// `--kubernetes-ca-file`: the authority that signed its certificate; `None` for those that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// `--kubeconfig`: for development.
    pub kubeconfig: Option<PathBuf>,
    /// `-kubernetes-namespace`: read only this namespace; empty for all.
    pub namespace: String,
}

/// How replicas reach each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicationOptions {
    /// `--replication-listener`: where followers subscribe.
    pub listener: SocketAddr,
    /// `--replication-address`: the listener as other replicas reach it; goes onto the Lease.
    pub address: String,
    /// `--peers`: the addresses of all replicas; may contain this one's.
    pub peers: Vec<String>,
    /// `--replication-tls-*`: the files of mutual TLS; `None` for plain text.
    pub tls: Option<TlsFiles>,
    /// `--replication-token-file`: the token that replicas show each other.
    pub token_file: Option<PathBuf>,
}

/// What is logged, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// `-application-log-level`.
    pub level: tracing::Level,
    /// `--log-format=json` or `-application-log-json-enabled`.
    pub json: bool,
}

/// A flag and its value, secrets left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its name, without dashes.
    pub flag: &'static str,
    /// Its value, or its default; of one that adds up all values, a line each.
    pub value: String,
    /// Whether it was given.
    pub given: bool,
}

/// Something about the command line that is no error, to be logged once the log is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whether somebody relied on something that does not happen.
    pub warning: bool,
    /// One fragment.
    pub text: String,
}

impl Note {
    /// Writes it to the log.
    pub fn log(&self) {
        if self.warning {
            tracing::warn!("{}", self.text);
        } else {
            tracing::info!("{}", self.text);
        }
    }
}
