//! From checked values to options: combinations, defaults that depend on the surroundings, addresses.

mod address;
mod filters;
mod guard;
mod rollout;
mod server_tls;
mod shards;
mod source;
mod traces;

use std::path::PathBuf;
use std::time::Duration;

use super::values::Values;
use super::{
    ApiOptions, CompileOptions, Environment, FlagError, LeaseOptions, LogOptions, Note, ReplicationOptions,
    ServeOptions, SourceOptions, kind, settings,
};
use crate::compile::ServiceName;
use crate::election::{Timing, TimingError};
use crate::replication::peer::TlsFiles;
use crate::serve::LONGEST_HOLD;
use crate::snapshot::MOST_SHARDS;

/// The options of `serve`.
pub(super) fn serve(
    values: &Values,
    environment: &dyn Environment,
    mut notes: Vec<Note>,
) -> Result<ServeOptions, FlagError> {
    let source = source::source(values)?;
    let mut compile = settings::settings(values, &mut notes)?;
    if source.has_routes() {
        source::say_without_effect(values, &mut notes);
        compile = compile.of_definitions();
    }
    let lease = lease(values)?;
    let id = values
        .non_empty("id")
        .or_else(|| environment.variable("POD_NAME"))
        .or_else(|| environment.host_name())
        .ok_or_else(|| missing("this host has no name; give the replica one with --id"))?;
    Ok(ServeOptions {
        state_dir: path(values, "state-dir").unwrap_or_else(|| default_state_dir(environment, &id)),
        election: election(values)?,
        fast_takeover: values.switch("fast-takeover"),
        replication: replication(values, environment, &lease, &mut notes)?,
        api: api(values),
        address: address::listener("address", values.text("address"))?,
        tls: server_tls::files(values, &mut notes)?,
        shards: shards::shards(values, &mut notes)?,
        filters: filters::filters(values)?,
        support_listener: values
            .non_empty("support-listener")
            .map(|text| address::listener("support-listener", &text))
            .transpose()?,
        poll_interval: poll_interval(values)?,
        watch: watch(values, &source, &mut notes),
        linger: values.duration("wait-for-healthcheck-interval")?.unwrap_or_default(),
        drain_timeout: values.duration("drain-timeout")?.unwrap_or_default(),
        bytes_under_way: bytes_under_way(values)?,
        table_shards: table_shards(values)?,
        hold: hold(values)?,
        stop_with_stdin: values.switch("stop-with-stdin"),
        rollout: rollout::options(values, &mut notes)?,
        traces: traces::options(values, &mut notes)?,
        guard: guard::thresholds(values)?,
        admin_token_file: path(values, "admin-token-file"),
        status_from: status_from(values, &source, &mut notes)?,
        compile,
        default_filters_dir: path(values, "default-filters-dir"),
        log: log(values),
        settings: values.settings(),
        id,
        source,
        lease,
        notes,
    })
}

/// The options of `compile`.
pub(super) fn compile(values: &Values, mut notes: Vec<Note>) -> Result<CompileOptions, FlagError> {
    Ok(CompileOptions {
        manifests: path(values, "manifests").ok_or_else(|| {
            missing("-manifests=PATH is missing: a file or a folder of manifests to compile")
        })?,
        zone: values.non_empty("zone"),
        report: path(values, "report"),
        namespace: values.text("kubernetes-namespace").to_owned(),
        default_filters_dir: path(values, "default-filters-dir"),
        compile: settings::settings(values, &mut notes)?,
        log: log(values),
        notes,
    })
}

fn status_from(
    values: &Values,
    source: &SourceOptions,
    notes: &mut Vec<Note>,
) -> Result<Option<ServiceName>, FlagError> {
    const NAME: &str = "kubernetes-status-from-service";
    let Some(text) = values.non_empty(NAME) else { return Ok(None) };
    let service = match text.split_once('/') {
        Some((namespace, name)) if is_label(namespace) && is_label(name) => {
            ServiceName { namespace: namespace.to_owned(), name: name.to_owned() }
        }
        _ => return Err(FlagError::value(NAME, text, "names no Service; use NAMESPACE/NAME")),
    };
    if *source != SourceOptions::Kubernetes {
        let text = format!("-{NAME} has no effect: what is no object of Kubernetes has no status");
        notes.push(Note { warning: true, text });
        return Ok(None);
    }
    Ok(Some(service))
}

