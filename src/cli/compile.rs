//! `bellwether compile`: manifests to the exact bytes that a route server would serve.

use std::fs;

use super::{CliError, block_on, print};
use crate::compile::{self, Diagnostic, Past, Report};
use crate::flags::{CompileOptions, Note};
use crate::source::{Manifests, ObjectSource as _};
use crate::telemetry;

/// Prints the table, and writes the report where one is asked for, also for an empty table.
///
/// # Errors
///
/// Where the manifests cannot be read, the report cannot be written, or the table is empty.
pub(super) fn run(options: &CompileOptions) -> Result<(), CliError> {
    telemetry::start(&options.log);
    options.notes.iter().for_each(Note::log);
    let mut source = Manifests::new(options.manifests.clone(), options.default_filters_dir.clone())
        .only(options.namespace.clone());
    let mut reading = block_on(source.read())?.map_err(|error| CliError::Failed(error.to_string()))?;
    let mut compiled = compile::compile(&reading.objects, &options.compile, &Past::default());
    reading.diagnostics.append(&mut compiled.diagnostics);
    compiled.diagnostics = reading.diagnostics;
    compiled.diagnostics.iter().for_each(log);

    let zone = options.zone.as_deref();
    if let Some(path) = &options.report {
        let mut json =
            serde_json::to_vec_pretty(&Report::new(&compiled, zone)).expect("a report is plain data");
        json.push(b'\n');
        fs::write(path, json).map_err(|error| {
            CliError::Failed(format!("-report: {} cannot be written: {error}", path.display()))
        })?;
    }
    let table = compiled.table_for(zone);
    if table.count == 0 {
        return Err(CliError::EmptyTable);
    }
    print(&table.eskip())
}

fn log(diagnostic: &Diagnostic) {
    let object = diagnostic.object.as_ref();
    let name = object.map(|object| format!("{} {}/{}", object.kind, object.namespace, object.name));
    tracing::warn!(object = name, hint = diagnostic.hint, "{}", diagnostic.reason);
}
