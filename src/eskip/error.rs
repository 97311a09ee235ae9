//! What is wrong with a text that does not parse: where, what was found, what would have been right, and a hint.

use std::fmt;

/// Why a text is not Eskip. Positions are those of the text as it was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}line {line}, column {column}: {problem}{}", RouteName(.route), Hint(.hint))]
pub struct ParseError {
    /// Where the offending token begins, in bytes from the beginning.
    pub offset: usize,
    /// The line of `offset`, from 1.
    pub line: usize,
    /// The column of `offset` in characters, from 1.
    pub column: usize,
    /// The position that Skipper would name: for a syntax error, how many bytes (without leading white space of a
    /// predicate or filter list) its lexer has consumed. For other problems Skipper names none; then it is `offset`.
    /// (After a number that ends in a dot Skipper sometimes reads one token more.)
    pub peer_position: usize,
    /// The id of the last route that was begun; empty where there is none.
    pub route: String,
    /// What is wrong.
    pub problem: Problem,
    /// How to mend it, where that can be guessed; else empty.
    pub hint: &'static str,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The text is not in the grammar.
    #[error("expected {expected}, found {found}")]
    Syntax {
        /// What would have been right here.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A built-in predicate has other arguments than its fixed number of strings.
    #[error("{predicate} takes {count} string argument{}", if *.count == 1 { "" } else { "s" })]
    Arguments {
        /// The predicate's name.
        predicate: String,
        /// How many strings it takes.
        count: usize,
    },
    /// `Path` or `Method` twice in one route.
    #[error("{0} may appear only once in a route")]
    Repeated(&'static str),
    /// `Header` twice in one route for the same name.
    #[error("Header may appear only once in a route for the name {0:?}")]
    RepeatedHeader(String),
    /// An endpoint that is not an absolute URL.
    #[error("endpoint {address:?} is not a URL: {reason}")]
    Endpoint {
        /// The endpoint.
        address: String,
        /// Why not.
        reason: &'static str,
    },
    /// Endpoints of one backend with different schemes.
    #[error("endpoint {0:?} has another scheme than the one before it")]
    MixedSchemes(String),
}

/// Where a problem is found while parsing, before line and column are worked out.
#[derive(Debug)]
pub(super) struct Fault {
    pub offset: usize,
    pub peer_position: usize,
    pub problem: Problem,
    pub hint: &'static str,
}

impl Fault {
    /// The error about `text`, in which `route` is the last route that was begun.
    pub fn locate(self, text: &str, route: &str) -> ParseError {
        let before = &text[..self.offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        ParseError {
            offset: self.offset,
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            peer_position: self.peer_position,
            route: route.to_owned(),
            problem: self.problem,
            hint: self.hint,
        }
    }
}

struct RouteName<'a>(&'a str);

impl fmt::Display for RouteName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "route {}: ", self.0) }
    }
}

struct Hint<'a>(&'a str);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "; {}", self.0) }
    }
}
