//! From what the grammar gives to what a route is: built-in predicates go to fields of their own, endpoints are
//! checked and lose their zone.

use super::endpoint;
use super::error::{Fault, Problem};
use super::{Arg, Backend, Endpoint, Filter, Predicate, Route};

/// The predicates of a route, each in its place.
pub(super) struct Conditions(Route);

impl Conditions {
    /// Sorts the predicates, each with its position, into the fields of a route.
    ///
    /// An empty path or method is none, as with Skipper; it still may not be given twice.
    pub fn of(predicates: Vec<(usize, Predicate)>) -> Result<Self, Fault> {
        let mut route = Route::default();
        let (mut has_path, mut has_method) = (false, false);
        for (at, predicate) in predicates {
            let once = |seen: &mut bool, name| {
                if std::mem::replace(seen, true) { Err(fault(at, Problem::Repeated(name))) } else { Ok(()) }
            };
            match predicate.name.as_str() {
                "Path" => {
                    once(&mut has_path, "Path")?;
                    let [path] = strings(at, predicate)?;
                    route.path = Some(path).filter(|path| !path.is_empty());
                }
                "Method" => {
                    once(&mut has_method, "Method")?;
                    let [method] = strings(at, predicate)?;
                    route.method = Some(method).filter(|method| !method.is_empty());
                }
                "Host" => {
                    let [host] = strings(at, predicate)?;
                    route.host_regexps.push(host);
                }
                "PathRegexp" => {
                    let [path] = strings(at, predicate)?;
                    route.path_regexps.push(path);
                }
                "Header" => {
                    let [name, value] = strings(at, predicate)?;
                    if route.headers.contains_key(&name) {
                        return Err(fault(at, Problem::RepeatedHeader(name)));
                    }
                    route.headers.insert(name, value);
                }
                "HeaderRegexp" => {
                    let [name, value] = strings(at, predicate)?;
                    route.header_regexps.entry(name).or_default().push(value);
                }
                "Any" => {}
                _ => route.predicates.push(predicate),
            }
        }
        Ok(Self(route))
    }

    /// The route with these conditions.
    pub fn route(self, id: &str, filters: Vec<Filter>, backend: Backend) -> Route {
        Route { id: id.to_owned(), filters, backend, ..self.0 }
    }
}

/// The arguments of a predicate that takes exactly `N` strings.
fn strings<const N: usize>(at: usize, predicate: Predicate) -> Result<[String; N], Fault> {
    let mismatch = Problem::Arguments { predicate: predicate.name, count: N };
    let strings: Option<Vec<String>> = predicate
        .args
        .into_iter()
        .map(|arg| match arg {
            Arg::String(text) => Some(text),
            Arg::Number(_) => None,
        })
        .collect();
    strings.and_then(|strings| strings.try_into().ok()).ok_or_else(|| fault(at, mismatch))
}

/// The endpoints of one backend. All have the same scheme.
#[derive(Default)]
pub(super) struct Endpoints {
    pub list: Vec<Endpoint>,
    scheme: String,
}

impl Endpoints {
    /// Adds the endpoint `text` that stands at the position `at`.
    pub fn push(&mut self, at: usize, text: &str) -> Result<(), Fault> {
        let scheme = endpoint::scheme(text)
            .map_err(|reason| fault(at, Problem::Endpoint { address: text.to_owned(), reason }))?;
        if !self.scheme.is_empty() && self.scheme != scheme {
            return Err(fault(at, Problem::MixedSchemes(text.to_owned())));
        }
        self.scheme = scheme;
        self.list.push(Endpoint::from(text));
        Ok(())
    }
}

fn fault(at: usize, problem: Problem) -> Fault {
    Fault { offset: at, peer_position: at, problem, hint: "" }
}

#[cfg(test)]
mod tests;
