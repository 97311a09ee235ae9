//! One route of an Eskip document: what an upstream has that compiles by itself.
//!
//! In: a document and its name. Out: its definitions, in its order; those that have not changed are shared with the reading
//! before, and cost a look-up. What can go wrong: a definition that is no route is kept with its flaw, so that its last good route
//! can stay; a document whose definitions cannot be told from each other is none.

use std::collections::HashMap;
use std::sync::Arc;

use crate::compile::{Diagnostic, ObjectRef};
use crate::eskip::{self, Piece, SplitError};

use super::Metadata;

/// A definition of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// Its name is the id of the route, its namespace the name of the document. Its version is the digest of its text.
    pub metadata: Metadata,
    /// `id: …;`, as the upstream has it.
    pub text: String,
    /// Why it is no route, if it is none, with the line that it begins on.
    pub flaw: Option<String>,
}

impl Definition {
    /// What its kind is called, in a place where those of Kubernetes stand too.
    pub const KIND: &str = "Definition";

    /// The definitions of `text`, a document of that name; `before` are those that it had. Of two with one id the last is taken,
    /// as by a Skipper that reads the document; the diagnostics say so.
    ///
    /// # Errors
    ///
    /// Where it cannot be told what its definitions are.
    pub fn of_document(
        document: &str,
        text: &str,
        before: &[Arc<Self>],
    ) -> Result<(Vec<Arc<Self>>, Vec<Diagnostic>), SplitError> {
        let pieces = eskip::split(text)?;
        let before: HashMap<_, _> = before.iter().map(|it| (it.metadata.name.as_str(), it)).collect();
        let last: HashMap<_, _> = pieces.iter().map(|piece| (piece.id, std::ptr::from_ref(piece))).collect();
        let (taken, replaced): (Vec<_>, Vec<_>) =
            pieces.iter().partition(|piece| std::ptr::eq(last[piece.id], *piece));
        let definitions = taken.into_iter().map(|piece| {
            let known = before.get(piece.id).filter(|known| known.text == piece.text && known.flaw.is_none());
            known.map_or_else(|| Arc::new(Self::new(document, piece)), |known| Arc::clone(known))
        });
        let said = replaced.into_iter().map(|piece| Diagnostic {
            object: None,
            reason: format!("{document}:{}: {} is defined again further down", piece.line, piece.id),
            hint: "rename one of the two; the last one is taken".to_owned(),
        });
        Ok((definitions.collect(), said.collect()))
    }

    fn new(document: &str, piece: &Piece<'_>) -> Self {
        let Piece { id, line, text } = piece;
        let flaw = match eskip::parse(text) {
            Ok(_) => None,
            Err(error) if error.hint.is_empty() => Some(error.problem.to_string()),
            Err(error) => Some(format!("{}; {}", error.problem, error.hint)),
        };
        let version = blake3::hash(text.as_bytes()).to_hex();
        let metadata = Metadata {
            namespace: document.to_owned(),
            name: (*id).to_owned(),
            // Nothing tells it from one of its id that was there before: it is that one.
            uid: (*id).to_owned(),
            resource_version: version[..32].to_owned(),
            ..Metadata::default()
        };
        let flaw = flaw.map(|flaw| format!("{document}:{line}: {flaw}"));
        Self { metadata, text: text.clone().into_owned(), flaw }
    }

    /// Its name among the objects.
    pub fn object(&self) -> ObjectRef {
        ObjectRef::new(Self::KIND, &self.metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, before: &[Arc<Definition>]) -> (Vec<Arc<Definition>>, Vec<Diagnostic>) {
        Definition::of_document("d.eskip", text, before).unwrap()
    }

    #[test]
    fn what_has_not_changed_is_shared() {
        let (first, _) = read("a: * -> <shunt>; b: * -> <shunt>; c: * -> ;", &[]);
        let (next, _) = read("\na: * -> <shunt>; x: * -> <shunt>; b: * -> <loopback>;\nc: * -> ;", &first);
        let shared: Vec<_> = next.iter().map(|it| first.iter().any(|old| Arc::ptr_eq(old, it))).collect();
        assert_eq!(shared, [true, false, false, false]);
        assert_eq!(first[0].object().to_string(), "Definition d.eskip/a");
        assert_ne!(first[1].metadata.resource_version, next[2].metadata.resource_version);
        assert_eq!(first[2].metadata.resource_version, next[3].metadata.resource_version);
        let flaws: Vec<_> = next.iter().filter_map(|it| it.flaw.as_deref()).collect();
        assert!(flaws.len() == 1 && flaws[0].starts_with("d.eskip:3: expected a backend"), "{flaws:?}");
    }

    #[test]
    fn of_two_with_one_id_the_last_is_taken() {
        let (definitions, said) =
            read("a: * -> <shunt>;\nb: * -> <shunt>; b: * -> <shunt>;\na: * -> <loopback>;", &[]);
        let texts: Vec<_> = definitions.iter().map(|it| it.text.as_str()).collect();
        assert_eq!(texts, ["b: * -> <shunt>;", "a: * -> <loopback>;"]);
        let said: Vec<_> = said.iter().map(|it| it.reason.as_str()).collect();
        let again =
            ["d.eskip:1: a is defined again further down", "d.eskip:2: b is defined again further down"];
        assert_eq!(said, again);
    }
}
