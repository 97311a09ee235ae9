//! The text of one file to the objects in it, each on its own: what does not parse is named with its line and
//! left out, the rest counts.

use std::path::Path;

use serde_json::Value;

use super::yaml;

/// What is wrong with a piece of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The line in the file, from 1.
    pub(super) line: usize,
    /// What is wrong.
    pub(super) message: String,
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    /// YAML, any number of documents.
    Yaml,
    /// JSON, any number of values.
    Json,
}

impl Syntax {
    /// What the name of a file says.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?;
        match extension.to_ascii_lowercase().as_str() {
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Reads the objects of `bytes`; an array gives its items.
pub(super) fn read(bytes: &[u8], syntax: Option<Syntax>, objects: &mut Vec<Value>, faults: &mut Vec<Fault>) {
    let text = match text(bytes) {
        Ok(text) => text,
        Err(fault) => return faults.push(fault),
    };
    match syntax.unwrap_or_else(|| guess(text)) {
        Syntax::Json => json(text, objects, faults),
        Syntax::Yaml => documents(text).for_each(|(line, text)| document(line, text, objects, faults)),
    }
}

/// The text of a file, without the mark that some editors put at its beginning.
pub(super) fn text(bytes: &[u8]) -> Result<&str, Fault> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
            Err(Fault { line, message: "is not UTF-8".to_owned() })
        }
    }
}

fn guess(text: &str) -> Syntax {
    if text.trim_start().starts_with(['{', '[']) { Syntax::Json } else { Syntax::Yaml }
}

fn json(text: &str, objects: &mut Vec<Value>, faults: &mut Vec<Fault>) {
    for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        match value {
            Ok(value) => flatten(value, 1, objects, faults),
            Err(error) => {
                let message = error.to_string();
                let end = message.rfind(" at line ").unwrap_or(message.len());
                // What follows cannot be told apart from what is broken.
                return faults.push(Fault { line: error.line(), message: message[..end].to_owned() });
            }
        }
    }
}

fn document(line: usize, text: &str, objects: &mut Vec<Value>, faults: &mut Vec<Fault>) {
    match yaml::parse(text) {
        Ok(Value::Null) => {}
        Ok(value) => flatten(value, line, objects, faults),
        Err(error) => {
            faults.push(Fault { line: line + error.line.saturating_sub(1), message: error.message })
        }
    }
}

/// The documents of a YAML stream, with the line that each starts on. A line that starts with `---` or `...` ends
/// a document wherever it stands, in a block scalar too (YAML 1.2.2, 9.1.2), so a broken one cannot hide the next.
fn documents(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let marker = |line: &str, mark: &str| {
        line.strip_prefix(mark)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
    };
    let mut pieces = Vec::new();
    let (mut start, mut start_line, mut at) = (0, 1, 0);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let ends = marker(line, "...");
        if ends || marker(line, "---") {
            pieces.push((start_line, &text[start..at]));
            start = if ends { at + line.len() } else { at };
            start_line = index + 1 + usize::from(ends);
        }
        at += line.len();
    }
    pieces.push((start_line, &text[start..]));
    pieces.into_iter().filter(|(_, piece)| piece.lines().any(says_something))
}

/// Whether a line is more than a comment, a directive or the mark of a document.
fn says_something(line: &str) -> bool {
    let line = line.strip_prefix("---").unwrap_or(line).trim();
    !(line.is_empty() || line.starts_with(['#', '%']))
}

/// Arrays are taken apart here; what a `List` holds is for [`crate::object::Objects`] to say.
fn flatten(value: Value, line: usize, objects: &mut Vec<Value>, faults: &mut Vec<Fault>) {
    match value {
        Value::Array(items) => items.into_iter().for_each(|item| flatten(item, line, objects, faults)),
        Value::Object(_) => objects.push(value),
        _ => {
            let message = "is not an object with apiVersion, kind and metadata".to_owned();
            faults.push(Fault { line, message });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(text: &str) -> (Vec<Value>, Vec<Fault>) {
        let (mut objects, mut faults) = (Vec::new(), Vec::new());
        read(text.as_bytes(), None, &mut objects, &mut faults);
        (objects, faults)
    }

    #[test]
    fn documents_and_arrays_are_told_apart() {
        let (objects, faults) = run(
            "# head\n%YAML 1.2\n---\nkind: A\n---\n---  # empty\nkind: B\n...\n--- {kind: D}\n---\n- kind: E\n- [{kind: F}]\n",
        );
        assert_eq!(faults, []);
        let kinds: Vec<_> = objects.iter().map(|object| object["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["A", "B", "D", "E", "F"]);
    }

    #[test]
    fn a_broken_document_is_named_and_the_others_count() {
        let (objects, faults) = run("kind: A\n---\nkind: B\nspec: [\n---\nkind: C\n---\njust text\n");
        assert_eq!(objects, [json!({"kind": "A"}), json!({"kind": "C"})]);
        let lines: Vec<_> = faults.iter().map(|fault| fault.line).collect();
        assert!(lines == [4, 7] || lines == [5, 7], "{faults:?}");
    }

    #[test]
    fn broken_json_is_named_with_its_line() {
        let (objects, faults) = run("{\"kind\": \"A\"}\n{\"kind\": \"B\"\n{}\n");
        assert_eq!(objects, [json!({"kind": "A"})]);
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].line, 3, "{faults:?}");
    }

    #[test]
    fn a_file_that_is_no_text_is_named_with_its_line() {
        let (mut objects, mut faults) = (Vec::new(), Vec::new());
        read(b"kind: A\nx: \xff\n", Some(Syntax::Yaml), &mut objects, &mut faults);
        assert_eq!(faults, [Fault { line: 2, message: "is not UTF-8".to_owned() }]);
    }

    #[test]
    fn a_marker_inside_a_word_ends_nothing() {
        let (objects, faults) = run("kind: A\nnote: |\n  ---\n  text\nkey: ---x\n");
        assert_eq!((objects.len(), faults.len()), (1, 0), "{faults:?}");
    }
}
