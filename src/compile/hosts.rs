//! Hosts as the peer's routes match them.

/// The regular expression for any of `hosts`, with an optional final dot and port; empty where there are none.
pub(super) fn host_regexp<H: AsRef<str>>(hosts: &[H]) -> String {
    if hosts.is_empty() {
        return String::new();
    }
    let each: Vec<String> =
        hosts.iter().map(|host| host.as_ref().replace('.', "[.]") + "[.]?(:[0-9]+)?").collect();
    format!("^({})$", each.join("|"))
}

/// Whether `host` belongs to one of the east-west range `domains`. The peer compares ends, without regard to dots.
pub(super) fn is_internal(host: &str, domains: &[String]) -> bool {
    domains.iter().any(|domain| host.ends_with(domain.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_joined_to_one_regular_expression() {
        assert_eq!(host_regexp(&["a.x", "b"]), "^(a[.]x[.]?(:[0-9]+)?|b[.]?(:[0-9]+)?)$");
        assert_eq!(host_regexp::<&str>(&[]), "");
    }

    #[test]
    fn internal_is_what_ends_with_a_domain() {
        let domains = ["cluster.local".to_owned()];
        assert!(is_internal("a.cluster.local", &domains));
        assert!(!is_internal("a.example.org", &domains));
    }
}
