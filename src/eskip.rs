//! Eskip, Skipper's route language: values, parser, canonical printer.
//!
//! The reference is Skipper v0.27.65 (`eskip/`): what its parser accepts and what its printer writes, byte for byte.
//! In comes text or a [`Route`], out comes the other. A text that does not parse gives a [`ParseError`]; a route whose
//! text does not parse back to it is found by [`verify`].

mod canonical;
mod endpoint;
mod error;
mod go_sort;
mod hint;
#[cfg(any(test, fuzzing))]
pub(crate) mod laws;
mod lexer;
mod number;
mod parser;
mod percent;
mod print;
mod resolve;
mod route;
mod split;
mod url;
mod verify;

pub use canonical::are_equivalent;
pub use error::{ParseError, Problem};
pub use parser::{parse, parse_filters, parse_predicates};
pub use print::{print_definition, print_document, print_front};
pub use route::{Arg, Backend, Endpoint, Filter, Predicate, Route};
pub use split::{Piece, SplitError, split};
pub use url::{Url, query_escape};
pub use verify::{Verdict, verify, verify_printed};

#[cfg(test)]
mod properties;
