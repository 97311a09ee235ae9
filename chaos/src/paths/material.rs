//! What the paths go over: routes and objects as fleets of Skipper have them.

use std::fmt::Write as _;

pub(super) fn routes(number: usize) -> String {
    let mut text = String::new();
    for n in 0..number {
        let _ = writeln!(
            text,
            "kube_team_{n}__app__app_{n}_example_org____: Host(\"^(app-{n}[.]example[.]org[.]?(:[0-9]+)?)$\") && \
             PathSubtree(\"/api/{n}\") -> ratelimit(200, \"1m\") -> <roundRobin, \"http://10.2.{}.{}:8080\">;",
            n / 250,
            n % 250
        );
    }
    text
}

/// So many Ingresses, each with its Service.
pub(super) fn objects(number: usize) -> String {
    let mut text = String::new();
    for n in 0..number {
        let _ = writeln!(
            text,
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: app-{n}, namespace: team}}\n\
             spec: {{clusterIP: 10.3.0.{n}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}\n\
             ---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: app-{n}, namespace: team}}\n\
             spec: {{rules: [{{host: app-{n}.example.org, http: {{paths: [{{path: /api, pathType: Prefix, \
             backend: {{service: {{name: app-{n}, port: {{number: 80}}}}}}}}]}}}}]}}"
        );
    }
    text
}
