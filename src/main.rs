//! The program `bellwether`; everything is in the library.

use std::process::ExitCode;

/// The choice and its figures: docs/decisions/0007-jemalloc.md.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // Fails only where a provider is installed already; then there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    bellwether::cli::main(std::env::args_os().skip(1))
}
