//! Eskip, Skipper's route language: values, parser, canonical printer.
//!
//! The reference is Skipper v0.27.65 (`eskip/`): what its parser accepts and what its printer writes, byte for byte.

mod route;

pub use route::{Arg, Backend, Endpoint, Filter, Predicate, Route};
