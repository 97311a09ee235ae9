//! Any routes to text and back.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| bellwether::laws::printer(input));
