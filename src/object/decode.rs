//! Decoding with the leniency of the peer's language: names of fields in any case, null is absent, absent is zero,
//! unknown fields are ignored. Unlike there, a wrong type is the error of one object and not of the whole list.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::node::{Entries, Node};

/// A field of another type than its kind wants.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct DecodeError {
    path: String,
    problem: String,
}

/// What can be read from the fields of a JSON object.
pub(super) trait Decode: Sized {
    fn decode(fields: &Fields<'_>) -> Result<Self, DecodeError>;
}

/// The fields of one JSON object.
pub(super) struct Fields<'a>(Option<&'a Entries<'a>>);

impl<'a> Fields<'a> {
    /// The fields of `value`; null has none.
    pub(super) fn of(value: &'a Node<'a>) -> Result<Self, DecodeError> {
        match value {
            Node::Null => Ok(Self(None)),
            Node::Object(entries) => Ok(Self(Some(entries))),
            other => Err(DecodeError::unexpected("an object", other)),
        }
    }

    /// No fields at all.
    pub(super) const fn none() -> Self {
        Self(None)
    }

    fn get(&self, name: &str) -> Option<&'a Node<'a>> {
        self.0?.get(name).filter(|node| **node != Node::Null)
    }

    fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(&'a Node<'a>) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        self.get(name).map(|value| read(value).map_err(|error| error.within(name))).transpose()
    }

    /// The value itself, for a field of several types.
    pub(super) fn value(&self, name: &str) -> Option<&'a Node<'a>> {
        self.get(name)
    }

    pub(super) fn text(&self, name: &str) -> Result<String, DecodeError> {
        Ok(self.read(name, text)?.unwrap_or_default())
    }

    pub(super) fn integer(&self, name: &str) -> Result<i64, DecodeError> {
        Ok(self.read(name, integer)?.unwrap_or_default())
    }

    pub(super) fn boolean(&self, name: &str) -> Result<Option<bool>, DecodeError> {
        self.read(name, |value| match value {
            Node::Bool(value) => Ok(*value),
            other => Err(DecodeError::unexpected("true or false", other)),
        })
    }

    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, DecodeError> {
        Ok(self.read(name, |value| elements(value, text_or_empty))?.unwrap_or_default())
    }

    pub(super) fn texts_by_name(&self, name: &str) -> Result<BTreeMap<String, String>, DecodeError> {
        let entries = self.read(name, |value| {
            let fields = Fields::of(value)?;
            let entry = |(key, value): (&str, &Node<'_>)| {
                Ok((key.to_owned(), text_or_empty(value).map_err(|error| error.within(key))?))
            };
            fields.0.into_iter().flat_map(Entries::iter).map(entry).collect()
        })?;
        Ok(entries.unwrap_or_default())
    }

    /// Those entries that are texts, where others may be anything.
    pub(super) fn readable_texts(&self, name: &str) -> BTreeMap<String, String> {
        let text = |(key, value): (&str, &Node<'_>)| Some((key.to_owned(), text(value).ok()?));
        self.readable(name).0.into_iter().flat_map(Entries::iter).filter_map(text).collect()
    }

    /// The fields of the object of that name; none where it is no object.
    pub(super) fn readable(&self, name: &str) -> Fields<'a> {
        match self.get(name) {
            Some(Node::Object(entries)) => Self(Some(entries)),
            _ => Self(None),
        }
    }

    pub(super) fn object<T: Decode>(&self, name: &str) -> Result<Option<T>, DecodeError> {
        self.read(name, |value| T::decode(&Fields::of(value)?))
    }

    /// The objects of a list; an absent list is none, a null in it is an error.
    pub(super) fn list<T: Decode>(&self, name: &str) -> Result<Vec<T>, DecodeError> {
        let objects = self.read(name, |value| {
            elements(value, |element| match element {
                Node::Null => Err(DecodeError::unexpected("an object", element)),
                element => T::decode(&Fields::of(element)?),
            })
        })?;
        Ok(objects.unwrap_or_default())
    }

    /// The same for a list whose nulls are judged later.
    pub(super) fn list_with_nulls<T: Decode>(&self, name: &str) -> Result<Vec<Option<T>>, DecodeError> {
        Ok(self.list_with_nulls_if_present(name)?.unwrap_or_default())
    }

    /// The same for those who tell an absent list from an empty one.
    pub(super) fn list_with_nulls_if_present<T: Decode>(
        &self,
        name: &str,
    ) -> Result<Option<Vec<Option<T>>>, DecodeError> {
        self.read(name, |value| {
            elements(value, |element| match element {
                Node::Null => Ok(None),
                element => T::decode(&Fields::of(element)?).map(Some),
            })
        })
    }
}

impl DecodeError {
    pub(super) fn unexpected(wanted: &str, found: &Node<'_>) -> Self {
        Self {
            path: String::new(),
            problem: format!("{wanted} was expected, {} was found", described(found)),
        }
    }

    pub(super) fn within(self, parent: impl Display) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        Self { path: format!("{parent}{dot}{}", self.path), ..self }
    }
}

fn text(value: &Node<'_>) -> Result<String, DecodeError> {
    match value {
        Node::Text(text) => Ok(text.clone().into_owned()),
        other => Err(DecodeError::unexpected("a string", other)),
    }
}

fn text_or_empty(value: &Node<'_>) -> Result<String, DecodeError> {
    if *value == Node::Null { Ok(String::new()) } else { text(value) }
}

pub(super) fn integer(value: &Node<'_>) -> Result<i64, DecodeError> {
    let integer = if let Node::Number(number) = value { number.as_i64() } else { None };
    integer.ok_or_else(|| DecodeError::unexpected("an integer", value))
}

fn elements<'a, T>(
    value: &'a Node<'a>,
    mut read: impl FnMut(&'a Node<'a>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let Node::List(list) = value else { return Err(DecodeError::unexpected("a list", value)) };
    let indexed = list.iter().enumerate();
    let mut all = Vec::with_capacity(list.len());
    for (i, element) in indexed {
        all.push(read(element).map_err(|error| error.within(format_args!("[{i}]")))?);
    }
    Ok(all)
}

fn described(value: &Node<'_>) -> String {
    match value {
        Node::Null => "null".to_owned(),
        Node::Bool(value) => value.to_string(),
        Node::Number(value) => value.to_string(),
        Node::Text(_) => "a string".to_owned(),
        Node::List(_) => "a list".to_owned(),
        Node::Object(_) => "an object".to_owned(),
    }
}
