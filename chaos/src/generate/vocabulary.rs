//! The words of generated clusters: ordinary ones, and those that trip programs up.

use super::Dice;

pub(super) const SERVICES: [&str; 5] = ["svc-0", "svc-1", "svc.1", "svc-2", "svc-3"];

/// Two of them make the same id; some are inside the cluster, some are no host names at all.
pub(super) const HOSTS: [&str; 14] = [
    "app.example.org",
    "www.example.org",
    "a-b.example.org",
    "a.b.example.org",
    "*.example.org",
    "UPPER.Example.org",
    "trailing.example.org.",
    "svc.ingress.cluster.local",
    "evilingress.cluster.local",
    "x.skipper.cluster.local",
    "ing-0.ns1.skipper.cluster.local",
    "ünï.example.org",
    "app.example.org:8080",
    "(",
];

pub(super) const PATHS: [&str; 16] = [
    "/",
    "/api",
    "/api/v1",
    "/api/",
    "/x/:id",
    "/sub/*rest",
    "/foo/(bar|baz)$",
    "/a.b",
    "/a b",
    "/ünï",
    "^/anchored",
    "^/",
    "/q\"uote",
    "/back\\slash",
    "/open\\[x/y",
    "/line\nbreak",
];

/// Predicates that the language knows, that it does not, and that break a table.
pub(super) const PREDICATES: [&str; 34] = [
    "True()",
    "Weight(7)",
    "Traffic(.3)",
    "Traffic(0.00001)",
    "Method(\"GET\")",
    "Methods(\"GET\", \"HEAD\")",
    "Path(\"/foo/:id\")",
    "PathSubtree(\"/sub\")",
    "PathRegexp(/^\\/re[/]x/)",
    "PathRegexp(\"a\\\\[b\")",
    "PathRegexp(\"\")",
    "Host(/^special[.]example[.]org$/)",
    "Host(\"^a$\")",
    "Header(\"X-A\", \"b\")",
    "Header(\"X-A\", \"c\")",
    "Header(\"X-Forwarded-Proto\", \"https\")",
    "Header( \"X-Forwarded-Proto\", \"http\")",
    "HeaderRegexp(\"X-A\", /^b.*$/)",
    "HeaderRegexp(\"A\", \"x\")",
    "Cookie(\"c\", /^v$/)",
    "QueryParam(\"q\")",
    "Source(\"10.0.0.0/8\", \"192.168.0.0/16\")",
    "ClientIP(\"10.0.0.1\")",
    "Between(\"2026-01-01T00:00:00Z\", \"2027-01-01T00:00:00Z\")",
    "Any()",
    "*",
    "Method(\"A\", \"B\")",
    "Header(\"x\")",
    "Host(1)",
    "Path()",
    "Custom(1e9)",
    "Custom(123456789.5, -0, 3.0, 0.1, \"ä€\\n\\t\\\"\")",
    "Bad(",
    "",
];

pub(super) const FILTERS: [&str; 28] = [
    "status(204)",
    "setPath(\"/x\")",
    "latency(0.25)",
    "latency(-3)",
    "latency(.00001)",
    "latency(1234567.5)",
    "latency(100000000000000000000000)",
    "latency(0.1234567890123456789)",
    "ratelimit(20, \"1m\")",
    "clusterClientRatelimit(\"g\", 10, \"1h\", \"Authorization\")",
    "setQuery(\"q\", \"ä€😀\")",
    "inlineContent(\"a \\\"quoted\\\" text\\nline\")",
    "modPath(/^\\/api\\/(v[0-9]+)/, \"/$1\")",
    "modPath(\"[/]\", `raw \\d \"x\"`)",
    "setRequestHeader(\"X-Foo\", \"bar\")",
    "setRequestHeader(\"Host\", \"h\")",
    "annotate(\"zalando.org/traffic-zone-aware\", \"false\")",
    "annotate(\"k\", \"v\")",
    "annotate(\"Application\", \"mine\")",
    "flowId(\"reuse\")",
    "consistentHashKey(\"${request.header.Authorization}\")",
    "comment() // to the end",
    "bell(\"\\a\\b\\f\\r\\v\\x\")",
    "two() -> filters()",
    "redirectTo(301, \"https:\")",
    "unknown()",
    "\"quoted\"",
    "bad(",
];

pub(super) const ALGORITHMS: [&str; 7] = [
    "roundRobin",
    "random",
    "consistentHash",
    "powerOfRandomNChoices",
    "weightedRoundRobin",
    "leastRequests",
    "bogus",
];

/// A predicate list as it stands in an annotation or a flag.
pub(super) fn predicates(dice: &mut Dice) -> String {
    let number = 1 + dice.up_to(2);
    dice.several(number, &PREDICATES).join(" && ")
}

/// A filter chain as it stands in an annotation or a flag.
pub(super) fn filters(dice: &mut Dice) -> String {
    let number = 1 + dice.up_to(2);
    dice.several(number, &FILTERS).join(" -> ")
}
