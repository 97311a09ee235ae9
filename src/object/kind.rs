//! The kinds that the compiler reads.

use serde_json::Value;

/// A kind of object that the compiler reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `networking.k8s.io/v1`
    Ingress,
    /// `zalando.org/v1`
    RouteGroup,
    /// `v1`
    Service,
    /// `v1`
    Endpoints,
    /// `discovery.k8s.io/v1`
    EndpointSlice,
}

/// Other groups have kinds of these names too (Knative's `Service`, OpenShift's `Ingress`); they are not ours. Within
/// these groups the version is not looked at, as the peer does not look at it either.
const GROUPS: [&str; 4] = ["", "networking.k8s.io", "discovery.k8s.io", "zalando.org"];

impl Kind {
    /// All kinds, in the order in which the peer lists them.
    pub const ALL: [Self; 5] =
        [Self::Ingress, Self::RouteGroup, Self::Service, Self::Endpoints, Self::EndpointSlice];

    /// The name in manifests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingress => "Ingress",
            Self::RouteGroup => "RouteGroup",
            Self::Service => "Service",
            Self::Endpoints => "Endpoints",
            Self::EndpointSlice => "EndpointSlice",
        }
    }

    /// The `apiVersion` of its objects.
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::Ingress => "networking.k8s.io/v1",
            Self::RouteGroup => "zalando.org/v1",
            Self::Service | Self::Endpoints => "v1",
            Self::EndpointSlice => "discovery.k8s.io/v1",
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What `value` says that it is, if the compiler reads it.
    pub(super) fn of(value: &Value) -> Option<Self> {
        let version = value["apiVersion"].as_str().unwrap_or_default();
        let group = version.split_once('/').map_or("", |(group, _)| group);
        Self::named(value["kind"].as_str()?).filter(|_| GROUPS.contains(&group))
    }
}
