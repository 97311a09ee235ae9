//! From HTTP to HTTPS: the route for everything, and the twins of an Ingress's routes.
//!
//! In: what the settings say and what the annotations of one object say. Out: routes that are tried before the others,
//! because they look at `X-Forwarded-Proto` and weigh more.

use crate::eskip::{Arg, Backend, Filter, Predicate, Route};
use crate::object::Metadata;

use super::annotations::REDIRECT;
use super::{Diagnostics, ObjectRef, Settings};

const REDIRECT_CODE: &str = "zalando.org/skipper-ingress-redirect-code";
const PREDICATES: &str = "zalando.org/skipper-predicate";
const ROUTES: &str = "zalando.org/skipper-routes";

/// What is done with requests that came by HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Redirect {
    /// They are sent to HTTPS with this status.
    To(i64),
    /// They are served as the others, even where the route for everything would redirect them.
    Disabled,
    /// What the other routes say.
    Unsaid,
}

impl Redirect {
    /// What the annotations of an Ingress and the settings say.
    pub(super) fn of(
        metadata: &Metadata,
        settings: &Settings,
        object: &ObjectRef,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let code = code(metadata, settings, object, diagnostics);
        match metadata.annotation(REDIRECT) {
            Some("true") => Self::To(code),
            Some("false") => Self::Disabled,
            _ if settings.https_redirect => Self::To(code),
            _ => Self::Unsaid,
        }
    }

    /// The twin of `route`, if there is one.
    pub(super) fn twin(self, route: &Route) -> Option<Route> {
        match self {
            Self::To(code) => Some(Route {
                id: format!("{}_https_redirect", route.id),
                filters: vec![to_https(code)],
                backend: Backend::Shunt,
                ..before(route)
            }),
            Self::Disabled => {
                Some(Route { id: format!("{}_disable_https_redirect", route.id), ..before(route) })
            }
            Self::Unsaid => None,
        }
    }
}

/// Whether the Ingress looks at the protocol itself. Its text is searched for this one spelling, as the peer does.
pub(super) fn is_handled_by(metadata: &Metadata) -> bool {
    let handles =
        |key| metadata.annotation(key).is_some_and(|text| text.contains(r#"Header("X-Forwarded-Proto""#));
    handles(PREDICATES) || handles(ROUTES)
}

/// The status that the annotation of an object asks for, or that of the settings.
pub(super) fn code(
    metadata: &Metadata,
    settings: &Settings,
    object: &ObjectRef,
    diagnostics: &mut Diagnostics,
) -> i64 {
    let default = default_code(settings);
    let Some(annotation) = metadata.annotation(REDIRECT_CODE) else { return default };
    annotation.parse().ok().filter(|code| (300..400).contains(code)).unwrap_or_else(|| {
        diagnostics.add(
            object,
            format!("annotation {REDIRECT_CODE} is {annotation:?}, which is no status of a redirect"),
            format!("use a number from 300 to 399; until then it is {default}"),
        );
        default
    })
}

/// The route that redirects everything.
pub(super) fn global(settings: &Settings) -> Route {
    Route {
        id: "kube__redirect".to_owned(),
        filters: vec![to_https(default_code(settings))],
        backend: Backend::Shunt,
        ..before(&Route::default())
    }
}

/// The status where no annotation names another.
pub(super) fn default_code(settings: &Settings) -> i64 {
    if settings.https_redirect_code <= 0 { 308 } else { settings.https_redirect_code }
}

/// A copy of `route` that is tried before it, for what came by HTTP.
fn before(route: &Route) -> Route {
    let mut twin = route.clone();
    twin.headers.insert("X-Forwarded-Proto".to_owned(), "http".to_owned());
    twin.predicates.insert(0, Predicate::new("Weight", [1000.0.into()]));
    twin
}

fn to_https(code: i64) -> Filter {
    // A status is far below what a float cannot hold.
    Filter::new("redirectTo", [Arg::Number(code as f64), "https:".into()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotated(annotations: &[(&str, &str)]) -> Metadata {
        let owned = annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Metadata { annotations: owned.collect(), ..Metadata::default() }
    }

    fn redirect(annotations: &[(&str, &str)], settings: &Settings) -> (Redirect, usize) {
        let mut diagnostics = Diagnostics::default();
        let redirect =
            Redirect::of(&annotated(annotations), settings, &ObjectRef::default(), &mut diagnostics);
        (redirect, diagnostics.into_vec().len())
    }

    #[test]
    fn an_annotation_overrides_the_settings() {
        let on = Settings::default();
        let off = Settings { https_redirect: false, ..Settings::default() };
        assert_eq!(redirect(&[], &on).0, Redirect::To(308));
        assert_eq!(redirect(&[], &off).0, Redirect::Unsaid);
        assert_eq!(redirect(&[(REDIRECT, "false")], &on).0, Redirect::Disabled);
        assert_eq!(redirect(&[(REDIRECT, "true"), (REDIRECT_CODE, "301")], &off).0, Redirect::To(301));
    }

    #[test]
    fn a_code_that_is_no_redirect_is_said_and_not_used() {
        for code in ["200", "400", "x", ""] {
            assert_eq!(redirect(&[(REDIRECT_CODE, code)], &Settings::default()), (Redirect::To(308), 1));
        }
    }

    #[test]
    fn the_twin_of_a_disabled_redirect_serves_as_the_route_does() {
        let route = Route { backend: Backend::Network("http://a:1".to_owned()), ..Route::default() };
        let twin = Redirect::Disabled.twin(&route).unwrap();
        assert_eq!(twin.id, "_disable_https_redirect");
        assert_eq!(twin.backend, route.backend);
        assert_eq!(twin.headers["X-Forwarded-Proto"], "http");
    }

    #[test]
    fn only_one_spelling_tells_that_an_ingress_looks_at_the_protocol() {
        assert!(is_handled_by(&annotated(&[(PREDICATES, r#"Header("X-Forwarded-Proto", "https")"#)])));
        assert!(!is_handled_by(&annotated(&[(PREDICATES, r#"Header( "X-Forwarded-Proto", "https")"#)])));
    }
}
