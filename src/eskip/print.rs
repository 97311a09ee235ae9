//! Routes to text: Skipper's canonical form on one line, to the byte.
//!
//! Not every value comes back when its text is parsed, nor does every text parse: addresses stand unescaped,
//! `<forward>` has no text at all, some numbers get an exponent. `verify` tells.

use std::fmt;

use super::url::query_escape;
use super::{Arg, Backend, Endpoint, Filter, Predicate, Route, number};

/// Prints `id: route;` for each route, a line each, without a newline at the end. One route alone that has no id is
/// printed without one.
pub fn print_document(routes: &[Route]) -> String {
    let mut out = String::new();
    match routes {
        [route] if route.id.is_empty() => route.append_to(&mut out),
        _ => {
            for (index, route) in routes.iter().enumerate() {
                if index > 0 {
                    out.push('\n');
                }
                print_definition(&mut out, route);
            }
        }
    }
    out
}

/// Appends `id: route;`.
pub fn print_definition(out: &mut String, route: &Route) {
    print_front(out, route);
    route.backend.append_to(out);
    out.push(';');
}

/// Appends what a definition has before its backend.
pub fn print_front(out: &mut String, route: &Route) {
    out.push_str(&route.id);
    out.push_str(": ");
    route.append_front_to(out);
}

/// The route without its id: `predicates -> filters -> backend`.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, |out| self.append_to(out))
    }
}

/// `Name(arguments)`; `Any()` too, which a route leaves out.
impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, |out| append_call(out, &self.name, &self.args))
    }
}

/// `name(arguments)`.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, |out| append_call(out, &self.name, &self.args))
    }
}

/// As it stands after the last `->`; nothing for `<forward>`.
impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, |out| self.append_to(out))
    }
}

fn display(f: &mut fmt::Formatter<'_>, append: impl FnOnce(&mut String)) -> fmt::Result {
    let mut out = String::new();
    append(&mut out);
    f.pad(&out)
}

impl Route {
    fn append_to(&self, out: &mut String) {
        self.append_front_to(out);
        self.backend.append_to(out);
    }

    fn append_front_to(&self, out: &mut String) {
        let begin = out.len();
        // Each condition is followed by its separator; the last one is taken back.
        const AND: &str = " && ";
        self.append_built_in(out, AND);
        for predicate in self.predicates.iter().filter(|predicate| predicate.name != "Any") {
            append_call(out, &predicate.name, &predicate.args);
            out.push_str(AND);
        }
        if out.len() == begin {
            out.push('*');
        } else {
            out.truncate(out.len() - AND.len());
        }
        for filter in &self.filters {
            out.push_str(" -> ");
            append_call(out, &filter.name, &filter.args);
        }
        out.push_str(" -> ");
    }

    fn append_built_in(&self, out: &mut String, after: &str) {
        let mut append = |name: &str, text: &str, delimiter: char| {
            out.push_str(name);
            out.push('(');
            append_escaped(out, text, delimiter);
            out.push(')');
            out.push_str(after);
        };
        if let Some(path) = self.path.as_deref().filter(|path| !path.is_empty()) {
            append("Path", path, '"');
        }
        self.host_regexps.iter().for_each(|host| append("Host", host, '/'));
        self.path_regexps.iter().for_each(|path| append("PathRegexp", path, '/'));
        if let Some(method) = self.method.as_deref().filter(|method| !method.is_empty()) {
            append("Method", method, '"');
        }
        let headers = self.headers.iter();
        append_sorted(out, headers.map(|(name, value)| ("Header", name, value, '"')), after);
        let headers = self.header_regexps.iter();
        let headers = headers.flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
        append_sorted(out, headers.map(|(name, value)| ("HeaderRegexp", name, value, '/')), after);
    }
}

impl Backend {
    /// Appends what it is displayed as.
    pub fn append_to(&self, out: &mut String) {
        match self {
            Self::Network(address) => {
                out.push('"');
                out.push_str(address);
                out.push('"');
            }
            Self::Shunt => out.push_str("<shunt>"),
            Self::Loopback => out.push_str("<loopback>"),
            Self::Dynamic => out.push_str("<dynamic>"),
            Self::Forward => {}
            Self::LoadBalanced { algorithm, endpoints } => {
                out.push('<');
                if !algorithm.is_empty() {
                    out.push_str(algorithm);
                    out.push_str(", ");
                }
                for (index, endpoint) in endpoints.iter().enumerate() {
                    if index > 0 {
                        out.push_str(", ");
                    }
                    endpoint.append_to(out);
                }
                out.push('>');
            }
        }
    }
}

impl Endpoint {
    fn append_to(&self, out: &mut String) {
        out.push('"');
        out.push_str(&self.address);
        if !self.zone.is_empty() {
            out.push_str("?zone=");
            out.push_str(&query_escape(&self.zone));
        }
        out.push('"');
    }
}

/// Appends predicates of two arguments, sorted by their texts and not by their values.
fn append_sorted<'a>(
    out: &mut String,
    predicates: impl Iterator<Item = (&'static str, &'a String, &'a String, char)>,
    after: &str,
) {
    let print = |(predicate, name, value, delimiter): (&str, &String, &String, char)| {
        let mut text = format!("{predicate}(");
        append_escaped(&mut text, name, '"');
        text.push_str(", ");
        append_escaped(&mut text, value, delimiter);
        text.push(')');
        text
    };
    let mut texts: Vec<_> = predicates.map(print).collect();
    texts.sort_unstable();
    for text in texts {
        out.push_str(&text);
        out.push_str(after);
    }
}

fn append_call(out: &mut String, name: &str, args: &[Arg]) {
    out.push_str(name);
    out.push('(');
    for (index, arg) in args.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        match arg {
            Arg::Number(number) => number::append(out, *number),
            Arg::String(text) => append_escaped(out, text, '"'),
        }
    }
    out.push(')');
}

/// Appends `text` between delimiters. A regular expression is escaped like a string, although the lexer undoes only
/// two of the escapes in it.
fn append_escaped(out: &mut String, text: &str, delimiter: char) {
    out.push(delimiter);
    let mut run = 0;
    for (at, byte) in text.bytes().enumerate() {
        let letter = match byte {
            b'\\' => '\\',
            0x07 => 'a',
            0x08 => 'b',
            0x0c => 'f',
            b'\n' => 'n',
            b'\r' => 'r',
            b'\t' => 't',
            0x0b => 'v',
            _ if char::from(byte) == delimiter => delimiter,
            _ => continue,
        };
        out.push_str(&text[run..at]);
        out.push('\\');
        out.push(letter);
        run = at + 1;
    }
    out.push_str(&text[run..]);
    out.push(delimiter);
}

#[cfg(test)]
mod tests;
