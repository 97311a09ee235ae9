//! What annotations and labels add to the routes of Ingresses and RouteGroups alike.

use crate::eskip::{Filter, Predicate, Route};
use crate::object::Metadata;

use super::Settings;

/// Set to `false`, it keeps all endpoints of a route in the tables of all zones.
pub(super) const ZONE_AWARE: &str = "zalando.org/traffic-zone-aware";

/// Set to `true` or `false`, it overrides the redirect from HTTP to HTTPS.
pub(super) const REDIRECT: &str = "zalando.org/skipper-ingress-redirect";

/// Appends the predicates and filters that the operator configured for the annotations of `metadata`, in the order of the
/// flags. Routes of internal hosts have settings of their own.
pub(super) fn append_configured(route: &mut Route, metadata: &Metadata, settings: &Settings, internal: bool) {
    for predicates in configured_predicates(metadata, settings, internal) {
        route.predicates.extend_from_slice(predicates);
    }
    for filters in configured_filters(metadata, settings, internal) {
        route.filters.extend_from_slice(filters);
    }
}

/// The predicates that [`append_configured`] appends, rule by rule.
pub(super) fn configured_predicates<'a>(
    metadata: &'a Metadata,
    settings: &'a Settings,
    internal: bool,
) -> impl Iterator<Item = &'a [Predicate]> {
    let rules =
        if internal { &settings.east_west_annotation_predicates } else { &settings.annotation_predicates };
    let matching = rules.iter().filter(|rule| metadata.annotation(&rule.key) == Some(&rule.value));
    matching.map(|rule| rule.predicates.as_slice())
}

/// The filters that [`append_configured`] appends, rule by rule.
pub(super) fn configured_filters<'a>(
    metadata: &'a Metadata,
    settings: &'a Settings,
    internal: bool,
) -> impl Iterator<Item = &'a [Filter]> {
    let rules = if internal { &settings.east_west_annotation_filters } else { &settings.annotation_filters };
    let matching = rules.iter().filter(|rule| metadata.annotation(&rule.key) == Some(&rule.value));
    matching.map(|rule| rule.filters.as_slice())
}

/// The filter that names the application of `metadata`, if the configured label is there.
pub(super) fn application_filter(metadata: &Metadata, settings: &Settings) -> Option<Filter> {
    let label = Some(settings.application_label.as_str()).filter(|label| !label.is_empty())?;
    let application = metadata.labels.get(label).filter(|application| !application.is_empty())?;
    Some(Filter::new("annotate", ["Application".into(), application.as_str().into()]))
}

/// The filter that marks a route as not to be narrowed to a zone, if `metadata` opts out.
pub(super) fn zone_opt_out_filter(metadata: &Metadata) -> Option<Filter> {
    opts_out_of_zones(metadata).then(|| Filter::new("annotate", [ZONE_AWARE.into(), "false".into()]))
}

/// Whether `metadata` opts out of zones.
pub(super) fn opts_out_of_zones(metadata: &Metadata) -> bool {
    metadata.annotation(ZONE_AWARE) == Some("false")
}
