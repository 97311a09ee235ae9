//! Objects to a table: pure, deterministic, no clock, no network.

mod algorithm;
mod annotations;
mod assembly;
mod cluster;
mod context;
mod diagnostics;
mod hosts;
mod ingress;
mod names;
mod redirect;
mod settings;
mod sourced;
mod synthetic;
mod traffic;

use std::collections::BTreeMap;

use crate::object::Objects;

use context::Context;

pub use diagnostics::{Diagnostic, Diagnostics, ObjectRef};
pub use settings::{AnnotationFilters, AnnotationPredicates, PathMode, Rewrite, Settings, TrafficAlgorithm};
pub use sourced::SourcedRoute;

/// What a compilation gives.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    /// The main table.
    pub table: Text,
    /// The tables of the zones that differ from the main one.
    pub zones: BTreeMap<String, Text>,
    /// What was wrong with the input, in the order of the objects.
    pub diagnostics: Vec<Diagnostic>,
    /// Routes that would not survive printing and parsing, and so are left out.
    pub quarantined: Vec<Quarantined>,
}

/// A printed table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// The canonical Eskip document, without a newline at its end.
    pub eskip: String,
    /// How many routes it has.
    pub count: usize,
}

/// A route that is left out of the table, because no Skipper could parse the table with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// The id of the route.
    pub route: String,
    /// The object that it comes from.
    pub object: ObjectRef,
    /// Why it would break the table.
    pub reason: String,
}

/// Compiles `objects` under `settings`.
pub fn compile(objects: &Objects, settings: &Settings) -> Compiled {
    let _ = (objects, settings);
    Compiled::default()
}
