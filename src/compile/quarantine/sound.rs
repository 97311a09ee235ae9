//! Whether a route evidently survives being printed and parsed, seen from its parts alone.
//!
//! Nearly every route of nearly every table does, and to look is ten times as fast as to parse. In doubt the answer is no:
//! then the parser decides. That a yes is always right is what the property below is for.

use crate::eskip::{Arg, Backend, Endpoint, Predicate, Route};

/// What was seen of the routes before.
#[derive(Debug, Default)]
pub(super) struct Sound {
    /// The last backend of several endpoints that is sound. The next routes mostly lead to it too.
    backend: Option<Backend>,
}

impl Sound {
    /// Whether `route` is printed to a text that gives it back.
    pub(super) fn is(&mut self, route: &Route) -> bool {
        if !is_sound(route) {
            return false;
        }
        if self.backend.as_ref() == Some(&route.backend) {
            return true;
        }
        let is_sound = is_sound_backend(&route.backend);
        if is_sound && matches!(route.backend, Backend::LoadBalanced { .. }) {
            self.backend = Some(route.backend.clone());
        }
        is_sound
    }
}

/// All of it but its backend.
fn is_sound(route: &Route) -> bool {
    is_symbol(&route.id)
        && [&route.path, &route.method].into_iter().flatten().all(|text| !text.is_empty())
        && route.host_regexps.iter().chain(&route.path_regexps).all(|regexp| is_plain_regexp(regexp))
        && route.header_regexps.values().flatten().all(|regexp| is_plain_regexp(regexp))
        && has_sound_predicates(route)
        && route.filters.iter().all(|filter| is_symbol(&filter.name) && filter.args.iter().all(is_sound_arg))
}

fn has_sound_predicates(route: &Route) -> bool {
    let mut paths = usize::from(route.path.is_some());
    let mut methods = usize::from(route.method.is_some());
    let mut headers: Vec<&str> = Vec::new();
    for Predicate { name, args } in &route.predicates {
        // What is built in has rules of its own, whether or not the route has it in a field.
        let arity = match name.as_str() {
            "Path" => {
                paths += 1;
                1
            }
            "Method" => {
                methods += 1;
                1
            }
            // One name twice breaks a table.
            "Header" => match args.first() {
                Some(Arg::String(name)) if !has_header(route, &headers, name) => {
                    headers.push(name);
                    2
                }
                _ => return false,
            },
            "Host" | "PathRegexp" => 1,
            "HeaderRegexp" => 2,
            _ if is_symbol(name) && args.iter().all(is_sound_arg) => continue,
            _ => return false,
        };
        let is_text = |arg: &Arg| matches!(arg, Arg::String(text) if !text.is_empty());
        if args.len() != arity || !args.iter().all(is_text) {
            return false;
        }
    }
    paths <= 1 && methods <= 1
}

fn has_header(route: &Route, others: &[&str], name: &str) -> bool {
    route.headers.contains_key(name) || others.contains(&name)
}

fn is_symbol(name: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    name.bytes().next().is_some_and(|b| !b.is_ascii_digit()) && name.bytes().all(is_part)
}

/// Strings are escaped and so always come back; numbers only where they are printed without an exponent.
fn is_sound_arg(arg: &Arg) -> bool {
    match arg {
        Arg::String(_) => true,
        Arg::Number(number) if number.fract() == 0.0 => number.abs() < 1e15,
        Arg::Number(number) => (1e-4..1e6).contains(&number.abs()),
    }
}

/// Without escapes, without an empty one (which would be a comment), and with classes that end.
fn is_plain_regexp(regexp: &str) -> bool {
    let mut in_class = false;
    for byte in regexp.bytes() {
        match byte {
            b'\\' => return false,
            b'/' if in_class => return false,
            b'[' => in_class = true,
            b']' => in_class = false,
            _ if byte.is_ascii_control() => return false,
            _ => {}
        }
    }
    !regexp.is_empty() && !in_class
}

fn is_sound_backend(backend: &Backend) -> bool {
    match backend {
        // It is printed as it is.
        Backend::Network(address) => {
            !address.is_empty() && !address.bytes().any(|b| b == b'"' || b == b'\\' || b.is_ascii_control())
        }
        Backend::Shunt | Backend::Loopback | Backend::Dynamic => true,
        Backend::Forward => false,
        Backend::LoadBalanced { algorithm, endpoints } => {
            (algorithm.is_empty() || is_symbol(algorithm)) && have_sound_addresses(endpoints)
        }
    }
}

