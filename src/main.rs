//! The program `bellwether`; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Fails only where a provider is installed already; then there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    bellwether::cli::main(std::env::args_os().skip(1))
}