fn lease(values: &Values) -> Result<LeaseOptions, FlagError> {
    let text = values.text("lease");
    let refuse = |complaint: &str| Err(FlagError::value("lease", text, complaint));
    match text.split_once(':') {
        Some(("file", "")) => refuse("names no file; use file:PATH"),
        Some(("file", path)) => Ok(LeaseOptions::File(path.into())),
        Some(("kubernetes", place)) => match place.split_once('/') {
            Some((namespace, name)) if is_label(namespace) && is_label(name) => {
                Ok(LeaseOptions::Kubernetes { namespace: Some(namespace.to_owned()), name: name.to_owned() })
            }
            _ => refuse("names no Lease; use kubernetes:NAMESPACE/NAME"),
        },
        None if text == "kubernetes" => {
            Ok(LeaseOptions::Kubernetes { namespace: None, name: "bellwether".to_owned() })
        }
        _ => refuse("is no lease; use kubernetes, kubernetes:NAMESPACE/NAME or file:PATH"),
    }
}

/// A name that Kubernetes takes for a namespace or a Lease (RFC 1123 subdomain).
fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=253).contains(&text.len())
        && text.bytes().all(|byte| inner(byte) || byte == b'-' || byte == b'.')
        && text.bytes().next().is_some_and(inner)
        && text.bytes().last().is_some_and(inner)
}

/// The preset, with the durations that were given in place of its own.
fn election(values: &Values) -> Result<Timing, FlagError> {
    let refuse = |error: TimingError| FlagError::Combination(format!("--election-*: {error}"));
    let preset: Timing = values.text("election-preset").parse().map_err(refuse)?;
    let or = |name, preset| Ok(values.duration(name)?.unwrap_or(preset));
    Timing::new(
        or("election-lease-duration", preset.lease())?,
        or("election-validity", preset.valid())?,
        or("election-renew-interval", preset.renew())?,
        or("election-attempt-timeout", preset.attempt())?,
    )
    .map_err(refuse)
}

fn replication(
    values: &Values,
    environment: &dyn Environment,
    lease: &LeaseOptions,
    notes: &mut Vec<Note>,
) -> Result<ReplicationOptions, FlagError> {
    // A lease file means one machine, so nothing needs to listen beyond it.
    let default = if matches!(lease, LeaseOptions::File(_)) { "127.0.0.1:9912" } else { ":9912" };
    let text = values.non_empty("replication-listener").unwrap_or_else(|| default.to_owned());
    let listener = address::listener("replication-listener", &text)?;
    let (tls, token_file) = (tls(values)?, path(values, "replication-token-file"));
    if tls.is_none() && !listener.ip().is_loopback() && !values.switch("replication-plaintext") {
        if token_file.is_none() {
            return Err(missing(
                "replicas speak over the network: give --replication-tls-cert, --replication-tls-key and \
                 --replication-tls-ca, or a --replication-token-file, or trust everybody with --replication-plaintext",
            ));
        }
        let text = "replicas speak in plain text: whoever can listen in on them learns the token of \
                    --replication-token-file"
            .to_owned();
        notes.push(Note { warning: true, text });
    }
    let advertised = match values.non_empty("replication-address") {
        Some(text) => address::reachable("replication-address", text)?,
        None => address::advertised(listener, environment),
    };
    let peers = values.list("peers").into_iter().map(|peer| address::reachable("peers", peer));
    let peers = peers.collect::<Result<_, _>>()?;
    Ok(ReplicationOptions { listener, address: advertised, peers, tls, token_file })
}

