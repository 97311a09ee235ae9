//! The ids of a RouteGroup's routes. They are the peer's: metrics and ETags are made of them.

use crate::object::Metadata;

/// The id of the route for a method (`all` for every one) and a backend, by the number of the route and of the backend.
pub(super) fn route(
    metadata: &Metadata,
    method: &str,
    route: usize,
    backend: usize,
    internal: bool,
) -> String {
    join(
        &symbol(metadata.namespace_or_default()),
        &symbol(&metadata.name),
        &symbol(method),
        route,
        backend,
        internal,
    )
}

/// Whether `id` has the form of those of the group `name`, catch-all routes aside: their ids are those of a host.
pub(in crate::compile) fn is_of(id: &str, namespace: &str, name: &str) -> bool {
    let group = id.strip_prefix("kube_rg__").or_else(|| id.strip_prefix("kubeew_rg__"));
    let group = group.map(|rest| rest.strip_prefix("internal_").unwrap_or(rest));
    let namespace = symbol(if namespace.is_empty() { "default" } else { namespace });
    group.is_some_and(|rest| rest.starts_with(&format!("{namespace}__{}__", symbol(name))))
}

/// The id of the route that answers what no other route of `host` matches. It has no namespace: groups that share a host
/// share this route.
pub(super) fn catch_all(host: &str, internal: bool) -> String {
    join("", &symbol(host), "catchall", 0, 0, internal)
}

/// The id of the copy for the deprecated east-west host.
pub(super) fn east_west(id: &str) -> String {
    format!("kubeew{}", id.strip_prefix("kube").unwrap_or(id))
}

/// The id of the twin that redirects to HTTPS.
pub(super) fn redirect(id: &str) -> String {
    format!("{id}_https_redirect")
}

fn join(namespace: &str, name: &str, part: &str, route: usize, backend: usize, internal: bool) -> String {
    let internal = if internal { "internal_" } else { "" };
    format!("kube_rg__{internal}{namespace}__{name}__{part}__{route}_{backend}")
}

/// An underscore for each byte that is neither a letter of ASCII nor a digit. Ingress ids have one for each character.
fn symbol(text: &str) -> String {
    text.bytes().map(|b| if b.is_ascii_alphanumeric() { char::from(b) } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_part_of_a_name_become_underscores() {
        let metadata =
            Metadata { namespace: "my-ns".to_owned(), name: "tür.x".to_owned(), ..Metadata::default() };
        assert_eq!(route(&metadata, "get", 1, 2, false), "kube_rg__my_ns__t__r_x__get__1_2");
        assert_eq!(route(&metadata, "all", 0, 0, true), "kube_rg__internal_my_ns__t__r_x__all__0_0");
    }

    #[test]
    fn a_group_knows_its_ids() {
        let metadata =
            Metadata { namespace: "my-ns".to_owned(), name: "tür.x".to_owned(), ..Metadata::default() };
        for internal in [false, true] {
            let id = route(&metadata, "get", 1, 2, internal);
            for id in [redirect(&id), east_west(&id), id] {
                assert!(is_of(&id, "my-ns", "tür.x"), "{id}");
                assert!(!is_of(&id, "my-ns", "tür") && !is_of(&id, "ns", "tür.x"), "{id}");
            }
        }
        assert!(is_of("kube_rg__default__a__all__0_0", "", "a"));
    }

    #[test]
    fn missing_namespace_is_the_default_one() {
        let metadata = Metadata { name: "a".to_owned(), ..Metadata::default() };
        assert_eq!(route(&metadata, "all", 0, 0, false), "kube_rg__default__a__all__0_0");
    }

    #[test]
    fn routes_without_an_object_of_their_own_have_their_forms() {
        assert_eq!(catch_all("a.x", false), "kube_rg____a_x__catchall__0_0");
        assert_eq!(catch_all("a.x", true), "kube_rg__internal___a_x__catchall__0_0");
        assert_eq!(east_west("kube_rg__n__a__all__0_0"), "kubeew_rg__n__a__all__0_0");
        assert_eq!(redirect("kube_x"), "kube_x_https_redirect");
    }
}
