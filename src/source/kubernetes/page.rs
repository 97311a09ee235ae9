//! One page of a list, which is not decoded again while its objects are what they were.
//!
//! In: the bytes of an answer, and the page of that number as it was read before. Out: what its head says, and its objects.
//! Most pages of most polls are those of before, but for the resource version in their heads; what follows the head is
//! known by its BLAKE3, since everything goes through it with each poll, and SHA-256 costs several times as much. What can go
//! wrong: an answer that is not clearly a list of this kind is none, for an empty `items` must be the store's word and not
//! that of something in between. An object of the wrong shape costs only itself.

use std::sync::Arc;

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::call::Failure;
use crate::compile::Diagnostic;
use crate::object::{Kind, Objects};

/// How far a head may reach, in bytes: all but the token of the next page is short, and that has some hundred.
const HEAD: usize = 16 << 10;

/// The end of a head that is all before the objects.
const ITEMS: &[u8] = br#""items":["#;

/// The objects of a page.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) objects: Objects,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Of all that follows its head; none where the head does not come first.
    digest: Option<[u8; 32]>,
}

/// What a page says of its list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) resource_version: String,
    /// The token of the next page.
    pub(super) next: Option<String>,
}

/// An answer to a list call (<https://kubernetes.io/docs/reference/using-api/api-concepts/>). The items stay text,
/// so that one of them alone can be wrong.
#[derive(Deserialize)]
struct Answer<'a> {
    kind: Option<String>,
    metadata: Option<Metadata>,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    resource_version: String,
    #[serde(default)]
    r#continue: Option<String>,
}

/// The head of a page of `kind`, if it comes before the objects as the API server writes it; and where these begin.
pub(super) fn head(bytes: &[u8], kind: Kind) -> Option<(Head, usize)> {
    let front = &bytes[..bytes.len().min(HEAD)];
    let begin = memmem::find(front, ITEMS)? + ITEMS.len();
    // Closed here it is a page without objects, or else these items are those of something within it.
    let closed = [&front[..begin], b"]}"].concat();
    let answer: Answer<'_> = serde_json::from_slice(&closed).ok()?;
    Some((answer.head(kind).ok()?.0, begin))
}

/// Reads a page of `kind`: from its bytes, or from what was read `before`, where that is the same.
pub(super) fn read(
    bytes: &[u8],
    kind: Kind,
    before: Option<Arc<Page>>,
) -> Result<(Arc<Page>, Head), Failure> {
    let Some((head, begin)) = head(bytes, kind) else {
        let (page, head) = careful(bytes, kind)?;
        return Ok((Arc::new(page), head));
    };
    let digest = Some(blake3::hash(&bytes[begin..]).into());
    if let Some(before) = before.filter(|before| before.digest == digest) {
        return Ok((before, head));
    }
    let (page, head) = match quick(&bytes[begin - 1..], kind) {
        Some(page) => (page, head),
        None => careful(bytes, kind)?,
    };
    Ok((Arc::new(Page { digest, ..page }), head))
}

/// Reads the rest of a page, from the bracket of its objects on, at one go. None where anything is wrong with any of
/// them.
fn quick(rest: &[u8], kind: Kind) -> Option<Page> {
    let array = std::str::from_utf8(rest).ok()?.trim_end().strip_suffix('}')?;
    Some(Page { objects: Objects::of_array(kind, array)?, ..Page::default() })
}

/// Reads a page object by object.
fn careful(bytes: &[u8], kind: Kind) -> Result<(Page, Head), Failure> {
    let answer: Answer<'_> =
        serde_json::from_slice(bytes).map_err(|error| no_list(kind, &error.to_string()))?;
    let (head, items) = answer.head(kind)?;
    let mut page = Page::default();
    for item in items {
        page.diagnostics.extend(page.objects.add_text(kind, item.get()).err());
    }
    Ok((page, head))
}

fn no_list(kind: Kind, cause: &str) -> Failure {
    Failure::Decode(format!("the answer is not a list of {}: {cause}", kind.name()))
}

