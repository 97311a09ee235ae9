//! The two texts that metrics are asked for in: OpenMetrics 1.0, and the format before it (0.0.4), which the peer
//! sends and which every scraper can read.
//!
//! Sources: <https://prometheus.io/docs/specs/om/open_metrics_spec/>,
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt;

use http::HeaderMap;
use http::header::ACCEPT;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What `registry` holds, in the text that `headers` ask for: the content type and the body.
pub(super) fn exposition(
    registry: &Registry,
    headers: &HeaderMap,
) -> Result<(&'static str, String), fmt::Error> {
    let mut body = String::new();
    text::encode(&mut body, registry)?;
    let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    if accepted.any(|value| value.contains("application/openmetrics-text")) {
        return Ok((OPENMETRICS, body));
    }
    Ok((CLASSIC, classic(&body)))
}

/// OpenMetrics as 0.0.4: there a family has the name of its samples, and no unit and no end.
fn classic(openmetrics: &str) -> String {
    let mut out = String::with_capacity(openmetrics.len());
    let mut help = None;
    for line in openmetrics.lines() {
        let Some(comment) = line.strip_prefix("# ") else {
            out.extend([line, "\n"]);
            continue;
        };
        let mut words = comment.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("HELP"), Some(_), text) => help = text,
            (Some("TYPE"), Some(name), Some(kind)) => {
                let (suffix, kind) = match kind {
                    "counter" => ("_total", kind),
                    "info" => ("_info", "gauge"),
                    "unknown" => ("", "untyped"),
                    _ => ("", kind),
                };
                if let Some(help) = help.take() {
                    out.push_str(&format!("# HELP {name}{suffix} {help}\n"));
                }
                out.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
            }
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::gauge::Gauge;
    use prometheus_client::metrics::histogram::Histogram;
    use prometheus_client::metrics::info::Info;
    use prometheus_client::registry::Unit;

    use super::*;

    fn registry() -> Registry {
        let mut registry = Registry::default();
        let histogram = Histogram::new([0.5]);
        histogram.observe(0.25);
        registry.register("polls", "All of them", Counter::<u64>::default());
        registry.register_with_unit("age", "Since then", Unit::Seconds, Gauge::<i64>::default());
        registry.register("build", "The program", Info::new([("version", "1 # 2")]));
        registry.register("took", "How long", histogram);
        registry
    }

    fn asked(accept: Option<&'static str>) -> (&'static str, String) {
        let accept = accept.map(|accept| (ACCEPT, http::HeaderValue::from_static(accept)));
        exposition(&registry(), &HeaderMap::from_iter(accept)).expect("a string takes any text")
    }

    #[test]
    fn families_of_the_older_text_have_the_names_of_their_samples() {
        let (kind, body) = asked(Some("text/plain;version=0.0.4;q=0.5,*/*;q=0.1"));
        assert_eq!(kind, CLASSIC);
        let expected = "# HELP polls_total All of them.\n# TYPE polls_total counter\npolls_total 0\n\
                        # HELP age_seconds Since then.\n# TYPE age_seconds gauge\nage_seconds 0\n\
                        # HELP build_info The program.\n# TYPE build_info gauge\nbuild_info{version=\"1 # 2\"} 1\n\
                        # HELP took How long.\n# TYPE took histogram\ntook_sum 0.25\ntook_count 1\n\
                        took_bucket{le=\"0.5\"} 1\ntook_bucket{le=\"+Inf\"} 1\n";
        assert_eq!(body, expected);
        assert_eq!(asked(None).0, CLASSIC, "as the peer does");
    }

    #[test]
    fn prometheus_gets_openmetrics() {
        let asks =
            "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let (kind, body) = asked(Some(asks));
        assert_eq!(kind, OPENMETRICS);
        assert!(body.contains("# TYPE polls counter\n") && body.ends_with("# EOF\n"), "{body}");
    }
}
