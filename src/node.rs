//! One replica, put together: builds the parts, starts each task once, watches them, and stops in order.
//!
//! In: the options of `serve`. Out: a process that serves. What can go wrong before it serves: a port, the state
//! folder, the files of TLS, the lease, the durations of the election; each with one line that says how to mend it.
//! After that nothing of the outside stops it: without API server, lease and peers it serves what it has.

mod bridge;
mod election;
mod keeper;
mod machine;
mod shutdown;
mod writes;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use prometheus_client::registry::Registry;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::doctor::Doctor;
use crate::election::{Handle, Loss};
use crate::files;
use crate::flags::ServeOptions;
use crate::net::Listener;
use crate::orders::OrdersFile;
use crate::phase::Phase;
use crate::publish::{self, Gate, Publisher};
use crate::replication::clerk::Clerk;
use crate::replication::core::Replica;
use crate::replication::exchange::exchange;
use crate::replication::hub::Hub;
use crate::replication::peer::{Means, PeerError, Security};
use crate::replication::{self, attendance, converge, cutting, follower, scrub, service, takeover};
use crate::rollout::{self, Mode};
use crate::serve::{
    self, BindError, BodyLimits, Drain, Filters, Heartbeats, PasswordsError, RoutesServer, SupportServer,
    Tls, TlsError,
};
use crate::snapshot::disk::{Disk, WriteError};
use crate::snapshot::{Cell, Sharder, Shelf};
use crate::source::{self, AccessError, OpenError, Source, SourceConfig};
use crate::time::Clock;
use crate::traces::{Traces, TracesError};
use crate::writes::elections;

pub use machine::Machine;

