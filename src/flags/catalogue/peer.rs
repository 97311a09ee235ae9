//! The peer's flags that its route server honours.

use super::Group::{Api, EastWest, External, Listeners, Logs, Replica, Routes, Table};
use super::Treatment::Honoured;
use super::{Group, Spec};
use crate::flags::kind::Kind::{self, *};

const fn honoured(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    group: Group,
    help: &'static str,
) -> Spec {
    Spec { name, kind, default, treatment: Honoured(group, help) }
}

#[rustfmt::skip]
pub(super) static HONOURED: [Spec; 66] = [
    honoured("config-file", Path, "", Replica,
        "YAML with the same names as keys; what the command line says overrides it"),
    honoured("source-poll-timeout", Int, "3000", Replica,
        "how often the leader reads the upstream, in milliseconds"),
    honoured("wait-for-healthcheck-interval", Duration, "45s", Replica,
        "on SIGTERM: how long to go on serving, not ready, until load balancers have noticed"),

    honoured("address", Address, ":9090", Listeners, "where /routes and /health answer"),
    honoured("support-listener", Address, ":9911", Listeners,
        "where /metrics, /livez, /readyz and /status answer; empty for none"),
    honoured("enable-mtls", Bool, "false", Listeners,
        "HTTPS on -address; everything but /health asks for a client's certificate"),
    honoured("tls-cert", Text, "", Listeners, "with it: certificates with their chains (PEM), commas between files"),
    honoured("tls-key", Text, "", Listeners, "their keys, in the same order; changed files are taken up"),
    honoured("tls-min-version", Text, "1.2", Listeners, "1.2 or 1.3"),
    honoured("exclude-insecure-cipher-suites", Bool, "false", Listeners, "always so"),
    honoured("mtls-authn-ca", Text, "", Listeners, "the authorities of clients (PEM), commas between files"),
    honoured("mtls-authn-append-ca", Bool, "false", Listeners, "and those that the system trusts"),
    honoured("tls-key-log-file", Text, "", Listeners,
        "with it: append the secrets of its sessions, so that a dump of packets can be read"),
    honoured("route-server-filters", Filters, "", Listeners,
        "before everything but /health: basicAuth, ratelimit, clientRatelimit, status, inlineContent, setResponseHeader, \
         appendResponseHeader, dropResponseHeader"),
    honoured("kubernetes-redis-service-namespace", Text, "", Listeners,
        "with the name: the Service whose ready pods /swarm/redis/shards names"),
    honoured("kubernetes-redis-service-name", Text, "", Listeners, "its name"),
    honoured("kubernetes-redis-service-port", Int, "6379", Listeners, "the port of its pods"),
    honoured("kubernetes-valkey-service-namespace", Text, "", Listeners,
        "with the name: the Service whose ready pods /swarm/valkey/shards names"),
    honoured("kubernetes-valkey-service-name", Text, "", Listeners, "its name"),
    honoured("kubernetes-valkey-service-port", Int, "6379", Listeners, "the port of its pods"),

    honoured("kubernetes", Bool, "false", Api,
        "read from Kubernetes; the rule here, and accepted so that routesrv's command line works"),
    honoured("kubernetes-in-cluster", Bool, "false", Api,
        "use the pod's service account; found without the flag too"),
    honoured("kubernetes-url", Url, "", Api, "the API server's address, as http://localhost:8001"),
    honoured("kubernetes-token-file", Path, "", Api, "a bearer token for it, re-read while running"),
    honoured("kubernetes-status-from-service", Text, "", Api,
        "NAMESPACE/NAME: the leader writes this Service's addresses into the status of Ingresses"),
    honoured("kubernetes-namespace", Text, "", Api, "read only this namespace; empty for all"),

    honoured("kubernetes-ingress-class", Regexp, "", Table,
        "classes of Ingresses to take, not anchored; empty means skipper"),
    honoured("kubernetes-routegroup-class", Regexp, "", Table,
        "classes of RouteGroups to take, likewise"),
    honoured("kubernetes-path-mode", Choice(PATH_MODES), "kubernetes-ingress", Table,
        "how ImplementationSpecific paths match: kubernetes-ingress, path-regexp or path-prefix"),
    honoured("kubernetes-backend-traffic-algorithm", Choice(TRAFFIC_ALGORITHMS), "traffic-predicate", Table,
        "how weights are split: traffic-predicate or traffic-segment-predicate"),
    honoured("kubernetes-default-lb-algorithm", Text, "roundRobin", Table,
        "how endpoints are chosen: roundRobin, random, consistentHash, powerOfRandomNChoices, \
         weightedRoundRobin or leastRequests"),
    honoured("enable-kubernetes-endpointslices", Bool, "false", Table,
        "read EndpointSlices instead of Endpoints; zones need them"),
    honoured("kubernetes-topology-zone", Text, "", Table,
        "keep only this zone's endpoints in the main table; leave empty to serve /routes/{zone}"),
    honoured("kubernetes-enable-tls", Bool, "false", Table,
        "no certificates are served; objects that name some are told so"),
    honoured("kubernetes-force-service", Bool, "false", Table,
        "lead to the Service's own address instead of its endpoints"),
    honoured("kubernetes-healthcheck", Bool, "true", Table, "add the routes of the health check"),
    honoured("whitelisted-healthcheck-cidr", Cidrs, "", Table, "further sources of health checks"),
    honoured("reverse-source-predicate", Bool, "false", Table,
        "health checks: take the client from the end of X-Forwarded-For"),
    honoured("kubernetes-https-redirect", Bool, "true", Table, "redirect plain HTTP to HTTPS"),
    honoured("kubernetes-https-redirect-code", Int, "308", Table, "the status of that redirect"),
    honoured("kubernetes-disable-catchall-routes", Bool, "false", Table,
        "no catch-all route for each host"),
    honoured("kubernetes-application-annotation-label", Text, "", Table,
        "put this label's value into annotate(\"Application\", …) on each route"),
    honoured("forward-backend-url", Text, "", Table, "where forward backends lead"),

    honoured("default-filters-prepend", Filters, "", Routes, "filters in front of each route's own"),
    honoured("default-filters-append", Filters, "", Routes, "filters after each route's own"),
    honoured("default-filters-dir", Path, "", Routes,
        "a folder of files called <service>.<namespace> with filters for its routes"),
    honoured("kubernetes-annotation-predicates", AnnotationPredicates, "", Routes,
        "predicates for the outside routes of objects with this annotation"),
    honoured("kubernetes-annotation-filters-append", AnnotationFilters, "", Routes,
        "filters for the outside routes of objects with this annotation"),
    honoured("edit-route", Rewrites, "", Routes, "replace in each predicate and filter"),
    honoured("clone-route", Rewrites, "", Routes, "likewise, in a copy called clone_<id>"),
    honoured("enable-oauth2-grant-flow", Bool, "false", Routes, "add the route of the OAuth2 callback"),
    honoured("oauth2-callback-path", Text, "", Routes, "its path"),

    honoured("kubernetes-east-west-range-domains", List, "", EastWest,
        "suffixes of the hosts inside the cluster"),
    honoured("kubernetes-east-west-range-predicates", Predicates, "", EastWest,
        "predicates for inside routes"),
    honoured("kubernetes-east-west-range-annotation-predicates", AnnotationPredicates, "", EastWest,
        "predicates for the inside routes of objects with this annotation"),
    honoured("kubernetes-east-west-range-annotation-filters-append", AnnotationFilters, "", EastWest,
        "filters for the inside routes of objects with this annotation"),
    honoured("enable-kubernetes-east-west", Bool, "false", EastWest,
        "deprecated: a route <name>.<namespace>.<domain> for each Ingress"),
    honoured("kubernetes-east-west-domain", Text, "", EastWest,
        "deprecated: that domain; empty means skipper.cluster.local"),

    honoured("enable-kubernetes-external-names", Bool, "false", External,
        "Ingresses may lead to Services of the type ExternalName"),
    honoured("kubernetes-external-name-preserve-host", Bool, "false", External,
        "keep the request's host on the way there"),
    honoured("kubernetes-only-allowed-external-names", Bool, "false", External,
        "only names that the next flag allows"),
    honoured("kubernetes-allowed-external-name", Regexps, "", External, "names that are allowed"),

    honoured("application-log-level", Level, "INFO", Logs,
        "PANIC, FATAL, ERROR, WARN, INFO, DEBUG or TRACE"),
    honoured("application-log-json-enabled", Bool, "false", Logs, "the same as --log-format=json"),
    honoured("open-telemetry", Yaml, "", Logs,
        "a trace of each publication to an OpenTelemetry collector, as {exporterOtlp: {endpoint: 'http://collector:4317'}}; gRPC"),
    honoured("version", Bool, "false", Logs, "print the version and stop"),
];

