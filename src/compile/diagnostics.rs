//! What the compiler says about its input.

use std::fmt;

use crate::object::Metadata;

/// The object that something was found in.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// `Ingress`, `RouteGroup`, …
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ObjectRef {
    /// The object of that kind that says `metadata` of itself.
    pub fn new(kind: &str, metadata: &Metadata) -> Self {
        Self { kind: kind.to_owned(), namespace: metadata.namespace.clone(), name: metadata.name.clone() }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// Something wrong with an object, that the rest of the table does not suffer from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where, if it is one object's.
    pub object: Option<ObjectRef>,
    /// What is wrong: one sentence fragment.
    pub reason: String,
    /// How to mend it; empty where the reason says it.
    pub hint: String,
}

/// Collects diagnostics in the order in which they are found; says each of them once, as the peer's log does.
#[derive(Debug, Default)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Notes what is wrong with `object`.
    pub fn add(&mut self, object: &ObjectRef, reason: impl Into<String>, hint: impl Into<String>) {
        self.push(Diagnostic { object: Some(object.clone()), reason: reason.into(), hint: hint.into() });
    }

    /// Notes what is wrong with the input as a whole.
    pub fn add_general(&mut self, reason: impl Into<String>, hint: impl Into<String>) {
        self.push(Diagnostic { object: None, reason: reason.into(), hint: hint.into() });
    }

    /// Notes what is wrong with `object`, or with the input as a whole where there is none.
    pub fn note(&mut self, object: Option<&ObjectRef>, reason: impl Into<String>, hint: impl Into<String>) {
        self.push(Diagnostic { object: object.cloned(), reason: reason.into(), hint: hint.into() });
    }

    /// All that was noted.
    pub fn into_vec(self) -> Vec<Diagnostic> {
        self.0
    }

    /// All that was noted, each once, in the order of the objects: what is general first.
    pub fn sorted(self) -> Vec<Diagnostic> {
        let mut all = self.0;
        all.sort_by(|a, b| a.object.cmp(&b.object));
        let mut sorted: Vec<Diagnostic> = Vec::with_capacity(all.len());
        for diagnostic in all {
            let mut same_object = sorted.iter().rev().take_while(|known| known.object == diagnostic.object);
            if !same_object.any(|known| *known == diagnostic) {
                sorted.push(diagnostic);
            }
        }
        sorted
    }

    fn push(&mut self, diagnostic: Diagnostic) {
        // An object's diagnostics follow each other, so an earlier equal one is near the end.
        let mut same_object = self.0.iter().rev().take_while(|known| known.object == diagnostic.object);
        if !same_object.any(|known| *known == diagnostic) {
            self.0.push(diagnostic);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_the_same_of_one_object_once() {
        let object = |name: &str| ObjectRef { name: name.to_owned(), ..ObjectRef::default() };
        let mut diagnostics = Diagnostics::default();
        for (name, reason) in [("a", "x"), ("a", "y"), ("a", "x"), ("b", "x")] {
            diagnostics.add(&object(name), reason, "");
        }
        let said: Vec<_> =
            diagnostics.into_vec().into_iter().map(|d| (d.object.unwrap().name, d.reason)).collect();
        let said: Vec<_> = said.iter().map(|(name, reason)| (name.as_str(), reason.as_str())).collect();
        assert_eq!(said, [("a", "x"), ("a", "y"), ("b", "x")]);
    }
}