/// Why a replica did not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The state folder.
    #[error("--state-dir: {0}; give a folder that this user can write")]
    State(#[from] WriteError),
    /// A listener.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The way to the upstream.
    #[error(transparent)]
    Source(#[from] OpenError),
    /// The way to the Kubernetes API.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The files of TLS or the token between replicas.
    #[error("--replication-*: {0}")]
    Security(#[from] PeerError),
    /// The files of TLS on the main listener.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Where traces go.
    #[error(transparent)]
    Traces(#[from] TracesError),
    /// The filters of the main listener.
    #[error(transparent)]
    Filters(#[from] PasswordsError),
    /// The election.
    #[error(transparent)]
    Election(#[from] election::ElectionError),
    /// A task that should run for ever has ended; the process must not go on without it.
    #[error("the task {0:?} has ended; this is a defect")]
    Ended(&'static str),
}

/// Runs a replica until it is told to stop, and has stopped in order.
///
/// # Errors
///
/// Where it cannot start, or one of its tasks ends.
pub async fn run(options: ServeOptions) -> Result<(), NodeError> {
    let machine = Machine::here().map_err(election::ElectionError::Random)?;
    Node::build(options, machine).await?.run().await
}

/// A replica that does not run yet.
pub struct Node {
    machine: Machine,
    options: ServeOptions,
    listeners: Listeners,
    security: Security,
    tls: Option<Arc<Tls>>,
    filters: Filters,
    disk: Disk,
    source: Source,
    election: Arc<Handle>,
    hub: Arc<Hub>,
    cell: Arc<Cell>,
    registry: Registry,
    routes_metrics: serve::Metrics,
    gauges: serve::Gauges,
    publish_metrics: publish::Metrics,
    gate: Arc<Gate>,
    clerk: Arc<Clerk>,
    writes: writes::Writes,
    rollout_metrics: rollout::Metrics,
    traces: Option<Traces>,
}

struct Listeners {
    routes: Listener,
    support: Option<Listener>,
    replication: Listener,
}

impl Node {
    /// Everything that can be wrong with the configuration is found here, before anything is served.
    ///
    /// # Errors
    ///
    /// Where it cannot start.
    pub async fn build(options: ServeOptions, machine: Machine) -> Result<Self, NodeError> {
        let disk = Disk::open(&options.state_dir)?;
        let listeners = Listeners {
            routes: serve::bind(&machine.net, "-address", &options.address.to_string()).await?,
            support: match options.support_listener {
                Some(address) => {
                    Some(serve::bind(&machine.net, "-support-listener", &address.to_string()).await?)
                }
                None => None,
            },
            replication: serve::bind(
                &machine.net,
                "--replication-listener",
                &options.replication.listener.to_string(),
            )
            .await?,
        };
        let replication = &options.replication;
        let security =
            Security::load(Means { tls: replication.tls.clone(), token: replication.token_file.clone() })?
                .over(machine.net.clone());
        let tls = options.tls.clone().map(Tls::load).transpose()?;
        let filters = Filters::new(&options.filters)?;
        let clock: Arc<dyn Clock> = machine.clock.clone();

        let mut registry = Registry::default();
        let routes_metrics = serve::Metrics::default();
        routes_metrics.register(&mut registry);
        let gauges = serve::Gauges::default();
        gauges.register(&mut registry);
        let ours = registry.sub_registry_with_prefix("bellwether");
        let replication_metrics = replication::metrics::Metrics::register(ours);
        let publish_metrics = publish::Metrics::register(ours, routes_metrics.clone(), gauges.clone());
        let source = SourceConfig::of(&options, machine.in_pod, machine.net.clone());
        let source = Source::open(source, clock.clone(), source::Metrics::register(ours)).await?;
        let writes = writes::open(&options, &machine, ours).await?;
        let gate = Arc::new(Gate::new(options.guard, ours).telling(writes.events.clone()));
        let election = election::start(&options, &machine, &mut registry).await?;

        let traces = options.traces.as_ref().map(|to| Traces::start(to, &options.id)).transpose()?;
        let rollout_metrics = rollout::Metrics::register(registry.sub_registry_with_prefix("bellwether"));
        let (last_known_good, rejected) = match options.rollout.mode {
            // Nothing is served; what is on disk stays there.
            Mode::Off => Default::default(),
            Mode::Pre | Mode::Exec => disk.read(),
        };
        for file in rejected {
            tracing::warn!(path = %file.path.display(), reason = %file.reason, "not served from disk");
        }
        if let Some(snapshot) = &last_known_good {
            let (version, digest) = (snapshot.version, snapshot.digest());
            tracing::info!(%version, ?digest, routes = snapshot.contents.table.routes(), "serving the last known good");
            election.saw(version.epoch);
        }
        let cell = Arc::new(Cell::default());
        let replica = Replica::new(last_known_good);
        let identity = election.identity().to_string();
        let hub = Hub::new(identity, replica, cell.clone(), clock, replication_metrics);
        if let Some(snapshot) = hub.read(|core| core.active().cloned()) {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            hub.deliveries().resumed(&snapshot.contents, now.as_secs());
        }
        hub.shelve(Shelf::new(&options.state_dir));
        if options.table_shards > 0 {
            let sharder = Sharder::new(options.table_shards);
            if let Some(snapshot) = hub.read(|core| core.active().cloned()) {
                sharder.prepare(&snapshot.contents.table);
            }
            hub.cut_by(sharder);
        }
        let peers = options.replication.peers.clone();
        let orders = OrdersFile::new(&options.state_dir);
        let clerk = Clerk::open(hub.clone(), orders, peers, security.clone(), writes.events.clone());
        let election = Arc::new(election);
        Ok(Self {
            machine,
            options,
            listeners,
            security,
            tls,
            filters,
            disk,
            source,
            election,
            hub,
            cell,
            registry,
            routes_metrics,
            gauges,
            publish_metrics,
            gate,
            clerk,
            writes,
            rollout_metrics,
            traces,
        })
    }

    /// What it knows of tables, and serves.
    pub const fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Its part in the election.
    pub const fn election(&self) -> &Arc<Handle> {
        &self.election
    }

    /// Runs until it is told to stop, and has stopped in order.
    ///
    /// # Errors
    ///
    /// Where one of its tasks ends.
    pub async fn run(self) -> Result<(), NodeError> {
        let (phase, phases) = watch::channel(Phase::Starting);
        let kick = Arc::new(Notify::new());
        let drain = Drain {
            begin: CancellationToken::new(),
            close: CancellationToken::new(),
            deadline: self.options.drain_timeout,
        };
        let heartbeats = Heartbeats::default();
        let another_ready = Arc::new(AtomicBool::new(false));

        let notes = publish::Notes::default();
        let publisher = Publisher {
            source: self.source,
            settings: Arc::new(self.options.compile.clone()),
            services: self.options.shards.services(),
            interval: self.options.poll_interval,
            hub: self.hub.clone(),
            peers: self.options.replication.peers.clone(),
            security: self.security.clone(),
            election: self.election.clone(),
            gate: self.gate.clone(),
            memory: crate::publish::Memory::default(),
            findings: publish::Findings::default(),
            metrics: self.publish_metrics,
            notes: notes.clone(),
            events: self.writes.events.clone(),
            status: self.writes.status,
        };
        let comparison = rollout::Latest::default();
        let clients = Arc::<serve::Clients>::default();
        let routes = RoutesServer {
            cell: self.cell.clone(),
            clock: self.machine.clock.clone(),
            deliveries: self.hub.deliveries().clone(),
            metrics: self.routes_metrics,
            clients: clients.clone(),
            kick: kick.clone(),
            changed: self.hub.changed(),
            sharder: self.hub.sharder().cloned(),
            limits: serve::Limits {
                connections: files::for_clients(),
                hold: self.options.hold,
                bodies: BodyLimits { bytes: self.options.bytes_under_way, ..BodyLimits::default() },
                ..serve::Limits::default()
            },
            tls: self.tls.clone(),
            shards: self.options.shards.clone(),
            filters: self.filters,
        };
        let support = SupportServer {
            replica: self.options.id.clone(),
            cell: self.cell.clone(),
            clock: self.machine.clock.clone(),
            role: self.election.role(),
            phase: phases.clone(),
            heartbeats: heartbeats.clone(),
            another_ready: another_ready.clone(),
            registry: Arc::new(self.registry),
            gauges: self.gauges.clone(),
            clerk: self.clerk.clone(),
            gate: self.gate,
            admin_token: self.options.admin_token_file.clone(),
            shards: self.options.shards.clone(),
            mode: self.options.rollout.mode,
            comparison: comparison.clone(),
            clients,
            peers: self.options.replication.peers.clone(),
            security: self.security.clone(),
            settings: self.options.settings.clone(),
            doctor: Some(Arc::new(Doctor::new(
                self.options.clone(),
                (self.machine.in_pod, election::namespace(&self.options.lease)),
                self.machine.net.clone(),
                self.hub.clone(),
                self.security.clone(),
                self.disk.clone(),
            ))),
        };

        let (role, stop) = (self.election.role(), CancellationToken::new());
        let mut tasks = Tasks { stand_by: self.options.rollout.mode == Mode::Off, ..Tasks::default() };
        let replication = {
            let (hub, security, stop) = (self.hub.clone(), self.security.clone(), stop.clone());
            let (listener, phases) = (self.listeners.replication, phases.clone());
            async move {
                if let Err(error) = service::listen(hub, listener, &security, phases, stop).await {
                    tracing::error!(%error, "replication does not listen any more");
                }
            }
        };
        tasks.spawn("activation", self.hub.clone().activate());
        tasks.take_part("replication", replication);
        let peers = self.options.replication.peers.clone();
        tasks.take_part(
            "convergence",
            converge::converge(self.hub.clone(), peers, self.security.clone(), another_ready),
        );
        let (hub, peers) = (self.hub.clone(), self.options.replication.peers.clone());
        let (security, timing, election) =
            (self.security.clone(), self.options.election, self.election.clone());
        let give_up = move |_| election.step_down(Loss::CutOff);
        tasks.take_part("attendance", attendance::attend(hub, peers, security, timing, give_up));
        if self.options.fast_takeover {
            let election = self.election.clone();
            let gone = move |term, since| election.gone(term, since);
            tasks.take_part("takeover", takeover::watch(self.hub.clone(), self.machine.net.clone(), gone));
        }
        tasks.spawn("secrets", self.security.clone().renew());
        let (peers, reach) = (self.options.replication.peers.clone(), self.clerk.reach().clone());
        tasks.take_part("exchange", exchange(self.hub.clone(), peers, self.security.clone(), reach));
        tasks.take_part("orders", self.clerk.keep());
        tasks.take_part(
            "history",
            keeper::keep_history(self.hub.clone(), Shelf::new(&self.options.state_dir)),
        );
        tasks.take_part("follower", follower::follow(self.hub.clone(), role.clone(), self.security, kick));
        if let Some(tls) = self.tls {
            tasks.spawn("certificates", tls.renew());
        }
        if let Some(happenings) = self.election.happenings() {
            tasks.spawn("reports", elections(self.writes.events, happenings));
        }
        if let Some(writer) = self.writes.writer {
            tasks.take_part("events", writer.run());
        }
        if let Some(writer) = self.writes.status_writer {
            tasks.take_part("status", writer.run(self.hub.clone()));
        }
        tasks.spawn("shards", cutting::cut(self.hub.clone()));
        tasks.spawn("scrub", scrub::scrub(self.hub.clone()));
        tasks.spawn("record", publish::record(self.hub.clone(), notes, self.traces.clone()));
        if self.options.rollout.mode == Mode::Pre {
            let watcher = rollout::Watcher {
                options: self.options.rollout.clone(),
                hub: self.hub.clone(),
                cell: self.cell.clone(),
                clock: self.machine.clock.clone(),
                latest: comparison,
                metrics: self.rollout_metrics,
            };
            tasks.spawn("comparison", watcher.run(role.clone()));
        }
        tasks.take_part("publisher", publisher.run(role));
        tasks.spawn("keeper", keeper::keep(self.hub.clone(), self.disk));
        tasks.spawn(
            "bridge",
            bridge::run(self.hub.clone(), self.election.clone(), phase.clone(), heartbeats, self.gauges),
        );
        let mut served = tokio::spawn(routes.run_on_a_thread(self.listeners.routes, drain.clone()));
        let watched = self.listeners.support.map(|listener| {
            // It closes last: whoever watches wants to see the end.
            let drain = Drain { close: stop.clone(), ..drain.clone() };
            tokio::spawn(support.run(listener, drain))
        });
        tracing::info!(
            replica = self.options.id,
            rollout = self.options.rollout.mode.name(),
            routes = %self.options.address,
            replication = %self.options.replication.listener,
            "started"
        );

        tokio::select! {
            () = (self.machine.asked_to_stop)() => {}
            name = tasks.ended() => return Err(NodeError::Ended(name)),
            _ = &mut served => return Err(NodeError::Ended("main listener")),
        }
        let stopping = shutdown::Stopping {
            phase: &phase,
            drain: &drain,
            hub: &self.hub,
            election: &self.election,
            linger: self.options.linger,
            asked: (self.machine.asked_to_stop)(),
        };
        stopping.drain(served).await;
        phase.send_replace(Phase::Stopped);
        stop.cancel();
        if let Some(watched) = watched {
            let _ = tokio::time::timeout(drain.deadline, watched).await;
        }
        if let Some(traces) = self.traces {
            traces.stop().await;
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// The tasks that run for the life of the process, by name.
#[derive(Default)]
struct Tasks {
    running: JoinSet<&'static str>,
    stand_by: bool,
}

impl Tasks {
    fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.running.spawn(async move {
            task.await;
            name
        });
    }

    /// The same for what a replica that stands by does not do.
    fn take_part(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        if !self.stand_by {
            self.spawn(name, task);
        }
    }

    /// The name of the first task that ends, by itself or by a panic.
    async fn ended(&mut self) -> &'static str {
        match self.running.join_next().await {
            Some(Ok(name)) => name,
            _ => "panicked",
        }
    }
}
