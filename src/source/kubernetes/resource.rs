//! Where the API serves each kind.

use crate::object::Kind;

/// One collection of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    pub(super) kind: Kind,
    /// Its API group; empty for the core.
    pub(super) group: &'static str,
    /// Its name in paths and roles.
    pub(super) plural: &'static str,
}

impl Resource {
    pub(super) const fn of(kind: Kind) -> Self {
        let (group, plural) = match kind {
            Kind::Ingress => ("networking.k8s.io", "ingresses"),
            Kind::RouteGroup => ("zalando.org", "routegroups"),
            Kind::Service => ("", "services"),
            Kind::Endpoints => ("", "endpoints"),
            Kind::EndpointSlice => ("discovery.k8s.io", "endpointslices"),
        };
        Self { kind, group, plural }
    }

    /// The path of its group and version, at which discovery answers.
    pub(super) fn group_path(self) -> String {
        if self.group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{}/v1", self.group) }
    }

    /// The path of the collection, in one namespace or in all.
    pub(super) fn path(self, namespace: Option<&str>) -> String {
        let group = self.group_path();
        match namespace {
            Some(namespace) => format!("{group}/namespaces/{namespace}/{}", self.plural),
            None => format!("{group}/{}", self.plural),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_api() {
        let path = |kind| Resource::of(kind).path(None);
        assert_eq!(path(Kind::Ingress), "/apis/networking.k8s.io/v1/ingresses");
        assert_eq!(path(Kind::RouteGroup), "/apis/zalando.org/v1/routegroups");
        assert_eq!(path(Kind::Service), "/api/v1/services");
        assert_eq!(path(Kind::Endpoints), "/api/v1/endpoints");
        assert_eq!(path(Kind::EndpointSlice), "/apis/discovery.k8s.io/v1/endpointslices");
        assert_eq!(Resource::of(Kind::Service).path(Some("a")), "/api/v1/namespaces/a/services");
    }
}
