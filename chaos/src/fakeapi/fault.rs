//! What can be wrong with an answer.

use std::fmt;

use serde_json::{Value, json};

use super::{Reply, status_object};

/// The calls of a route server that reads Endpoints or EndpointSlices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// The list of Ingresses.
    Ingresses,
    /// Whether there are RouteGroups.
    Discovery,
    /// The list of RouteGroups.
    RouteGroups,
    /// The list of Services.
    Services,
    /// The list of Endpoints.
    Endpoints,
    /// The list of EndpointSlices.
    EndpointSlices,
}

impl Endpoint {
    /// The five that a route server calls with its default flags.
    pub const CALLED: [Self; 5] =
        [Self::Ingresses, Self::Discovery, Self::RouteGroups, Self::Services, Self::Endpoints];

    /// What a path asks for, with or without a namespace in it.
    pub(super) fn of(path: &str) -> Option<Self> {
        let known =
            |rest: &str, group: &str| rest == group || rest.starts_with(&format!("{group}/namespaces/"));
        let (group, name) = path.rsplit_once('/')?;
        Some(match name {
            "ingresses" if known(group, "/apis/networking.k8s.io/v1") => Self::Ingresses,
            "routegroups" if known(group, "/apis/zalando.org/v1") => Self::RouteGroups,
            "services" if known(group, "/api/v1") => Self::Services,
            "endpoints" if known(group, "/api/v1") => Self::Endpoints,
            "endpointslices" if known(group, "/apis/discovery.k8s.io/v1") => Self::EndpointSlices,
            "v1" if group == "/apis/zalando.org" => Self::Discovery,
            _ => return None,
        })
    }

    /// The kind of what it lists; none for the discovery.
    pub(super) const fn kind(self) -> Option<&'static str> {
        match self {
            Self::Ingresses => Some("Ingress"),
            Self::Discovery => None,
            Self::RouteGroups => Some("RouteGroup"),
            Self::Services => Some("Service"),
            Self::Endpoints => Some("Endpoints"),
            Self::EndpointSlices => Some("EndpointSlice"),
        }
    }

    /// The field of its answer that holds what was asked for.
    const fn items(self) -> &'static str {
        if matches!(self, Self::Discovery) { "resources" } else { "items" }
    }
}

/// One thing that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// 200, with null in place of the items.
    NullItems,
    /// 200 with `{}`.
    EmptyObject,
    /// 200 with `[]`.
    EmptyArray,
    /// 200, sound, and nothing in it.
    ZeroItems,
    /// 200, and the body ends in its middle.
    CutJson,
    /// Another status.
    Status(u16),
    /// The connection stays open, and nothing comes.
    Stall,
    /// The connection is reset.
    Reset,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::NullItems,
        Self::EmptyObject,
        Self::EmptyArray,
        Self::ZeroItems,
        Self::CutJson,
        Self::Status(401),
        Self::Status(403),
        Self::Status(404),
        Self::Status(410),
        Self::Status(429),
        Self::Status(500),
        Self::Stall,
        Self::Reset,
    ];

    pub(super) fn instead_of(self, endpoint: Endpoint, sound: &Value) -> Reply {
        let with = |items: Value| {
            let mut answer = sound.clone();
            answer[endpoint.items()] = items;
            Reply::Answer(200, answer.to_string())
        };
        match self {
            Self::NullItems => with(Value::Null),
            Self::EmptyObject => Reply::Answer(200, "{}".to_owned()),
            Self::EmptyArray => Reply::Answer(200, "[]".to_owned()),
            Self::ZeroItems => with(json!([])),
            Self::CutJson => {
                let mut text = sound.to_string();
                let promised = text.len();
                text.truncate(promised / 2);
                Reply::Cut(text, promised)
            }
            Self::Status(code) => Reply::Answer(code, status_object(code)),
            Self::Stall => Reply::Stall,
            Self::Reset => Reply::Reset,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NullItems => f.write_str("items: null"),
            Self::EmptyObject => f.write_str("{}"),
            Self::EmptyArray => f.write_str("[]"),
            Self::ZeroItems => f.write_str("zero items"),
            Self::CutJson => f.write_str("cut JSON"),
            Self::Status(code) => write!(f, "{code}"),
            Self::Stall => f.write_str("stall"),
            Self::Reset => f.write_str("reset"),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ingresses => "ingresses",
            Self::Discovery => "discovery",
            Self::RouteGroups => "routegroups",
            Self::Services => "services",
            Self::Endpoints => "endpoints",
            Self::EndpointSlices => "endpointslices",
        })
    }
}