/// All of one scheme, with a name or an IPv4 address and perhaps a port.
fn have_sound_addresses(endpoints: &[Endpoint]) -> bool {
    let Some((scheme, _)) = endpoints.first().and_then(|first| first.address.split_once("://")) else {
        return false;
    };
    let is_name = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    let is_sound = |endpoint: &Endpoint| {
        let Some((its, rest)) = endpoint.address.split_once("://") else { return false };
        let (host, port) = rest.split_once(':').unwrap_or((rest, "0"));
        let has_port = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        its == scheme && !host.is_empty() && is_name(host) && has_port && is_name(&endpoint.zone)
    };
    let is_scheme = !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_lowercase());
    is_scheme && endpoints.iter().all(is_sound)
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;
    use crate::eskip::{Filter, Verdict, parse, verify};

    #[test]
    fn ordinary_routes_are_sound() {
        let text = r#"
            a: Host(/^(a[.]x[.]?(:[0-9]+)?)$/) && PathSubtree("/p") -> ratelimit(20, "1m") -> "http://10.0.0.1:80";
            b: Path("/p") && Header("X-Forwarded-Proto", "http") && Weight(1000) -> redirectTo(308, "https:") -> <shunt>;
            c: Method("GET") && Traffic(0.25) -> <roundRobin, "http://10.0.0.1:80?zone=eu-1a", "http://10.0.0.2:80?zone=eu-1b">;
        "#;
        for route in parse(text).unwrap() {
            let mut sound = Sound::default();
            assert!(sound.is(&route) && sound.is(&route.canonical()), "{route}");
        }
    }

    #[test]
    fn several_headers_are_sound_until_a_name_repeats() {
        let header = |name: &str| Predicate::new("Header", [name.into(), "x".into()]);
        let mut route = Route { id: "r".to_owned(), ..Route::default() };
        route.headers.insert("X-Forwarded-Proto".to_owned(), "http".to_owned());
        route.predicates = vec![header("X-A"), header("X-B")];
        assert!(Sound::default().is(&route));
        assert_eq!(verify(&route), Verdict::Same);
        for name in ["X-Forwarded-Proto", "X-A"] {
            let mut twice = route.clone();
            twice.predicates.push(header(name));
            assert!(!Sound::default().is(&twice), "{name}");
            assert!(matches!(verify(&twice), Verdict::Broken(_)), "{name}");
        }
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof!["[a-z]{0,3}", r#"[\\\[\]/"?*#<>;:. \n\ta1ü-]{0,5}"#]
    }

    fn name(known: &'static [&'static str]) -> impl Strategy<Value = String> {
        prop_oneof![4 => prop::sample::select(known).prop_map(str::to_owned), 1 => text()]
    }

    fn args() -> impl Strategy<Value = Vec<Arg>> {
        let number = prop_oneof![any::<f64>(), -2e6..2e6, -1e-3..1e-3, Just(1e15), Just(999999.5)];
        vec(prop_oneof![3 => text().prop_map(Arg::String), 1 => number.prop_map(Arg::Number)], 0..3)
    }

    fn backend() -> impl Strategy<Value = Backend> {
        let address = prop_oneof![3 => "(http|h2c|é)://[a-z0-9.-]{0,4}(:[0-9]{0,3})?", 1 => text()];
        let zone = prop_oneof![Just(String::new()), text()];
        let endpoint = (address.clone(), zone).prop_map(|(address, zone)| Endpoint { address, zone });
        prop_oneof![
            address.prop_map(Backend::Network),
            Just(Backend::Shunt),
            Just(Backend::Forward),
            (name(&["", "random"]), vec(endpoint, 0..3)).prop_map(|(algorithm, endpoints)| {
                Backend::LoadBalanced { algorithm, endpoints: endpoints.into() }
            }),
        ]
    }

    prop_compose! {
        fn route()(
            id in name(&["r"]),
            (path, method) in (prop::option::of(text()), prop::option::of(text())),
            (host_regexps, path_regexps) in (vec(text(), 0..2), vec(text(), 0..2)),
            headers in btree_map(text(), text(), 0..2),
            header_regexps in btree_map(text(), vec(text(), 1..2), 0..2),
            predicates in vec((name(&["Path", "Host", "Method", "Header", "PathRegexp", "Any", "P"]), args()), 0..3),
            filters in vec((name(&["f"]), args()), 0..2),
            backend in backend(),
        ) -> Route {
            Route {
                id, path, method, host_regexps, path_regexps, headers, header_regexps, backend,
                predicates: predicates.into_iter().map(|(name, args)| Predicate::new(name, args)).collect(),
                filters: filters.into_iter().map(|(name, args)| Filter::new(name, args)).collect(),
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2048))]
        #[test]
        fn what_is_sound_comes_back(routes in vec(route(), 1..4)) {
            let mut sound = Sound::default();
            for route in routes {
                if sound.is(&route) {
                    prop_assert_eq!(verify(&route), Verdict::Same);
                }
            }
        }
    }
}
