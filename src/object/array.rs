//! The elements of a JSON array, one after the other: no more than one of them is a tree at a time.
//!
//! In: the text, and who takes them. Out: whether it was an array, and all were taken.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

use super::decode::DecodeError;
use super::node::Node;

struct Elements<F>(F);

/// Gives each element of the array `text` to `take`. Ends at the first thing that is wrong.
pub(super) fn read(text: &str, take: impl FnMut(&Node<'_>) -> Result<(), DecodeError>) -> bool {
    let mut reader = serde_json::Deserializer::from_str(text);
    Elements(take).deserialize(&mut reader).and_then(|()| reader.end()).is_ok()
}

impl<'de, F: FnMut(&Node<'_>) -> Result<(), DecodeError>> DeserializeSeed<'de> for Elements<F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(&Node<'_>) -> Result<(), DecodeError>> Visitor<'de> for Elements<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while let Some(node) = seq.next_element::<Node<'de>>()? {
            (self.0)(&node).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, Objects};

    #[test]
    fn an_array_is_read_as_its_elements_are() {
        let texts =
            [r#"{"metadata": {"name": "a"}, "spec": {"ports": [null]}}"#, r#"{"METADATA": null}"#, "null"];
        let mut one_by_one = Objects::default();
        texts.iter().for_each(|text| one_by_one.add_text(Kind::Service, text).unwrap());
        let at_once = Objects::of_array(Kind::Service, &format!("[{}]", texts.join(", "))).unwrap();
        assert_eq!(at_once.services, one_by_one.services);
        assert_eq!(Objects::of_array(Kind::Service, "[]").unwrap().count(), 0);
    }

    #[test]
    fn with_one_that_is_put_aside_there_is_none() {
        for text in ["", "{}", "[{}", "[{}]]", "[{}, 5]", r#"[{"spec": {"ports": 1}}]"#] {
            assert!(Objects::of_array(Kind::Service, text).is_none(), "{text}");
        }
    }
}
