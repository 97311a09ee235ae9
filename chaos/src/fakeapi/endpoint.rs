//! What the fake API server serves, and what a path asks for.

use std::fmt;

/// The calls of a route server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// Ingresses.
    Ingresses,
    /// Whether there are RouteGroups.
    Discovery,
    /// RouteGroups.
    RouteGroups,
    /// Services.
    Services,
    /// Endpoints.
    Endpoints,
    /// EndpointSlices.
    EndpointSlices,
    /// Leases.
    Leases,
    /// Secrets.
    Secrets,
}

/// What one request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    pub(super) endpoint: Endpoint,
    pub(super) namespace: Option<&'a str>,
    /// One object; none for all of them.
    pub(super) name: Option<&'a str>,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Ingresses,
        Self::Discovery,
        Self::RouteGroups,
        Self::Services,
        Self::Endpoints,
        Self::EndpointSlices,
        Self::Leases,
        Self::Secrets,
    ];

    /// The five that a route server calls in each poll with its default flags.
    pub const CALLED: [Self; 5] =
        [Self::Ingresses, Self::Discovery, Self::RouteGroups, Self::Services, Self::Endpoints];

    /// Where the objects of `kind` are.
    pub(super) fn of_kind(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| endpoint.kind() == Some(kind))
    }

    /// The group and the version of its objects.
    pub(super) const fn api_version(self) -> &'static str {
        match self {
            Self::Ingresses => "networking.k8s.io/v1",
            Self::Discovery | Self::RouteGroups => "zalando.org/v1",
            Self::Services | Self::Endpoints | Self::Secrets => "v1",
            Self::EndpointSlices => "discovery.k8s.io/v1",
            Self::Leases => "coordination.k8s.io/v1",
        }
    }

    /// The kind of its objects; none for the discovery.
    pub(super) const fn kind(self) -> Option<&'static str> {
        Some(match self {
            Self::Ingresses => "Ingress",
            Self::Discovery => return None,
            Self::RouteGroups => "RouteGroup",
            Self::Services => "Service",
            Self::Endpoints => "Endpoints",
            Self::EndpointSlices => "EndpointSlice",
            Self::Leases => "Lease",
            Self::Secrets => "Secret",
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Ingresses => "ingresses",
            Self::Discovery => "discovery",
            Self::RouteGroups => "routegroups",
            Self::Services => "services",
            Self::Endpoints => "endpoints",
            Self::EndpointSlices => "endpointslices",
            Self::Leases => "leases",
            Self::Secrets => "secrets",
        }
    }
}

impl<'a> Target<'a> {
    /// What `path` asks for, with or without a namespace in it; none where nothing is.
    pub(super) fn of(path: &'a str) -> Option<Self> {
        let rest = path.strip_prefix("/apis/").or_else(|| path.strip_prefix("/api/"))?;
        let found = |endpoint: Endpoint, namespace, name| Some(Self { endpoint, namespace, name });
        Endpoint::ALL.into_iter().find_map(|endpoint| {
            let below = rest.strip_prefix(endpoint.api_version())?;
            let parts: Vec<_> = below.split('/').collect();
            match (endpoint, parts.as_slice()) {
                (Endpoint::Discovery, [""]) => found(endpoint, None, None),
                (Endpoint::Discovery, _) => None,
                (_, ["", plural]) if *plural == endpoint.name() => found(endpoint, None, None),
                (_, ["", "namespaces", namespace, plural]) if *plural == endpoint.name() => {
                    found(endpoint, Some(namespace), None)
                }
                (_, ["", "namespaces", namespace, plural, name]) if *plural == endpoint.name() => {
                    found(endpoint, Some(namespace), Some(name))
                }
                _ => None,
            }
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_all_of_a_kind_those_of_a_namespace_or_one() {
        let target = |endpoint, namespace, name| Some(Target { endpoint, namespace, name });
        assert_eq!(Target::of("/api/v1/services"), target(Endpoint::Services, None, None));
        assert_eq!(
            Target::of("/apis/networking.k8s.io/v1/namespaces/x/ingresses"),
            target(Endpoint::Ingresses, Some("x"), None)
        );
        assert_eq!(
            Target::of("/apis/coordination.k8s.io/v1/namespaces/x/leases/y"),
            target(Endpoint::Leases, Some("x"), Some("y"))
        );
        assert_eq!(Target::of("/apis/zalando.org/v1"), target(Endpoint::Discovery, None, None));
        for path in ["/", "/api/v1/pods", "/apis/apps/v1/services", "/apis/zalando.org/v1/", "/healthz"] {
            assert_eq!(Target::of(path), None, "{path}");
        }
    }
}
