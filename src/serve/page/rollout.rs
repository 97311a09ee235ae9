//! The section of the roll-out: what the leader of a set in `pre` has found beside what the fleet runs now.
//!
//! In: what replicas say in their status. Out: HTML; nothing where the fleet polls here.

use maud::{Markup, html};
use serde_json::Value;

use super::{number, span, text};
use crate::serve::fleet::Fleet;

/// The section.
pub(super) fn section(fleet: &Fleet) -> Markup {
    match (mode(fleet), comparison(fleet)) {
        (_, Some(report)) => compared(report),
        (Some(mode @ ("off" | "pre")), None) => html! { section {
            h2 { "Roll-out" }
            p.look { "These replicas run with " code { "--rollout=" (mode) } ", and none that answers compares anything." }
        } },
        _ => html! {},
    }
}

/// What one must know first.
pub(super) fn line(fleet: &Fleet) -> Option<String> {
    let report = comparison(fleet)?;
    let different = text(report, "verdict") == "different";
    different.then(|| "The fleet would get other routes than it has.".to_owned())
}

fn mode(fleet: &Fleet) -> Option<&str> {
    let statuses = fleet.replicas.iter().filter_map(|it| it.status.as_ref());
    statuses.filter_map(|status| status["rollout"]["mode"].as_str()).next()
}

fn comparison(fleet: &Fleet) -> Option<&Value> {
    let statuses = fleet.replicas.iter().filter_map(|it| it.status.as_ref());
    statuses.map(|status| &status["rollout"]["comparison"]).find(|report| !report.is_null())
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn compared(report: &Value) -> Markup {
    let (class, headline) = match text(report, "verdict") {
        "safe" => ("good", "safe to move over"),
        "different" => ("bad", "the fleet would get other routes than it has"),
        "unknown" => ("look", "there is nothing to compare with"),
        _ => ("look", "not safe yet"),
    };
    html! { section {
        h2 { "Roll-out: " span class=(class) { (headline) } }
        @for reason in list(report, "reasons") { p.quiet { (reason.as_str().unwrap_or_default()) } }
        table {
            thead { tr {
                th { "what the fleet runs now" } th.n { "routes" } th.n { "different" } th.n { "unsettled" } th.n { "clean for" }
                th.n { "changes" } th { "safe" }
            } }
            tbody { @for peer in list(report, "peers") { (of_peer(peer)) } }
        }
        @for peer in list(report, "peers") { (differences(peer)) }
        p.quiet { code { "bellwether rollout check" } " says the same, with an exit code." }
    } }
}

fn of_peer(peer: &Value) -> Markup {
    let counts = |field: &str| peer[field].as_u64().unwrap_or_default() > 0;
    html! { tr {
        td { code { (text(peer, "url")) } @if let Some(error) = peer["error"].as_str() { br; span.bad { (error) } } }
        td.n { (number(&peer["routes"])) }
        td.n.bad[counts("different")] { (number(&peer["different"])) }
        td.n.look[counts("unsettled")] { (number(&peer["unsettled"])) }
        td.n { @match peer["clean_seconds"].as_f64() { Some(clean) => (span(clean)), None => "–" } }
        td.n { (number(&peer["changes"])) }
        td.look[peer["safe"] != true] { (super::yes(&peer["safe"])) }
    } }
}

fn differences(peer: &Value) -> Markup {
    let found = list(peer, "found");
    let count = ["different", "unsettled"].iter().filter_map(|field| peer[field].as_u64()).sum::<u64>();
    html! { @if !found.is_empty() {
        table {
            thead { tr { th { "route" } th { "is" } th { "from " code { (text(peer, "url")) } " (−) to ours (+)" } } }
            tbody { @for one in found { tr {
                td { code { (text(one, "id")) } }
                td.bad[one["settled"] == true] { (text(one, "kind")) @if one["settled"] != true { ", never still" } }
                td { @for part in list(one, "parts") { div { code { (part.as_str().unwrap_or_default()) } } } }
            } } }
        }
        @if count > found.len() as u64 { p.quiet { "and " (count - found.len() as u64) " more" } }
    } }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::serve::fleet::Member;

    fn fleet(rollout: Value) -> Fleet {
        let status = json!({"replica": "r0", "role": "leader", "digest": "0", "rollout": rollout});
        Fleet {
            seen_by: "r0".to_owned(),
            at: None,
            replicas: vec![Member { address: None, status: Some(status), error: None }],
            clients: Vec::new(),
            publications: Vec::new(),
            tables: Vec::new(),
        }
    }

    fn page(rollout: Value) -> String {
        super::super::page(&fleet(rollout))
    }

    #[test]
    fn what_differs_is_shown_and_comes_first() {
        let found =
            json!({"id": "kube_a", "kind": "changed", "parts": ["- -> x()", "+ -> <y>"], "settled": true});
        let peer = json!({
            "url": "http://routesrv", "routes": 7, "different": 61, "unsettled": 0, "clean_seconds": null, "changes": 0,
            "found": [found], "safe": false, "error": null,
        });
        let report = json!({"verdict": "different", "reasons": ["61 routes differ"], "peers": [peer]});
        let page = page(json!({"mode": "pre", "comparison": report}));
        for shown in [
            "The fleet would get other routes than it has.",
            "61 routes differ",
            "<code>http://routesrv</code>",
            "<code>kube_a</code>",
            "<code>+ -&gt; &lt;y&gt;</code>",
            "and 60 more",
        ] {
            assert!(page.contains(shown), "{shown}: {page}");
        }
    }

    #[test]
    fn a_fleet_that_polls_here_has_no_such_section() {
        assert!(!page(json!({"mode": "exec", "comparison": null})).contains("Roll-out"));
        assert!(!page(Value::Null).contains("Roll-out"));
        assert!(page(json!({"mode": "off", "comparison": null})).contains("--rollout=off"));
        let safe = json!({"verdict": "safe", "reasons": [], "peers": []});
        let page = page(json!({"mode": "pre", "comparison": safe}));
        assert!(page.contains("safe to move over") && !page.contains("would get other routes"));
    }
}
