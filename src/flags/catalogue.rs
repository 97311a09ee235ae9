//! Every flag there is: the peer's 283 names, and our own.
//!
//! The names, kinds and defaults are those of routesrv v0.27.65, so that its command line can be taken over as it
//! is. What the peer itself ignores is accepted and ignored here.

mod ignored;
mod own;
mod peer;

use super::Command;
use super::kind::Kind;

/// One flag.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spec {
    /// Its name, without dashes.
    pub name: &'static str,
    /// What its values look like.
    pub kind: Kind,
    /// Its value where it is not given, as it would be given.
    pub default: &'static str,
    /// What becomes of it.
    pub treatment: Treatment,
}

/// What becomes of a flag.
#[derive(Clone, Copy, Debug)]
pub(super) enum Treatment {
    /// It works. The group that the help lists it in, and what it does.
    Honoured(Group, &'static str),
    /// The peer's route server ignores it, and so do we.
    Ignored,
    /// The peer honours it and we do not; why, or what takes its place.
    Unsupported(&'static str),
}

/// The groups of the help, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// Of `compile`: input and output.
    Compile,
    /// What to read and who is who.
    Replica,
    /// Where clients ask.
    Listeners,
    /// How replicas reach each other.
    Replication,
    /// How fast a leader is replaced.
    Election,
    /// Which tables are not believed at once.
    Guard,
    /// How a fleet moves over.
    Rollout,
    /// How the API server is reached.
    Api,
    /// Which objects become routes, and how.
    Table,
    /// Filters and changes for all routes.
    Routes,
    /// Routes inside the cluster.
    EastWest,
    /// Services of the type `ExternalName`, and addresses in RouteGroups.
    External,
    /// What is logged.
    Logs,
}

impl Group {
    /// All, in the order of the help.
    pub(super) const ALL: [Self; 13] = [
        Self::Compile,
        Self::Replica,
        Self::Listeners,
        Self::Replication,
        Self::Election,
        Self::Guard,
        Self::Rollout,
        Self::Api,
        Self::Table,
        Self::Routes,
        Self::EastWest,
        Self::External,
        Self::Logs,
    ];

    /// The headline in the help.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Compile => "Input and output",
            Self::Replica => "The replica",
            Self::Listeners => "Serving",
            Self::Replication => "Replication",
            Self::Election => "Election",
            Self::Guard => "The guard: tables that shrink, and what is too large",
            Self::Rollout => "Roll-out: moving a fleet over",
            Self::Api => "Kubernetes API",
            Self::Table => "Ingresses and RouteGroups",
            Self::Routes => "Filters and changes for all routes",
            Self::EastWest => "Routes inside the cluster",
            Self::External => "External names",
            Self::Logs => "Logs and the rest",
        }
    }
}

impl Spec {
    const fn ignored(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, default: "", treatment: Treatment::Ignored }
    }

    const fn unsupported(name: &'static str, kind: Kind, default: &'static str, why: &'static str) -> Self {
        Self { name, kind, default, treatment: Treatment::Unsupported(why) }
    }
}

/// All flags that `command` knows.
pub(super) fn all(command: Command) -> impl Iterator<Item = &'static Spec> {
    let own: &[Spec] = match command {
        Command::Serve => &own::SERVE,
        Command::Compile => &own::COMPILE,
    };
    own.iter().chain(of_the_peer())
}

/// The peer's flags.
pub(super) fn of_the_peer() -> impl Iterator<Item = &'static Spec> {
    peer::HONOURED.iter().chain(&peer::UNSUPPORTED).chain(&ignored::IGNORED)
}

/// The flag called `name`.
pub(super) fn find(command: Command, name: &str) -> Option<&'static Spec> {
    all(command).find(|spec| spec.name == name)
}

/// The flag whose name is most like `name`, if one is like it at all.
pub(super) fn nearest(command: Command, name: &str) -> Option<&'static str> {
    all(command)
        .map(|spec| (strsim::normalized_damerau_levenshtein(spec.name, name), spec.name))
        .filter(|(likeness, _)| *likeness >= 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}
