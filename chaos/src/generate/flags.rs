//! Flags: each that changes the table, with a few values.

use super::{Dice, vocabulary};

/// How often, in percent, and one of which.
const CHOICES: [(u8, &[&str]); 33] = [
    (50, &["-enable-kubernetes-endpointslices"]),
    (40, &["-enable-kubernetes-external-names"]),
    (30, &["-kubernetes-https-redirect=false"]),
    (20, &["-kubernetes-https-redirect-code=301", "-kubernetes-https-redirect-code=302"]),
    (20, &["-kubernetes-disable-catchall-routes"]),
    (15, &["-kubernetes-force-service"]),
    (25, &["-kubernetes-backend-traffic-algorithm=traffic-segment-predicate"]),
    (30, &["-kubernetes-path-mode=path-regexp", "-kubernetes-path-mode=path-prefix"]),
    (20, &["-kubernetes-healthcheck=false"]),
    (4, &["-whitelisted-healthcheck-cidr=10.1.0.0/16,10.2.0.0/16"]),
    (10, &["-reverse-source-predicate"]),
    (15, &["-kubernetes-ingress-class=^(skipper|)$", "-kubernetes-ingress-class=nginx|skip"]),
    (15, &["-kubernetes-routegroup-class=^skipper$", "-kubernetes-routegroup-class=other"]),
    (20, &["-kubernetes-east-west-range-domains=ingress.cluster.local,cluster.local"]),
    (15, &["-kubernetes-east-west-range-predicates=ClientIP(\"10.2.0.0/15\") && Header(\"X-E\", \"w\")"]),
    (15, &["-enable-kubernetes-east-west"]),
    (10, &["-kubernetes-east-west-domain=.east.west.", "-kubernetes-east-west-domain=skipper.cluster.local"]),
    (20, &["-kubernetes-application-annotation-label=application"]),
    (15, &["-kubernetes-only-allowed-external-names"]),
    (
        15,
        &[
            "-kubernetes-allowed-external-name=^ext[0-9]*[.]example[.]net$",
            "-kubernetes-allowed-external-name=.",
        ],
    ),
    (15, &["-kubernetes-external-name-preserve-host"]),
    (15, &["-kubernetes-topology-zone=zone-a", "-kubernetes-topology-zone=zone b"]),
    (20, &["-forward-backend-url=http://forward.example.org:8080", "-forward-backend-url=forward"]),
    (10, &["-enable-oauth2-grant-flow"]),
    (10, &["-oauth2-callback-path=/.well-known/oauth2-callback"]),
    (10, &["-opentracing-backend-name-tag"]),
    (8, &["-application-log-level=DEBUG", "-application-log-level=WARN"]),
    (5, &["-kubernetes-namespace=ns1", "-kubernetes-namespace=default"]),
    (20, &["-kubernetes-annotation-predicates=zone-a=true=Cookie(\"c\", /^v$/)"]),
    (20, &["-kubernetes-annotation-filters-append=zone-a=true=setPath(\"/x\") -> status(204)"]),
    (15, &["-kubernetes-east-west-range-annotation-predicates=zone-a=true=QueryParam(\"q\")"]),
    (15, &["-kubernetes-east-west-range-annotation-filters-append=zone-a=true=inlineContent(\"a\\n\")"]),
    (5, &["-kubernetes-enable-tls"]),
];

const REWRITES: [&str; 8] = [
    "/^Source[(](.*)[)]$/ClientIP($1)/",
    "/^(Header)[(](.*)[)]$/$1Edited($2)/",
    "#^Host[(](.*)example[.]org(.*)#Host(${1}example.net$2#",
    "/^status[(].*$/status(418) -> extra()/",
    "/^Weight[(].*$/Weight(2) && True()/",
    "/^Path/PathX/",
    "/redirectTo[(]([0-9]+),/redirectTo(3$1,/",
    "/^True[(][)]$/False()/",
];

/// The flags of one cluster.
pub(super) fn flags(dice: &mut Dice) -> Vec<String> {
    let mut flags = Vec::new();
    for (percent, values) in CHOICES {
        if dice.chance(percent) {
            flags.push(dice.pick(values).to_owned());
        }
    }
    if dice.chance(25) {
        let algorithm = dice.pick(&vocabulary::ALGORITHMS);
        flags.push(format!("-kubernetes-default-lb-algorithm={algorithm}"));
    }
    for name in ["default-filters-prepend", "default-filters-append"] {
        if dice.chance(15) {
            flags.push(format!("-{name}={}", legal_filters(dice)));
        }
    }
    for name in ["edit-route", "clone-route"] {
        for _ in 0..if dice.chance(15) { 1 + dice.up_to(1) } else { 0 } {
            flags.push(format!("-{name}={}", dice.pick(&REWRITES)));
        }
    }
    flags
}

/// Without the last ones: on the command line they stop both servers.
fn legal_filters(dice: &mut Dice) -> String {
    let legal = &vocabulary::FILTERS[..vocabulary::FILTERS.len() - 2];
    let number = 1 + dice.up_to(1);
    dice.several(number, legal).join("\n -> ")
}
