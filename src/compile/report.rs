//! What a compilation has to say of itself, as JSON for scripts and people.

use serde::Serialize;

use super::{Compiled, Diagnostic, Quarantined};

/// The report of `bellwether compile`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many routes the table has: `X-Count`.
    pub count: usize,
    /// The SHA-256 of its bytes in hexadecimal digits: what its ETag is made of.
    pub digest: String,
    /// What was left out of it.
    pub quarantined: Vec<LeftOut>,
    /// What was wrong with the input.
    pub diagnostics: Vec<Remark>,
}

/// A route that was left out, and the object to mend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// The id of the route; empty where the whole object is left out.
    pub route: String,
    /// The kind of the object; empty where the settings alone made the route.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Why it would break the table.
    pub reason: String,
}

/// Something that is wrong with the input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// The kind of the object; empty, as the next two, where it is not one object's.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What is wrong.
    pub reason: String,
    /// How to mend it; empty where the reason says it.
    pub hint: String,
}

impl Report {
    /// The report on `compiled`, with count and digest of the table that clients in `zone` get.
    pub fn new(compiled: &Compiled, zone: Option<&str>) -> Self {
        let table = compiled.table_for(zone);
        Self {
            count: table.count,
            digest: table.packed.digest().to_string(),
            quarantined: compiled.quarantined.iter().map(LeftOut::from).collect(),
            diagnostics: compiled.diagnostics.iter().map(Remark::from).collect(),
        }
    }
}

impl From<&Quarantined> for LeftOut {
    fn from(quarantined: &Quarantined) -> Self {
        let object = quarantined.object.clone();
        Self {
            route: quarantined.route.clone(),
            kind: object.kind,
            namespace: object.namespace,
            name: object.name,
            reason: quarantined.reason.clone(),
        }
    }
}

impl From<&Diagnostic> for Remark {
    fn from(diagnostic: &Diagnostic) -> Self {
        let object = diagnostic.object.clone().unwrap_or_default();
        Self {
            kind: object.kind,
            namespace: object.namespace,
            name: object.name,
            reason: diagnostic.reason.clone(),
            hint: diagnostic.hint.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::{ObjectRef, Text};
    use crate::snapshot::Digest;

    #[test]
    fn report_is_the_json_that_scripts_read() {
        let object =
            ObjectRef { kind: "Ingress".to_owned(), namespace: "n".to_owned(), name: "i".to_owned() };
        let compiled = Compiled {
            table: Text { packed: "a: * -> <shunt>;".into(), count: 1 },
            quarantined: vec![Quarantined {
                route: "r".to_owned(),
                object,
                reason: "x".to_owned(),
                ..Quarantined::default()
            }],
            ..Compiled::default()
        };
        let digest = Digest::of(b"a: * -> <shunt>;").to_string();
        assert_eq!(
            serde_json::to_value(Report::new(&compiled, None)).unwrap(),
            serde_json::json!({
                "count": 1,
                "digest": digest,
                "quarantined": [
                    {"route": "r", "kind": "Ingress", "namespace": "n", "name": "i", "reason": "x"}
                ],
                "diagnostics": [],
            })
        );
    }
}
