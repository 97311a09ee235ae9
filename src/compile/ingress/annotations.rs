//! What the annotations of an Ingress ask for, parsed once.
//!
//! In: the metadata. Out: [`Wishes`], or every reason why the peer's validation drops the whole Ingress. What is
//! wrong but no reason to drop it, becomes a diagnostic, and the default holds.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::eskip::{self, Filter, ParseError, Predicate};
use crate::object::Metadata;

use super::super::{Context, Diagnostics, ObjectRef, PathMode, algorithm};
use super::custom::CustomRoute;

const FILTERS: &str = "zalando.org/skipper-filter";
const PREDICATES: &str = "zalando.org/skipper-predicate";
const ROUTES: &str = "zalando.org/skipper-routes";
const ALGORITHM: &str = "zalando.org/skipper-loadbalancer";
const BACKEND: &str = "zalando.org/skipper-backend";
const RATE_LIMIT: &str = "zalando.org/ratelimit";
const WEIGHTS: &str = "zalando.org/backend-weights";
const PATH_MODE: &str = "zalando.org/skipper-ingress-path-mode";

/// What an Ingress asks for beside its rules.
#[derive(Debug)]
pub(super) struct Wishes {
    /// For its routes, before all others that come from it.
    pub(super) filters: Vec<Filter>,
    /// For its routes, behind their own.
    pub(super) predicates: Vec<Predicate>,
    /// Further routes for each of its paths.
    pub(super) custom_routes: Vec<CustomRoute>,
    /// The weights of the services that share a path.
    pub(super) weights: BTreeMap<String, f64>,
    /// What a path of no particular type means.
    pub(super) path_mode: PathMode,
    /// The load-balancing algorithm; empty for the data plane's own default.
    pub(super) algorithm: String,
    /// Whether all its routes lead to the address that forward backends lead to.
    pub(super) forward: bool,
}

impl Wishes {
    /// Parses the annotations.
    ///
    /// # Errors
    ///
    /// Every annotation that makes the Ingress invalid; not empty.
    pub(super) fn of(
        metadata: &Metadata,
        context: &Context<'_>,
        object: &ObjectRef,
        diagnostics: &mut Diagnostics,
    ) -> Result<Self, Vec<String>> {
        let mut wrong = Vec::new();
        let filters = parsed(metadata, FILTERS, eskip::parse_filters, &mut wrong);
        let predicates = parsed(metadata, PREDICATES, eskip::parse_predicates, &mut wrong);
        let custom_routes = parsed(metadata, ROUTES, eskip::parse, &mut wrong);
        let algorithm = algorithm(metadata, context, &mut wrong);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let settings = context.settings;
        Ok(Self {
            filters: with_rate_limit(filters, metadata, object, diagnostics),
            predicates,
            custom_routes: custom_routes.into_iter().map(CustomRoute::from).collect(),
            weights: weights(metadata, object, diagnostics),
            path_mode: path_mode(metadata, settings.path_mode, object, diagnostics),
            algorithm,
            forward: !settings.forward_backend_url.is_empty()
                && metadata.annotation(BACKEND) == Some("forward"),
        })
    }
}

fn parsed<T>(
    metadata: &Metadata,
    key: &str,
    parse: impl FnOnce(&str) -> Result<Vec<T>, ParseError>,
    wrong: &mut Vec<String>,
) -> Vec<T> {
    let result = metadata.annotation(key).map(parse).unwrap_or_else(|| Ok(Vec::new()));
    result.unwrap_or_else(|error| {
        wrong.push(format!("annotation {key} does not parse: {error}"));
        Vec::new()
    })
}

fn algorithm(metadata: &Metadata, context: &Context<'_>, wrong: &mut Vec<String>) -> String {
    let Some(name) = metadata.annotation(ALGORITHM) else {
        return algorithm::default_for(&context.settings.default_lb_algorithm).to_owned();
    };
    if !name.is_empty() && !algorithm::is_known(name) {
        wrong.push(format!("annotation {ALGORITHM} names the unknown algorithm {name:?}"));
    }
    name.to_owned()
}

/// The deprecated rate limit stands before the filters. Where it does not parse, all are lost, as for the peer.
fn with_rate_limit(
    filters: Vec<Filter>,
    metadata: &Metadata,
    object: &ObjectRef,
    diagnostics: &mut Diagnostics,
) -> Vec<Filter> {
    let Some(limit) = metadata.annotation(RATE_LIMIT).filter(|limit| !limit.is_empty()) else {
        return filters;
    };
    let text = match metadata.annotation(FILTERS) {
        Some(filters) => format!("{limit} -> {filters}"),
        None => limit.to_owned(),
    };
    eskip::parse_filters(&text).unwrap_or_else(|error| {
        diagnostics.add(
            object,
            format!("annotation {RATE_LIMIT} does not parse in front of {FILTERS}: {error}"),
            "its routes have none of these filters until this is mended; check that none of them protects anything",
        );
        Vec::new()
    })
}

/// A JSON object of numbers. What is no number weighs nothing, as for the peer, and is said.
fn weights(metadata: &Metadata, object: &ObjectRef, diagnostics: &mut Diagnostics) -> BTreeMap<String, f64> {
    let Some(text) = metadata.annotation(WEIGHTS) else { return BTreeMap::new() };
    let mut ignored = |reason: String| {
        let hint = r#"write {"service-a": 20, "service-b": 80}"#;
        diagnostics.add(object, format!("annotation {WEIGHTS} {reason}"), hint);
    };
    match serde_json::from_str::<Option<BTreeMap<String, &RawValue>>>(text) {
        Ok(weights) => {
            let weight = |(service, weight): (String, &RawValue)| {
                let number = number(weight.get());
                if number.is_none() {
                    ignored(format!("has {weight} for {service:?}, which is no number"));
                }
                (service, number.unwrap_or_default())
            };
            weights.unwrap_or_default().into_iter().map(weight).collect()
        }
        Err(error) => {
            let what = if error.is_data() { "is no JSON object" } else { "is no JSON" };
            ignored(format!("{what}: {error}"));
            BTreeMap::new()
        }
    }
}

/// The number of a text in JSON, if it is one that a float can hold; null is 0.
fn number(json: &str) -> Option<f64> {
    let is_number = json.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let number = is_number.then(|| json.parse().ok()).flatten().filter(|number: &f64| number.is_finite());
    number.or((json == "null").then_some(0.0))
}

fn path_mode(
    metadata: &Metadata,
    default: PathMode,
    object: &ObjectRef,
    diagnostics: &mut Diagnostics,
) -> PathMode {
    match metadata.annotation(PATH_MODE) {
        None => default,
        Some("kubernetes-ingress") => PathMode::KubernetesIngress,
        Some("path-regexp") => PathMode::PathRegexp,
        Some("path-prefix") => PathMode::PathPrefix,
        Some(other) => {
            diagnostics.add(
                object,
                format!("annotation {PATH_MODE} is {other:?}, which is no path mode"),
                "use kubernetes-ingress, path-regexp or path-prefix; until then the default holds",
            );
            default
        }
    }
}
