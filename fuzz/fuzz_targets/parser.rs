//! Any text to routes, predicates and filters.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| bellwether::laws::parser(input));
