//! What holds for any file that is read as manifests.

use std::path::Path;

use super::document::Syntax;
use super::take_in;
use crate::source::Reading;

/// Whatever a file holds, it is read as YAML, as JSON and by its looks; faults have a place in it, and what the objects
/// in it compile to obeys the law of tables.
pub fn manifests(bytes: &[u8]) {
    // A carriage return by itself ends a line of YAML too (YAML 1.2, 5.4).
    let lines = 1 + bytes.iter().filter(|&&byte| matches!(byte, b'\n' | b'\r')).count();
    for syntax in [None, Some(Syntax::Yaml), Some(Syntax::Json)] {
        let mut reading = Reading::default();
        take_in(&mut reading, Path::new("f"), syntax, bytes);
        for diagnostic in reading.diagnostics.iter().filter(|diagnostic| diagnostic.object.is_none()) {
            let line = diagnostic.reason.split(':').nth(1).and_then(|line| line.parse::<usize>().ok());
            assert!(line.is_some_and(|line| (1..=lines + 1).contains(&line)), "{diagnostic:?}");
        }
        crate::compile::laws::tables(&reading.objects);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// What files are made of.
    fn atom() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "---\n",
            "...\n",
            "kind: Ingress\n",
            "kind: RouteGroup\n",
            "kind: Service\n",
            "kind: List\n",
            "items:\n",
            "metadata:\n",
            "  name: a\n",
            "  namespace: b\n",
            "spec:\n",
            "  rules:\n",
            "  - host: a.b\n",
            "    http:\n",
            "      paths:\n",
            "      - path: /\n",
            "        backend: {service: {name: a, port: {number: 80}}}\n",
            "  ports: [{port: 80, targetPort: x}]\n",
            "  backends: [{name: n, type: shunt}]\n",
            "  - ",
            "  ",
            "? ",
            ": ",
            "&x ",
            "*x",
            "<<: *x\n",
            "!!binary ",
            "|\n",
            ">-\n",
            "\"",
            "'",
            "{",
            "}",
            "[",
            "]",
            ",",
            "#",
            "%YAML 1.2\n",
            "\n",
            "\t",
            "\u{feff}",
            "é",
            "0x1f",
            "1e999",
            ".nan",
            "null",
            "~",
            "\r\n",
            "- - - ",
            "{\"kind\": \"Ingress\"}",
            "{\"kind\": \"IngressList\", \"items\": [{}]}",
        ])
    }

    proptest! {
        #[test]
        fn of_pieces_of_manifests(atoms in vec(atom(), 0..24)) {
            super::manifests(atoms.concat().as_bytes());
        }

        #[test]
        fn of_lines_that_end_in_carriage_returns(ends in vec(prop::sample::select(vec!["\r", "\n", "\r\n"]), 0..80)) {
            super::manifests(format!("{{\"a(\": \"{}\"b", ends.concat()).as_bytes());
        }

        #[test]
        fn of_any_bytes(bytes in vec(any::<u8>(), 0..64)) {
            super::manifests(&bytes);
        }
    }
}
