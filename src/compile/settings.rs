//! What the command line says about the compilation. Each field names the flag of the peer that sets it.

use crate::eskip::{Filter, Predicate};

/// The settings that change the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `-kubernetes-ingress-class`: a regular expression, not anchored; empty means `skipper`.
    pub ingress_class: String,
    /// `-kubernetes-routegroup-class`, likewise.
    pub route_group_class: String,
    /// `-kubernetes-healthcheck`: add the two health routes.
    pub healthcheck: bool,
    /// `-whitelisted-healthcheck-cidr`: further sources of the health routes.
    pub healthcheck_cidrs: Vec<String>,
    /// `-reverse-source-predicate`: `SourceFromLast` in place of `Source`.
    pub reverse_source_predicate: bool,
    /// `-kubernetes-https-redirect`.
    pub https_redirect: bool,
    /// `-kubernetes-https-redirect-code`.
    pub https_redirect_code: i64,
    /// `-kubernetes-disable-catchall-routes`.
    pub disable_catch_all: bool,
    /// `-kubernetes-path-mode`.
    pub path_mode: PathMode,
    /// `-enable-kubernetes-endpointslices`.
    pub endpoint_slices: bool,
    /// `-kubernetes-topology-zone`.
    pub topology_zone: String,
    /// `-enable-kubernetes-east-west`.
    pub east_west: bool,
    /// `-kubernetes-east-west-domain`; empty means `skipper.cluster.local`.
    pub east_west_domain: String,
    /// `-kubernetes-east-west-range-domains`.
    pub east_west_range_domains: Vec<String>,
    /// `-kubernetes-east-west-range-predicates`.
    pub east_west_range_predicates: Vec<Predicate>,
    /// `-kubernetes-annotation-predicates`.
    pub annotation_predicates: Vec<AnnotationPredicates>,
    /// `-kubernetes-annotation-filters-append`.
    pub annotation_filters: Vec<AnnotationFilters>,
    /// `-kubernetes-east-west-range-annotation-predicates`.
    pub east_west_annotation_predicates: Vec<AnnotationPredicates>,
    /// `-kubernetes-east-west-range-annotation-filters-append`.
    pub east_west_annotation_filters: Vec<AnnotationFilters>,
    /// `-kubernetes-application-annotation-label`.
    pub application_label: String,
    /// `-enable-kubernetes-external-names`.
    pub external_names: bool,
    /// `-kubernetes-external-name-preserve-host`.
    pub external_name_preserve_host: bool,
    /// `-kubernetes-only-allowed-external-names`.
    pub only_allowed_external_names: bool,
    /// `-kubernetes-allowed-external-name`: regular expressions (RE2), any of which may match.
    pub allowed_external_names: Vec<String>,
    /// `-kubernetes-backend-traffic-algorithm`.
    pub traffic_algorithm: TrafficAlgorithm,
    /// `-kubernetes-default-lb-algorithm`.
    pub default_lb_algorithm: String,
    /// `-kubernetes-force-service`.
    pub force_service: bool,
    /// `-forward-backend-url`.
    pub forward_backend_url: String,
    /// `-enable-oauth2-grant-flow`: add the callback route.
    pub oauth2_grant_flow: bool,
    /// `-oauth2-callback-path`.
    pub oauth2_callback_path: String,
    /// `-default-filters-prepend`, all of them in order.
    pub default_filters_prepend: Vec<Filter>,
    /// `-default-filters-append`, all of them in order.
    pub default_filters_append: Vec<Filter>,
    /// `-edit-route`, in order.
    pub edit_routes: Vec<Rewrite>,
    /// `-clone-route`, in order.
    pub clone_routes: Vec<Rewrite>,
    /// `-kubernetes-enable-tls`: has no effect on the table, but objects that name certificates are told so.
    pub tls: bool,
    /// `-application-log-level` is `DEBUG` or below: the peer then leaves `disableAccessLog` out of a health route.
    pub debug_log: bool,
    /// `--source=eskip…`: what is read are the definitions of documents.
    pub definitions: bool,
    /// `-max-…-bytes`: how large a table, an object's share of it and a route may be.
    pub limits: Limits,
}

