//! Any request for a table.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| bellwether::laws::request(input));
