//! Routes that the settings alone ask for.

use crate::eskip::{Arg, Backend, Filter, Predicate, Route};

use super::{Settings, redirect};

/// Who may ask for a replica's health: the private networks, and the machine itself.
const INTERNAL: [&str; 6] =
    ["10.0.0.0/8", "192.168.0.0/16", "172.16.0.0/12", "127.0.0.1/8", "fd00::/8", "::1/128"];

/// The health routes and the redirect of everything, as far as they are wanted.
pub(super) fn routes(settings: &Settings) -> Vec<Route> {
    let mut routes = if settings.healthcheck { health(settings) } else { Vec::new() };
    if settings.https_redirect {
        routes.push(redirect::global(settings));
    }
    routes
}

/// Up, and down for a data plane that is shutting down.
fn health(settings: &Settings) -> Vec<Route> {
    let source = if settings.reverse_source_predicate { "SourceFromLast" } else { "Source" };
    let cidrs = INTERNAL.into_iter().chain(settings.healthcheck_cidrs.iter().map(String::as_str));
    let source = Predicate::new(source, cidrs.map(Arg::from));
    let route = |id: &str, predicates, filters| Route {
        id: id.to_owned(),
        path: Some("/kube-system/healthz".to_owned()),
        predicates,
        filters,
        backend: Backend::Shunt,
        ..Route::default()
    };
    let status = |code: f64| Filter::new("status", [code.into()]);
    let mut up = vec![status(200.0)];
    if !settings.debug_log {
        up.insert(0, Filter::new("disableAccessLog", [200.0.into()]));
    }
    let shutdown = Predicate::new("Shutdown", []);
    vec![
        route("kube__healthz_up", vec![source.clone()], up),
        route("kube__healthz_down", vec![source, shutdown], vec![status(503.0)]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_and_redirect_can_be_switched_off() {
        let ids =
            |settings: &Settings| -> Vec<_> { routes(settings).into_iter().map(|route| route.id).collect() };
        assert_eq!(ids(&Settings::default()), ["kube__healthz_up", "kube__healthz_down", "kube__redirect"]);
        let off = Settings { healthcheck: false, https_redirect: false, ..Settings::default() };
        assert_eq!(ids(&off), [""; 0]);
    }

    #[test]
    fn the_log_level_is_part_of_the_health_route() {
        let up = |debug_log| {
            let settings = Settings { debug_log, ..Settings::default() };
            routes(&settings)[0].filters.iter().map(|filter| filter.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(up(false), ["disableAccessLog", "status"]);
        assert_eq!(up(true), ["status"]);
    }

    #[test]
    fn further_sources_come_last() {
        let settings = Settings {
            healthcheck_cidrs: vec!["1.2.3.0/24".to_owned()],
            reverse_source_predicate: true,
            ..Settings::default()
        };
        let source = &routes(&settings)[0].predicates[0];
        assert_eq!(source.name, "SourceFromLast");
        assert_eq!(source.args.last(), Some(&"1.2.3.0/24".into()));
    }
}
