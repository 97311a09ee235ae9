//! Which metrics a PromQL expression names, and which labels: so that a name that nobody measures is found.
//!
//! It reads words and braces, no grammar: whether the expression is one, Prometheus says.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::str::Chars;

/// Words that are no metrics although no parenthesis follows them: operators, and aggregations before their `by`.
const WORDS: [&str; 14] = [
    "and", "or", "unless", "bool", "offset", "atan2", "sum", "min", "max", "avg", "count", "group", "topk",
    "quantile",
];

/// Words before a list of labels.
const BEFORE_LABELS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// What an expression names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// Metrics, each with the labels that its selectors match.
    pub metrics: Vec<(String, BTreeSet<String>)>,
    /// Labels that results are grouped or matched by.
    pub labels: BTreeSet<String>,
}

/// Reads them out of `query`.
pub(super) fn named(query: &str) -> Named {
    let mut named = Named::default();
    let mut chars = query.chars().peekable();
    while let Some(&next) = chars.peek() {
        match next {
            '"' | '\'' => drop(quoted(&mut chars)),
            '[' => drop(until(&mut chars, ']')),
            _ if starts_word(next) => {
                let word = word(&mut chars);
                skip_space(&mut chars);
                match chars.peek() {
                    Some('(') if BEFORE_LABELS.contains(&word.as_str()) => {
                        let list = until(&mut chars, ')');
                        let labels =
                            list.split(',').map(|label| label.trim_matches(['(', ' ', '\n']).to_owned());
                        named.labels.extend(labels.filter(|label| !label.is_empty()));
                    }
                    Some('(') => {}
                    Some('{') => {
                        let labels = matched(&mut chars);
                        named.metrics.push((word, labels));
                    }
                    _ if BEFORE_LABELS.contains(&word.as_str()) || WORDS.contains(&word.as_str()) => {}
                    _ => named.metrics.push((word, BTreeSet::new())),
                }
            }
            // A number, with what may follow it: 1e9, 5m.
            _ if next.is_ascii_digit() => drop(word(&mut chars)),
            _ => drop(chars.next()),
        }
    }
    named
}

fn starts_word(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || c == ':'
}

fn word(chars: &mut Peekable<Chars<'_>>) -> String {
    let mut word = String::new();
    while let Some(c) = chars.next_if(|&c| starts_word(c) || c.is_ascii_digit()) {
        word.push(c);
    }
    word
}

fn skip_space(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(|c| c.is_whitespace()).is_some() {}
}

/// Everything up to `end`, which is consumed.
fn until(chars: &mut Peekable<Chars<'_>>, end: char) -> String {
    chars.by_ref().take_while(|&c| c != end).collect()
}

fn quoted(chars: &mut Peekable<Chars<'_>>) -> String {
    let quote = chars.next();
    let mut text = String::new();
    while let Some(c) = chars.next().filter(|c| Some(*c) != quote) {
        text.push(c);
        if c == '\\' {
            text.extend(chars.next());
        }
    }
    text
}

/// The labels between braces.
fn matched(chars: &mut Peekable<Chars<'_>>) -> BTreeSet<String> {
    let mut labels = BTreeSet::new();
    while let Some(&next) = chars.peek() {
        match next {
            '}' => {
                chars.next();
                break;
            }
            '"' | '\'' => drop(quoted(chars)),
            _ if starts_word(next) => drop(labels.insert(word(chars))),
            _ => drop(chars.next()),
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(labels: &[&str]) -> BTreeSet<String> {
        labels.iter().map(|&label| label.to_owned()).collect()
    }

    #[test]
    fn metrics_and_labels_are_read_out_of_expressions() {
        let read = named(
            "sum by (namespace, job) (rate(a_total{code=~\"x|}y\", job='b'}[5m])) > 0.05 * 1e3\n and on (zone) max(b) == 1 or absent(c)",
        );
        assert_eq!(read.labels, set(&["namespace", "job", "zone"]));
        let metrics = [("a_total", set(&["code", "job"])), ("b", set(&[])), ("c", set(&[]))];
        assert_eq!(read.metrics, metrics.map(|(name, labels)| (name.to_owned(), labels)));
    }

    #[test]
    fn an_escaped_quote_does_not_end_a_text() {
        assert_eq!(named(r#"a{b="\"}"} + c"#).metrics.len(), 2);
    }
}
