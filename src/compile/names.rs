//! The ids of the routes that Ingresses become.

/// The id of the route for one path of one host: `kube_<namespace>__<name>__<host>__<path>__<service>`.
pub(super) fn route_id(namespace: &str, name: &str, host: &str, path: &str, service: &str) -> String {
    let parts = [namespace, name, host, path, service];
    let mut id = String::with_capacity(12 + parts.iter().map(|part| part.len()).sum::<usize>());
    id.push_str("kube");
    for (index, part) in parts.into_iter().enumerate() {
        id.push_str(if index == 0 { "_" } else { "__" });
        push_symbol(&mut id, part);
    }
    id
}

/// The id of the copy for the deprecated east-west host of the route `id`.
pub(super) fn east_west_id(id: &str) -> String {
    format!("kubeew{}", id.strip_prefix("kube").unwrap_or(id))
}

/// Whether `id` has the form of those of the Ingress `name`: those of its custom routes have more behind the name.
pub(super) fn is_of(id: &str, namespace: &str, name: &str) -> bool {
    let own = || {
        let rest = id.strip_prefix("kube_").or_else(|| id.strip_prefix("kubeew_"))?;
        let rest = rest.strip_prefix(symbol(namespace).as_str())?.strip_prefix("__")?;
        let rest = rest.strip_prefix(symbol(name).as_str())?.strip_prefix('_')?;
        let (custom, place) = rest.split_once("__").unwrap_or((rest, ""));
        let is_numbered = custom.rsplit_once('_').is_some_and(|(_, number)| number.parse::<u32>().is_ok());
        Some(rest.starts_with('_') || is_numbered && place.ends_with("____"))
    };
    own().unwrap_or(false)
}

fn symbol(text: &str) -> String {
    let mut symbol = String::with_capacity(text.len());
    push_symbol(&mut symbol, text);
    symbol
}

/// Each character that cannot stand in an id becomes one `_`.
fn push_symbol(id: &mut String, text: &str) {
    let mut parts = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    id.push_str(parts.next().unwrap_or_default());
    for part in parts {
        id.push('_');
        id.push_str(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_character_that_is_no_word_becomes_one_underscore() {
        assert_eq!(
            route_id("my-ns", "app", "ä.example.org", "/a b", "svc-1"),
            "kube_my_ns__app____example_org___a_b__svc_1"
        );
    }

    #[test]
    fn what_is_empty_leaves_its_underscores() {
        assert_eq!(route_id("ns", "app", "", "", ""), "kube_ns__app______");
        assert_eq!(route_id("", "catchall", "", "", ""), "kube___catchall______");
    }

    #[test]
    fn an_ingress_knows_its_ids() {
        let id = |name, host, path, service| route_id("my-ns", name, host, path, service);
        let own = [
            id("app", "a.x", "/p", "svc"),
            id("app", "", "", ""),
            id("app_r_0", "a.x_p", "", ""),
            id("app__0", "a.x", "", ""),
        ];
        for id in own {
            assert!(is_of(&id, "my-ns", "app") && is_of(&east_west_id(&id), "my-ns", "app"), "{id}");
            assert!(!is_of(&id, "my-ns", "ap") && !is_of(&id, "ns", "app"), "{id}");
        }
        assert!(!is_of(&id("app-2", "a.x", "/p", "svc"), "my-ns", "app"));
        assert!(!is_of(&id("app-canary", "a.x", "", ""), "my-ns", "app"));
    }

    #[test]
    fn the_east_west_copy_has_another_prefix() {
        assert_eq!(east_west_id("kube_ns__app______"), "kubeew_ns__app______");
    }
}
