//! JSON as it is decoded: texts stay where they are, and what nobody reads is passed over.
//!
//! In: the text of one object, or a value. Out: a tree that borrows from it. Of all that an API server writes
//! `metadata.managedFields` is often half, and no field of it is used. What can go wrong: a text that is no JSON.

use std::borrow::Cow;
use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Number, Value};

/// A value of JSON.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    List(Vec<Node<'a>>),
    Object(Entries<'a>),
}

/// The fields of an object, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Entries<'a>(Vec<(Cow<'a, str>, Node<'a>)>);

/// Where in an object a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    Metadata,
    Elsewhere,
}

/// The name of a field.
struct Name;

impl<'a> Node<'a> {
    /// The object of that text.
    ///
    /// # Errors
    ///
    /// Where it is no JSON, or nested too deeply.
    pub(super) fn read(text: &'a str) -> Result<Self, serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let node = Self::deserialize(&mut reader)?;
        reader.end().map(|()| node)
    }

    /// The same from a value.
    pub(super) fn of(value: &'a Value) -> Self {
        Place::Top.deserialize(value).unwrap_or(Self::Null)
    }
}

impl<'a> Entries<'a> {
    /// The field of that name. Of several of one name the last one counts; of those in another case, if there is none in
    /// this one, the first by the alphabet.
    pub(super) fn get(&self, name: &str) -> Option<&Node<'a>> {
        let exact = self.0.iter().rev().find(|(key, _)| key == name);
        let folded = || {
            let same = self.0.iter().rev().filter(|(key, _)| key.eq_ignore_ascii_case(name));
            same.reduce(|first, next| if next.0 < first.0 { next } else { first })
        };
        exact.or_else(folded).map(|(_, node)| node)
    }

    /// All fields; of several of one name the last one is to count.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Node<'a>)> {
        self.0.iter().map(|(key, node)| (&**key, node))
    }
}

/// One object.
impl<'de> Deserialize<'de> for Node<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Place::Top.deserialize(deserializer)
    }
}

impl<'de> DeserializeSeed<'de> for Place {
    type Value = Node<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Number::from_f64(value).map_or(Node::Null, Node::Number))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Node::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Node::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = seq.next_element_seed(Self::Elsewhere)? {
            list.push(node);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key_seed(Name)? {
            let place = match (self, &*key) {
                (Self::Metadata, "managedFields") => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                (Self::Top, "metadata") => Self::Metadata,
                _ => Self::Elsewhere,
            };
            entries.push((key, map.next_value_seed(place)?));
        }
        Ok(Node::Object(Entries(entries)))
    }
}

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn managed_fields_are_passed_over_where_they_stand() {
        let text = r#"{"metadata": {"managedFields": [{"a": [1]}], "name": "x"}, "managedFields": 1}"#;
        let without = r#"{"metadata": {"name": "x"}, "managedFields": 1}"#;
        assert_eq!(Node::read(text).unwrap(), Node::read(without).unwrap());
        assert!(
            matches!(Node::read(r#"{"managedFields": 1}"#).unwrap(), Node::Object(all) if all.0.len() == 1)
        );
    }

    #[test]
    fn the_last_of_a_name_counts_and_the_right_case_before_others() {
        let Node::Object(all) = Node::read(r#"{"a": 1, "A": 2, "a": 3, "Bb": 4, "BB": 5}"#).unwrap() else {
            panic!("it is an object");
        };
        let number = |name| all.get(name).map(|node| node.clone() == Node::Number(3.into()));
        assert_eq!((number("a"), number("c")), (Some(true), None));
        assert_eq!(all.get("bb"), Some(&Node::Number(5.into())));
    }

    #[test]
    fn what_is_no_json_is_an_error() {
        for text in ["", "{", "1 2", "{\"a\" 1}", "\"\\x\"", &"[".repeat(200)] {
            assert!(Node::read(text).is_err(), "{text}");
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1e9..1e9).prop_map(Value::from),
            ".{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("[a-c\"\\\\é]{0,2}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_text_and_its_value_are_one(value in value()) {
            let text = value.to_string();
            // What is read is another number than what was written, in the last digit.
            let read: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(Node::read(&text).unwrap(), Node::of(&read));
        }
    }
}
