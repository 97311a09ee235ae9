//! Our side: the compiler of the library, behind the flags of the command line.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bellwether::compile::{self, Compiled};
use bellwether::flags::{self, Parsed};
use bellwether::object::Objects;

use crate::generate::Cluster;

/// What we make of a cluster.
///
/// # Errors
///
/// Where we refuse the flags, or panic.
pub(super) fn compile(cluster: &Cluster) -> Result<Compiled, String> {
    let arguments: Vec<_> = ["-manifests=.".to_owned()].into_iter().chain(cluster.flags.clone()).collect();
    let options = match flags::compile(&arguments) {
        Ok(Parsed::Run(options)) => options,
        Ok(_) => return Err("the flags ask for something else".to_owned()),
        Err(error) => return Err(format!("we refuse the flags: {error}")),
    };
    let (mut objects, _) = Objects::from_values(cluster.objects.iter().cloned());
    if !options.namespace.is_empty() {
        objects.retain_namespace(&options.namespace);
    }
    objects.default_filters = cluster.default_filters.clone();
    catch_unwind(AssertUnwindSafe(|| compile::compile(&objects, &options.compile, &compile::Past::default())))
        .map_err(|_| "our compiler panics".to_owned())
}
