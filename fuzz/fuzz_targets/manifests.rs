//! Any file to objects, and those to tables.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bellwether::laws::manifests(input));
