//! The load-balancing algorithms that a route may name.

/// Those of Skipper 0.27 (`loadbalancer/algorithm.go`).
const KNOWN: [&str; 6] = [
    "roundRobin",
    "random",
    "consistentHash",
    "powerOfRandomNChoices",
    "weightedRoundRobin",
    "leastRequests",
];

/// Whether Skipper knows an algorithm of that name.
pub(super) fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}

/// What is used where nothing is said: the configured one, or round robin where that is unknown.
pub(super) fn default_for(configured: &str) -> &str {
    if is_known(configured) { configured } else { KNOWN[0] }
}
