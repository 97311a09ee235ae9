//! Any text to tokens.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| bellwether::laws::lexer(input));