fn tls(values: &Values) -> Result<Option<TlsFiles>, FlagError> {
    let files =
        ["replication-tls-cert", "replication-tls-key", "replication-tls-ca"].map(|name| path(values, name));
    let shared_name = values.non_empty("replication-tls-shared-name");
    match files {
        [Some(certificate), Some(key), Some(authority)] => {
            Ok(Some(TlsFiles { certificate, key, authority, shared_name }))
        }
        [None, None, None] if shared_name.is_none() => Ok(None),
        _ => Err(missing(
            "--replication-tls-cert, --replication-tls-key and --replication-tls-ca go together, and \
             --replication-tls-shared-name with them",
        )),
    }
}

fn api(values: &Values) -> ApiOptions {
    ApiOptions {
        in_cluster: values.switch("kubernetes-in-cluster"),
        url: values.non_empty("kubernetes-url"),
        token_file: path(values, "kubernetes-token-file"),
        ca_file: path(values, "kubernetes-ca-file"),
        kubeconfig: path(values, "kubeconfig"),
        namespace: values.text("kubernetes-namespace").to_owned(),
    }
}

fn poll_interval(values: &Values) -> Result<Duration, FlagError> {
    const NAME: &str = "source-poll-timeout";
    match u64::try_from(values.integer(NAME)) {
        Ok(millis @ 10..=3_600_000) => Ok(Duration::from_millis(millis)),
        _ => Err(FlagError::value(NAME, values.text(NAME), "is not within 10 and 3600000 milliseconds")),
    }
}

fn watch(values: &Values, source: &SourceOptions, notes: &mut Vec<Note>) -> bool {
    let wanted = values.switch("watch");
    if wanted && *source != SourceOptions::Kubernetes {
        let text =
            "--watch has no effect without Kubernetes: all else is looked at with each poll".to_owned();
        notes.push(Note { warning: true, text });
    }
    wanted
}

fn bytes_under_way(values: &Values) -> Result<u64, FlagError> {
    const NAME: &str = "max-bytes-under-way";
    match u64::try_from(values.integer(NAME)) {
        Ok(bytes) if bytes > 0 => Ok(bytes),
        _ => Err(FlagError::value(NAME, values.text(NAME), "lets nothing be sent")),
    }
}

fn table_shards(values: &Values) -> Result<u16, FlagError> {
    const NAME: &str = "shards";
    match u16::try_from(values.integer(NAME)) {
        Ok(number @ 0..=MOST_SHARDS) => Ok(number),
        _ => {
            Err(FlagError::value(NAME, values.text(NAME), "is more than 64: each Skipper polls every shard"))
        }
    }
}

fn hold(values: &Values) -> Result<Duration, FlagError> {
    const NAME: &str = "hold";
    let hold = values.duration(NAME)?.unwrap_or_default();
    if hold > LONGEST_HOLD {
        let complaint = "is more than 1.5s: a Skipper gives a poll 3s, and the table has to come in the rest; clients with more \
                         time ask for a longer wait themselves (Prefer: wait=N)";
        return Err(FlagError::value(NAME, values.text(NAME), complaint));
    }
    Ok(hold)
}

fn log(values: &Values) -> LogOptions {
    LogOptions {
        level: kind::level(values.text("application-log-level")).unwrap_or(tracing::Level::INFO),
        json: values.switch("application-log-json-enabled") || values.text("log-format") == "json",
    }
}

/// Where the XDG base directory specification puts state, with the id: several replicas may share a machine. A
/// container's user often has no home; then it is the temporary folder.
fn default_state_dir(environment: &dyn Environment, id: &str) -> PathBuf {
    let home = environment.variable("HOME").map(PathBuf::from).filter(|home| home.parent().is_some());
    environment
        .variable("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute())
        .or_else(|| home.filter(|home| home.is_dir()).map(|home| home.join(".local/state")))
        .unwrap_or_else(std::env::temp_dir)
        .join("bellwether")
        .join(id.replace('/', "_"))
}

fn path(values: &Values, name: &'static str) -> Option<PathBuf> {
    values.non_empty(name).map(PathBuf::from)
}

fn missing(what: &str) -> FlagError {
    FlagError::Combination(what.to_owned())
}
