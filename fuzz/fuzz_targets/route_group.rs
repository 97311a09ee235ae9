//! Any JSON as a RouteGroup beside a sound one.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bellwether::laws::route_group(input));
