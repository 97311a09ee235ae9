//! Values in Eskip, and the peer's small formats around it.
//!
//! Each function returns what is wrong as the end of a sentence that starts with the flag's value.

use crate::compile::{AnnotationFilters, AnnotationPredicates, Rewrite};
use crate::eskip::{self, Filter, Predicate};

/// Predicates with `&&` between them; none in an empty text.
pub(super) fn predicates(text: &str) -> Result<Vec<Predicate>, String> {
    eskip::parse_predicates(text).map_err(|error| format!("does not parse as predicates: {error}"))
}

/// Filters with `->` between them; none in an empty text.
pub(super) fn filters(text: &str) -> Result<Vec<Filter>, String> {
    eskip::parse_filters(text).map_err(|error| format!("does not parse as filters: {error}"))
}

/// `/pattern/replacement/`, where the first character separates.
pub(super) fn rewrite(text: &str) -> Result<Rewrite, String> {
    const SHAPE: &str = "is not /REGEXP/TEXT/ (the first character separates)";
    let separator = text.chars().next().ok_or(SHAPE)?;
    let parts: Vec<&str> = text.split(separator).collect();
    let [_, pattern, replacement, _] = parts[..] else { return Err(SHAPE.to_owned()) };
    super::Kind::Regexp.check(pattern)?;
    Ok(Rewrite { pattern: pattern.to_owned(), replacement: replacement.to_owned() })
}

/// `key=value=<predicates>`; nothing in an empty text, which the peer skips.
pub(super) fn annotation_predicates(text: &str) -> Result<Option<AnnotationPredicates>, String> {
    annotation(text, predicates, |key, value, predicates| AnnotationPredicates { key, value, predicates })
}

/// `key=value=<filters>`; nothing in an empty text, which the peer skips.
pub(super) fn annotation_filters(text: &str) -> Result<Option<AnnotationFilters>, String> {
    annotation(text, filters, |key, value, filters| AnnotationFilters { key, value, filters })
}

fn annotation<E, T>(
    text: &str,
    parse: impl Fn(&str) -> Result<Vec<E>, String>,
    make: impl Fn(String, String, Vec<E>) -> T,
) -> Result<Option<T>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let mut parts = text.splitn(3, '=');
    let (Some(key), Some(value), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("is not KEY=VALUE=ESKIP, where KEY and VALUE are an annotation's".to_owned());
    };
    Ok(Some(make(key.to_owned(), value.to_owned(), parse(rest)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewrites_take_any_separator() {
        let expected = Rewrite { pattern: "a/b".into(), replacement: "$1".into() };
        assert_eq!(rewrite("#a/b#$1#"), Ok(expected));
        for bad in ["", "/", "/a/b", "/a/b/c/", "/(/b/"] {
            assert!(rewrite(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn annotations_have_three_parts() {
        let parsed = annotation_predicates("zone=a=Foo(1) && Bar(\"x=y\")").unwrap().unwrap();
        assert_eq!((parsed.key.as_str(), parsed.value.as_str(), parsed.predicates.len()), ("zone", "a", 2));
        assert_eq!(annotation_filters(""), Ok(None));
        assert!(annotation_filters("zone=a").unwrap_err().contains("KEY=VALUE"));
        assert!(annotation_filters("zone=a=foo(").is_err());
    }

    #[test]
    fn chains_of_filters_and_predicates() {
        assert_eq!(filters("a() -> b(1)").unwrap().len(), 2);
        assert_eq!(filters("").unwrap(), []);
        assert_eq!(predicates("A() && B()").unwrap().len(), 2);
        assert!(predicates("A() &&").is_err());
    }
}
