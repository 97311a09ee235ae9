//! The flags that change the table.

use std::collections::BTreeSet;

use super::values::Values;
use super::{FlagError, Note, kind, language};
use crate::compile::{Limits, PathMode, Settings, TrafficAlgorithm};

/// The algorithms of Skipper's load balancer; the peer takes any other name for the first one.
const LB_ALGORITHMS: [&str; 6] = [
    "roundRobin",
    "random",
    "consistentHash",
    "powerOfRandomNChoices",
    "weightedRoundRobin",
    "leastRequests",
];

/// The settings of the compilation.
///
/// # Errors
///
/// Where values that fit their kinds cannot be right all the same.
pub(super) fn settings(values: &Values, notes: &mut Vec<Note>) -> Result<Settings, FlagError> {
    let algorithm = values.text("kubernetes-default-lb-algorithm");
    if !algorithm.is_empty() && !LB_ALGORITHMS.contains(&algorithm) {
        notes.push(Note {
            warning: true,
            text: format!(
                "-kubernetes-default-lb-algorithm: {algorithm:?} is not known, roundRobin is taken; use {}",
                LB_ALGORITHMS.join(", ")
            ),
        });
    }
    Ok(Settings {
        ingress_class: values.text("kubernetes-ingress-class").to_owned(),
        route_group_class: values.text("kubernetes-routegroup-class").to_owned(),
        healthcheck: values.switch("kubernetes-healthcheck"),
        healthcheck_cidrs: values.list("whitelisted-healthcheck-cidr"),
        reverse_source_predicate: values.switch("reverse-source-predicate"),
        https_redirect: values.switch("kubernetes-https-redirect"),
        https_redirect_code: redirect_code(values)?,
        disable_catch_all: values.switch("kubernetes-disable-catchall-routes"),
        path_mode: match values.text("kubernetes-path-mode") {
            "path-regexp" => PathMode::PathRegexp,
            "path-prefix" => PathMode::PathPrefix,
            _ => PathMode::KubernetesIngress,
        },
        endpoint_slices: values.switch("enable-kubernetes-endpointslices"),
        topology_zone: values.text("kubernetes-topology-zone").to_owned(),
        east_west: values.switch("enable-kubernetes-east-west"),
        east_west_domain: values.text("kubernetes-east-west-domain").to_owned(),
        east_west_range_domains: values.list("kubernetes-east-west-range-domains"),
        east_west_range_predicates: parsed(
            values,
            "kubernetes-east-west-range-predicates",
            language::predicates,
        )?,
        annotation_predicates: annotations(
            values,
            "kubernetes-annotation-predicates",
            language::annotation_predicates,
            |it| (&it.key, &it.value),
        )?,
        annotation_filters: annotations(
            values,
            "kubernetes-annotation-filters-append",
            language::annotation_filters,
            |it| (&it.key, &it.value),
        )?,
        east_west_annotation_predicates: annotations(
            values,
            "kubernetes-east-west-range-annotation-predicates",
            language::annotation_predicates,
            |it| (&it.key, &it.value),
        )?,
        east_west_annotation_filters: annotations(
            values,
            "kubernetes-east-west-range-annotation-filters-append",
            language::annotation_filters,
            |it| (&it.key, &it.value),
        )?,
        application_label: values.text("kubernetes-application-annotation-label").to_owned(),
        external_names: values.switch("enable-kubernetes-external-names"),
        external_name_preserve_host: values.switch("kubernetes-external-name-preserve-host"),
        only_allowed_external_names: values.switch("kubernetes-only-allowed-external-names"),
        allowed_external_names: values.each("kubernetes-allowed-external-name").map(str::to_owned).collect(),
        traffic_algorithm: match values.text("kubernetes-backend-traffic-algorithm") {
            "traffic-segment-predicate" => TrafficAlgorithm::TrafficSegment,
            _ => TrafficAlgorithm::TrafficPredicate,
        },
        default_lb_algorithm: algorithm.to_owned(),
        force_service: values.switch("kubernetes-force-service"),
        forward_backend_url: values.text("forward-backend-url").to_owned(),
        oauth2_grant_flow: values.switch("enable-oauth2-grant-flow"),
        oauth2_callback_path: values.text("oauth2-callback-path").to_owned(),
        default_filters_prepend: flat(values, "default-filters-prepend", language::filters)?,
        default_filters_append: flat(values, "default-filters-append", language::filters)?,
        edit_routes: each(values, "edit-route", language::rewrite)?,
        clone_routes: each(values, "clone-route", language::rewrite)?,
        tls: values.switch("kubernetes-enable-tls"),
        definitions: false,
        debug_log: kind::level(values.text("application-log-level")) >= Some(tracing::Level::DEBUG),
        limits: limits(values)?,
    })
}

fn limits(values: &Values) -> Result<Limits, FlagError> {
    let bytes = |name: &'static str| match u64::try_from(values.integer(name)) {
        Ok(bytes) if bytes > 0 => Ok(bytes),
        _ => Err(FlagError::value(name, values.text(name), "leaves nothing to publish")),
    };
    Ok(Limits {
        table_bytes: bytes("max-table-bytes")?,
        object_bytes: bytes("max-object-bytes")?,
        route_bytes: bytes("max-route-bytes")?,
    })
}

fn redirect_code(values: &Values) -> Result<i64, FlagError> {
    const NAME: &str = "kubernetes-https-redirect-code";
    let code = values.integer(NAME);
    if (300..400).contains(&code) {
        return Ok(code);
    }
    Err(FlagError::value(NAME, values.text(NAME), "redirects nobody; use 301, 302, 307 or 308"))
}

fn parsed<T>(
    values: &Values,
    name: &'static str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T, FlagError> {
    parse(values.text(name)).map_err(|complaint| FlagError::value(name, values.text(name), complaint))
}

fn each<T>(
    values: &Values,
    name: &'static str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, FlagError> {
    let parse = |value| parse(value).map_err(|complaint| FlagError::value(name, value, complaint));
    values.each(name).map(parse).collect()
}

fn flat<T>(
    values: &Values,
    name: &'static str,
    parse: impl Fn(&str) -> Result<Vec<T>, String>,
) -> Result<Vec<T>, FlagError> {
    Ok(each(values, name, parse)?.into_iter().flatten().collect())
}

/// Values for annotations; the same annotation twice is refused, since only one of them could count.
fn annotations<T>(
    values: &Values,
    name: &'static str,
    parse: impl Fn(&str) -> Result<Option<T>, String>,
    annotation: impl Fn(&T) -> (&String, &String),
) -> Result<Vec<T>, FlagError> {
    let all: Vec<T> = flat(values, name, |value| Ok(parse(value)?.into_iter().collect()))?;
    let mut seen = BTreeSet::new();
    if let Some((key, value)) = all.iter().map(&annotation).find(|pair| !seen.insert(*pair)) {
        return Err(FlagError::value(name, format!("{key}={value}"), "is given twice; join the two"));
    }
    Ok(all)
}
