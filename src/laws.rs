//! What holds for any input, stated once: property tests draw inputs for it, the fuzzers under `fuzz/` look for others,
//! and `cargo test` repeats what they have found. Each law panics where it is broken.
//!
//! Only tests and fuzzers have this module.

pub use crate::compile::laws::route_group;
pub use crate::eskip::laws::{lexer, parser, printer};
pub use crate::serve::laws::request;
pub use crate::source::manifests::laws::manifests;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// What the fuzzers start from, and what they found once.
    fn seeds(target: &str, law: impl Fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let mut count = 0;
        for entry in fs::read_dir(folder).unwrap() {
            law(&fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 1, "{target} has no seeds");
    }

    fn texts(target: &str, law: fn(&str)) {
        seeds(target, |bytes| law(std::str::from_utf8(bytes).unwrap()));
    }

    #[test]
    fn seeds_of_the_language() {
        texts("lexer", super::lexer);
        texts("parser", super::parser);
        texts("printer", super::printer);
    }

    #[test]
    fn seeds_of_objects() {
        seeds("manifests", super::manifests);
        seeds("route_group", super::route_group);
    }

    #[test]
    fn seeds_of_requests() {
        texts("request", super::request);
    }
}