const PATH_MODES: &[&str] = &["kubernetes-ingress", "path-regexp", "path-prefix"];
const TRAFFIC_ALGORITHMS: &[&str] = &["traffic-predicate", "traffic-segment-predicate"];

const GO: &str = "it is about the Go runtime";
const TRACING: &str = "-open-telemetry has taken its place";
const TOKENS: &str = "no filter in front of /routes asks a server for tokens";

#[rustfmt::skip]
pub(super) static UNSUPPORTED: [Spec; 10] = [
    Spec::unsupported("enable-profile", Bool, "false", GO),
    Spec::unsupported("block-profile-rate", Int, "0", GO),
    Spec::unsupported("mutex-profile-fraction", Int, "0", GO),
    Spec::unsupported("opentracing", Text, "noop", TRACING),
    Spec::unsupported("oauth2-tokeninfo-url", Text, "", TOKENS),
    Spec::unsupported("oauth2-tokeninfo-timeout", Duration, "2s", TOKENS),
    Spec::unsupported("oauth2-tokeninfo-cache-size", Int, "0", TOKENS),
    Spec::unsupported("oauth2-tokeninfo-cache-ttl", Duration, "0", TOKENS),
    Spec::unsupported("idle-conns-num", Int, "64", TOKENS),
    Spec::unsupported("opentracing-client-trace-by-tag", Bool, "false", TOKENS),
];
