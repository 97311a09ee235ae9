//! Our side: the compiler of the library, behind the flags of the command line.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bellwether::compile::{self, Compiled, ObjectRef, Past};
use bellwether::flags::{self, Parsed};
use bellwether::object::Objects;

use crate::generate::Cluster;

/// What we make of a cluster.
pub(super) struct Ours {
    /// The tables, and what is not in them.
    pub(super) compiled: Compiled,
    /// The objects that cannot be read.
    pub(super) misshapen: Vec<ObjectRef>,
}

/// Compiles a cluster after a `past`.
///
/// # Errors
///
/// Where we refuse the flags, or panic.
pub(super) fn compile(cluster: &Cluster, past: &Past) -> Result<Ours, String> {
    let arguments: Vec<_> = ["-manifests=.".to_owned()].into_iter().chain(cluster.flags.clone()).collect();
    let options = match flags::compile(&arguments) {
        Ok(Parsed::Run(options)) => options,
        Ok(_) => return Err("the flags ask for something else".to_owned()),
        Err(error) => return Err(format!("we refuse the flags: {error}")),
    };
    let (mut objects, misshapen) = Objects::from_values(cluster.objects.iter().cloned());
    if !options.namespace.is_empty() {
        objects.retain_namespace(&options.namespace);
    }
    objects.default_filters = cluster.default_filters.clone();
    let compiled = catch_unwind(AssertUnwindSafe(|| compile::compile(&objects, &options.compile, past)))
        .map_err(|_| "our compiler panics".to_owned())?;
    if let Some(panicked) = compiled.quarantined.iter().find(|left_out| left_out.reason.contains("panicked"))
    {
        return Err(format!("our compiler: {}", panicked.reason));
    }
    let misshapen = misshapen.into_iter().filter_map(|diagnostic| diagnostic.object).collect();
    Ok(Ours { compiled, misshapen })
}

impl Ours {
    /// All objects that we have something to say about.
    pub(super) fn complaints(&self) -> Vec<&ObjectRef> {
        let diagnosed = self.compiled.diagnostics.iter().filter_map(|diagnostic| diagnostic.object.as_ref());
        let left_out = self.compiled.quarantined.iter().map(|left_out| &left_out.object);
        let mut all: Vec<_> = self.misshapen.iter().chain(diagnosed).chain(left_out).collect();
        all.sort();
        all.dedup();
        all
    }
}
