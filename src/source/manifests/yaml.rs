//! One YAML document to a JSON value, as the Kubernetes API would hold it.
//!
//! Where Kubernetes knows only strings (names, labels, annotations), a scalar stays the text that was written:
//! `name: True`, `version: 1.10` and `skipper-enabled: yes` lose nothing. Elsewhere YAML 1.2 decides the type.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// What is wrong with a document.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct YamlError {
    /// The line within the document, from 1; 0 where the parser does not know it.
    pub(super) line: usize,
    /// What is wrong.
    pub(super) message: String,
}

/// Parses `text`, which holds one document; an empty one is `null`.
pub(super) fn parse(text: &str) -> Result<Value, YamlError> {
    serde_saphyr::with_deserializer_from_str_with_options(text, options(), |deserializer| {
        Place::Anywhere.deserialize(deserializer)
    })
    .map_err(|error| YamlError {
        line: error.location().map_or(0, |location| usize::try_from(location.line()).unwrap_or(0)),
        message: message(&error),
    })
}

/// A `List` of a whole cluster must pass, a bomb of aliases must not: what aliases repeat counts on its own.
fn options() -> serde_saphyr::Options {
    let mut options = serde_saphyr::Options::default();
    if let Some(budget) = options.budget.as_mut() {
        budget.max_events = 40_000_000;
        budget.max_nodes = 20_000_000;
        budget.max_total_scalar_bytes = super::MAX_FILE_BYTES;
    }
    options.alias_limits.max_total_replayed_events = 250_000;
    options.strict_booleans = true;
    // As kubectl reads them.
    options.legacy_octal_numbers = true;
    options.with_snippet = false;
    options
}

/// The parser's message without the place, which is told apart, and without advice about its options.
fn message(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let end =
        [" at line ", " (line ", ", set DuplicateKeyPolicy"].iter().filter_map(|tail| text.find(tail)).min();
    let text = text[..end.unwrap_or(text.len())].trim_end_matches([':', ',', ' ']);
    text.strip_prefix("error: ").unwrap_or(text).replace('\n', " ")
}

/// Where in an object a node stands, as far as its type depends on it.
#[derive(Clone, Copy)]
enum Place {
    /// YAML decides.
    Anywhere,
    /// The value of `metadata`.
    Metadata,
    /// The values of a map of strings.
    Texts,
    /// A string, as it was written.
    Text,
}

impl Place {
    fn of(self, key: &str) -> Self {
        match (self, key) {
            (Self::Texts, _)
            | (Self::Metadata, "name" | "generateName" | "namespace" | "uid" | "resourceVersion") => {
                Self::Text
            }
            (Self::Metadata, "labels" | "annotations") => Self::Texts,
            (Self::Anywhere, "metadata") => Self::Metadata,
            _ => Self::Anywhere,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Place {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self {
            Self::Text => Ok(Option::<String>::deserialize(deserializer)?.map_or(Value::Null, Value::String)),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Place {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON can hold")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number must be finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(Self::Anywhere)? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(self.of(&key))?;
            if object.insert(key, value).is_some() {
                return Err(A::Error::custom("a key stands twice in one mapping"));
            }
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn metadata_keeps_the_text_that_was_written() {
        let value = parse(
            "metadata:\n  name: True\n  namespace: 007\n  labels: {version: 1.10, on: off}\n  annotations:\n    a: yes\n    b: ~\n    c: 1e3\n",
        )
        .unwrap();
        assert_eq!(
            value,
            json!({"metadata": {
                "name": "True",
                "namespace": "007",
                "labels": {"version": "1.10", "on": "off"},
                "annotations": {"a": "yes", "b": null, "c": "1e3"},
            }})
        );
    }

    #[test]
    fn elsewhere_yaml_decides() {
        let value = parse("spec:\n  port: 80\n  name: http\n  ready: true\n  word: yes\n  quoted: '80'\n  none: null\n  x: [1.5, -2, 0440, 0x10]\n").unwrap();
        assert_eq!(
            value,
            json!({"spec": {
                "port": 80, "name": "http", "ready": true, "word": "yes", "quoted": "80", "none": null, "x": [1.5, -2, 288, 16],
            }})
        );
    }

    #[test]
    fn anchors_and_block_scalars_work() {
        let value =
            parse("a: &x {path: \"/\"}\nb: *x\nc: |\n  GET(\"/\")\n    -> <shunt>\nd: >-\n  one\n  two\n")
                .unwrap();
        assert_eq!(
            value,
            json!({"a": {"path": "/"}, "b": {"path": "/"}, "c": "GET(\"/\")\n  -> <shunt>\n", "d": "one two"})
        );
    }

    #[test]
    fn an_error_names_its_line() {
        let error = parse("kind: Ingress\nspec:\n  rules: [\n").unwrap_err();
        assert!(error.line >= 3, "{error:?}");
        let error = parse("kind: Ingress\nmetadata:\n  name: {a: b}\n").unwrap_err();
        assert_eq!(error.line, 3, "{error:?}");
        let error = parse("a: 1\nb: 2\na: 3\n").unwrap_err();
        assert_eq!(error.line, 3, "{error:?}");
        assert_eq!(error.message, "duplicate mapping key: a");
    }

    #[test]
    fn a_bomb_of_aliases_is_refused() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let alias = format!("*a{}", level - 1);
            bomb += &format!("a{level}: &a{level} [{}]\n", vec![alias; 10].join(", "));
        }
        assert!(parse(&bomb).is_err());
    }

    #[test]
    fn deep_nesting_is_refused_without_a_crash() {
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(parse(&"- ".repeat(100_000)).is_err());
    }
}