/// How much is published, in bytes of printed text. Far beyond what fleets have; a mistake must not fill their memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `-max-table-bytes`: a larger table is not published. The compiler itself does not look at it.
    pub table_bytes: u64,
    /// `-max-object-bytes`: what goes beyond in one object is quarantined.
    pub object_bytes: u64,
    /// `-max-route-bytes`: a larger route is quarantined.
    pub route_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { table_bytes: 512 << 20, object_bytes: 64 << 20, route_bytes: 4 << 20 }
    }
}

/// `-kubernetes-path-mode`, and the annotation `zalando.org/skipper-ingress-path-mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathMode {
    /// `kubernetes-ingress`: a regular expression, anchored at the front.
    #[default]
    KubernetesIngress,
    /// `path-regexp`: a regular expression as it is.
    PathRegexp,
    /// `path-prefix`: a `PathSubtree`.
    PathPrefix,
}

/// `-kubernetes-backend-traffic-algorithm`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrafficAlgorithm {
    /// `traffic-predicate`.
    #[default]
    TrafficPredicate,
    /// `traffic-segment-predicate`.
    TrafficSegment,
}

/// `key=value=<predicates>`: for resources that carry the annotation `key` with `value`.
#[derive(Clone, Debug, PartialEq)]
pub struct AnnotationPredicates {
    /// The annotation's key.
    pub key: String,
    /// Its value, compared whole.
    pub value: String,
    /// What is appended to the routes.
    pub predicates: Vec<Predicate>,
}

/// `key=value=<filters>`: for resources that carry the annotation `key` with `value`.
#[derive(Clone, Debug, PartialEq)]
pub struct AnnotationFilters {
    /// The annotation's key.
    pub key: String,
    /// Its value, compared whole.
    pub value: String,
    /// What is appended to the routes.
    pub filters: Vec<Filter>,
}

/// `/pattern/replacement/` of `-edit-route` and `-clone-route`; the first character separates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// A regular expression (RE2).
    pub pattern: String,
    /// The replacement, with `$1`.
    pub replacement: String,
}

impl Settings {
    /// The same for an upstream that has routes and no objects. What the settings alone ask for is in its documents, if it is
    /// wanted: who compiled them has added it.
    pub fn of_definitions(self) -> Self {
        Self {
            definitions: true,
            healthcheck: false,
            https_redirect: false,
            oauth2_grant_flow: false,
            ..self
        }
    }

    /// The domain of the deprecated east-west routes, without dots around it.
    pub fn trimmed_east_west_domain(&self) -> &str {
        if self.east_west_domain.is_empty() {
            "skipper.cluster.local"
        } else {
            self.east_west_domain.trim_matches('.')
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ingress_class: String::new(),
            route_group_class: String::new(),
            healthcheck: true,
            healthcheck_cidrs: Vec::new(),
            reverse_source_predicate: false,
            https_redirect: true,
            https_redirect_code: 308,
            disable_catch_all: false,
            path_mode: PathMode::default(),
            endpoint_slices: false,
            topology_zone: String::new(),
            east_west: false,
            east_west_domain: String::new(),
            east_west_range_domains: Vec::new(),
            east_west_range_predicates: Vec::new(),
            annotation_predicates: Vec::new(),
            annotation_filters: Vec::new(),
            east_west_annotation_predicates: Vec::new(),
            east_west_annotation_filters: Vec::new(),
            application_label: String::new(),
            external_names: false,
            external_name_preserve_host: false,
            only_allowed_external_names: false,
            allowed_external_names: Vec::new(),
            traffic_algorithm: TrafficAlgorithm::default(),
            default_lb_algorithm: "roundRobin".to_owned(),
            force_service: false,
            forward_backend_url: String::new(),
            oauth2_grant_flow: false,
            oauth2_callback_path: String::new(),
            default_filters_prepend: Vec::new(),
            default_filters_append: Vec::new(),
            edit_routes: Vec::new(),
            clone_routes: Vec::new(),
            tls: false,
            debug_log: false,
            definitions: false,
            limits: Limits::default(),
        }
    }
}
