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

/// Each character that cannot stand in an id becomes one `_`.
fn push_symbol(id: &mut String, text: &str) {
    id.extend(text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }));
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
    fn the_east_west_copy_has_another_prefix() {
        assert_eq!(east_west_id("kube_ns__app______"), "kubeew_ns__app______");
    }
}
