//! Generates the replication protocol's code with protox: no `protoc` is needed.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    const PROTO: &str = "proto/replication/v1/replication.proto";
    println!("cargo::rerun-if-changed={PROTO}");
    let files = protox::compile([PROTO], ["proto"])?;
    // `Bytes` fields share the frame's memory, so a received table is not copied.
    tonic_prost_build::configure().bytes(".").compile_fds(files)?;
    Ok(())
}
