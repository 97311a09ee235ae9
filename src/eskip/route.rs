//! Routes as values. Built-in predicates have fields of their own, because the canonical printer treats them
//! apart: it writes them first, in a fixed order, and in forms of their own.

use std::collections::BTreeMap;
use std::sync::Arc;

/// One route: what matches it, what is done on the way, and where it leads.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Route {
    /// The name; unique in a table.
    pub id: String,
    /// `Path("…")`. An empty one is none to the peer: it is neither printed nor kept by the parser.
    pub path: Option<String>,
    /// `Host(/…/)`, all of which must match.
    pub host_regexps: Vec<String>,
    /// `PathRegexp(/…/)`, all of which must match.
    pub path_regexps: Vec<String>,
    /// `Method("…")`. An empty one is none, likewise.
    pub method: Option<String>,
    /// `Header("name", "value")`; a name at most once.
    pub headers: BTreeMap<String, String>,
    /// `HeaderRegexp("name", /…/)`.
    pub header_regexps: BTreeMap<String, Vec<String>>,
    /// All other predicates, in their order.
    pub predicates: Vec<Predicate>,
    /// The filters, in their order.
    pub filters: Vec<Filter>,
    /// Where a matching request goes.
    pub backend: Backend,
}

/// A condition on a request, by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Predicate {
    /// Its name, as `Traffic`.
    pub name: String,
    /// Its arguments, in order.
    pub args: Vec<Arg>,
}

/// A step on the way of a request or a response, by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// Its name, as `setPath`.
    pub name: String,
    /// Its arguments, in order.
    pub args: Vec<Arg>,
}

/// An argument of a predicate or a filter. Strings and regular expressions are the same to the peer.
#[derive(Clone, Debug, PartialEq)]
pub enum Arg {
    /// A number, printed as Go's `%g` would, or in full where it is integral.
    Number(f64),
    /// A string or a regular expression.
    String(String),
}

/// Where a route leads.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Backend {
    /// One address: `"http://10.0.0.1:80"`.
    Network(String),
    /// `<shunt>`: the filters answer.
    #[default]
    Shunt,
    /// `<loopback>`: match again with the changed request.
    Loopback,
    /// `<dynamic>`: the filters set the address.
    Dynamic,
    /// `<forward>`: to the address that the data client was given. It has no printed form.
    Forward,
    /// `<algorithm, "…", "…">`.
    LoadBalanced {
        /// The algorithm's name; empty where none was given.
        algorithm: String,
        /// The endpoints, in their order. Routes to one Service share them.
        endpoints: Arc<[Endpoint]>,
    },
}

/// One endpoint of a load-balanced backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// The address, with scheme and port.
    pub address: String,
    /// The topology zone; empty where unknown. Printed as `?zone=`.
    pub zone: String,
}

impl Predicate {
    /// The predicate `name(args…)`.
    pub fn new(name: impl Into<String>, args: impl IntoIterator<Item = Arg>) -> Self {
        Self { name: name.into(), args: args.into_iter().collect() }
    }
}

impl Filter {
    /// The filter `name(args…)`.
    pub fn new(name: impl Into<String>, args: impl IntoIterator<Item = Arg>) -> Self {
        Self { name: name.into(), args: args.into_iter().collect() }
    }
}

impl From<&str> for Arg {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Arg {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<f64> for Arg {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}