impl<'a> Answer<'a> {
    fn head(self, kind: Kind) -> Result<(Head, Vec<&'a RawValue>), Failure> {
        if let Some(other) = self.kind.filter(|name| name.strip_suffix("List") != Some(kind.name())) {
            return Err(no_list(kind, &format!("it is a {other}")));
        }
        let items = self.items.ok_or_else(|| no_list(kind, "it has no items"))?;
        let metadata = self.metadata.ok_or_else(|| no_list(kind, "it has no metadata"))?;
        if metadata.resource_version.is_empty() {
            return Err(no_list(kind, "it has no resourceVersion"));
        }
        let next = metadata.r#continue.filter(|token| !token.is_empty());
        Ok((Head { resource_version: metadata.resource_version, next }, items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD_7: &str = r#"{"kind":"ServiceList","apiVersion":"v1","metadata":{"resourceVersion":"7","continue":"x"},"items":["#;

    fn service(name: &str) -> String {
        format!(r#"{{"metadata":{{"name":"{name}","namespace":"n"}},"spec":{{"ports":[{{"port":80}}]}}}}"#)
    }

    fn page(text: &str, before: Option<&Arc<Page>>) -> (Arc<Page>, Head) {
        read(text.as_bytes(), Kind::Service, before.cloned()).unwrap()
    }

    fn names(page: &Page) -> Vec<&str> {
        page.objects.services.iter().map(|it| it.metadata.name.as_str()).collect()
    }

    #[test]
    fn a_page_is_decoded_again_only_where_its_objects_differ() {
        let rest = format!("{},{}]}}\n", service("a"), service("b"));
        let (first, head) = page(&format!("{HEAD_7}{rest}"), None);
        assert_eq!((names(&first), head.next.as_deref()), (vec!["a", "b"], Some("x")));

        let later = format!("{}{rest}", HEAD_7.replace('7', "8"));
        let (second, head) = page(&later, Some(&first));
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(head.resource_version, "8");

        let (third, _) = page(&later.replace("\"b\"", "\"c\""), Some(&first));
        assert_eq!(names(&third), ["a", "c"]);
    }

    #[test]
    fn a_head_behind_the_objects_is_read_each_time() {
        let text = format!(r#"{{"items":[{}],"metadata":{{"resourceVersion":"7"}}}}"#, service("a"));
        assert_eq!(head(text.as_bytes(), Kind::Service), None);
        let (first, head) = page(&text, None);
        assert_eq!((names(&first), head.next), (vec!["a"], None));
        let (second, head) = page(&text.replace('7', "8"), Some(&first));
        assert!(!Arc::ptr_eq(&first, &second));
        assert_eq!(head.resource_version, "8");
    }

    #[test]
    fn the_items_of_something_within_are_not_those_of_the_page() {
        let text = format!(
            r#"{{"odd":{{"items":[1]}},"metadata":{{"resourceVersion":"7"}},"items":[{}]}}"#,
            service("a")
        );
        assert_eq!(head(text.as_bytes(), Kind::Service), None);
        assert_eq!(names(&page(&text, None).0), ["a"]);
    }

    #[test]
    fn an_object_of_the_wrong_shape_costs_only_itself_and_is_told_again() {
        let text = format!(r#"{HEAD_7}{{"metadata":{{"name":"bad"}},"spec":5}},{}]}}"#, service("a"));
        let (first, _) = page(&text, None);
        assert_eq!(
            (names(&first), first.objects.misshapen.len(), first.diagnostics.len()),
            (vec!["a"], 1, 1)
        );
        assert!(Arc::ptr_eq(&first, &page(&text, Some(&first)).0));
    }

    #[test]
    fn what_is_cut_or_of_another_kind_is_no_page() {
        let whole = format!("{HEAD_7}{}]}}", service("a"));
        let (before, _) = page(&whole, None);
        for text in [
            &whole[..whole.len() - 1],
            &whole[..whole.len() - 2],
            &format!("{whole}}}"),
            &whole.replace("ServiceList", "IngressList"),
            &whole.replace("\"7\"", "\"\""),
            &whole.replace("items", "others"),
        ] {
            let read = read(text.as_bytes(), Kind::Service, Some(before.clone()));
            assert!(matches!(read, Err(Failure::Decode(_))), "{text}");
        }
    }
}
