//! `-edit-route` and `-clone-route`: each predicate and each filter, as it is printed, through a regular expression.

use std::fmt::Display;

use crate::eskip::{self, ParseError, Route};
use crate::re2::Regexp;

use super::super::{Diagnostics, ObjectRef, Rewrite, SourcedRoute};

/// What the id of a clone begins with.
const CLONE_PREFIX: &str = "clone_";

/// Puts the edited form of each route that an edit changes in its place: canonical, as the peer has it.
pub(super) fn edit(routes: &mut [SourcedRoute], edits: &[Rewrite], diagnostics: &mut Diagnostics) {
    for rewriter in rewriters(edits, "-edit-route", diagnostics) {
        for sourced in &mut *routes {
            if let Some(edited) = rewriter.rewritten(sourced, diagnostics) {
                sourced.route = edited;
            }
        }
    }
}

/// Adds a clone of each route that a clone's expression changes.
pub(super) fn clone(routes: &mut Vec<SourcedRoute>, clones: &[Rewrite], diagnostics: &mut Diagnostics) {
    for rewriter in rewriters(clones, "-clone-route", diagnostics) {
        let cloned: Vec<_> = routes
            .iter()
            .filter_map(|sourced| {
                let mut route = rewriter.rewritten(sourced, diagnostics)?;
                route.id.insert_str(0, CLONE_PREFIX);
                Some(SourcedRoute { route, object: sourced.object.clone() })
            })
            .collect();
        routes.extend(cloned);
    }
}

struct Rewriter<'a> {
    flag: &'static str,
    pattern: Regexp,
    replacement: &'a str,
}

fn rewriters<'a>(
    rewrites: &'a [Rewrite],
    flag: &'static str,
    diagnostics: &mut Diagnostics,
) -> Vec<Rewriter<'a>> {
    let mut usable = Vec::with_capacity(rewrites.len());
    for rewrite in rewrites {
        match Regexp::new(&rewrite.pattern) {
            Ok(pattern) => usable.push(Rewriter { flag, pattern, replacement: &rewrite.replacement }),
            Err(error) => diagnostics.add_general(format!("{flag}: {error}"), "it is not applied"),
        }
    }
    usable
}

impl Rewriter<'_> {
    /// The canonical form of a route with its changes; none where nothing changes.
    fn rewritten(&self, sourced: &SourcedRoute, diagnostics: &mut Diagnostics) -> Option<Route> {
        let mut route = sourced.route.canonical();
        let object = sourced.object.as_deref();
        let predicates = self.each(&mut route.predicates, eskip::parse_predicates, object, diagnostics);
        let filters = self.each(&mut route.filters, eskip::parse_filters, object, diagnostics);
        (predicates || filters).then_some(route)
    }

    /// Rewrites each of `parts`. One whose new text is not understood, or is nothing at all, stays as it is; of
    /// several in one text only the first is taken, as the peer does it.
    fn each<T: Display>(
        &self,
        parts: &mut [T],
        parse: fn(&str) -> Result<Vec<T>, ParseError>,
        object: Option<&ObjectRef>,
        diagnostics: &mut Diagnostics,
    ) -> bool {
        let mut changed = false;
        for part in parts {
            let text = part.to_string();
            let new = self.pattern.replace_all(&text, self.replacement);
            if new == text {
                continue;
            }
            let problem = match parse(&new) {
                Ok(parsed) => match parsed.into_iter().next() {
                    Some(parsed) => {
                        *part = parsed;
                        changed = true;
                        continue;
                    }
                    None => "nothing is left of it".to_owned(),
                },
                Err(error) => error.to_string(),
            };
            let reason = format!("{} makes {new:?} of {text:?}: {problem}", self.flag);
            diagnostics.note(object, reason, "the part stays as it was");
        }
        changed
    }
}
