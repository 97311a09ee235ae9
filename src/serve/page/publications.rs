//! The last publications on the page: when, why, what each changed.

use maud::{Markup, html};

use super::{clock, span};
use crate::serve::publications::Published;

/// So many characters of a route's id are shown.
const ID: usize = 48;

/// The section of the page.
pub(super) fn section(publications: &[Published]) -> Markup {
    html! { @if !publications.is_empty() { section {
        h2 { "The last publications" }
        p.quiet { "What each changed in the main table, and the first few routes of it." }
        table {
            thead { tr {
                th { "version" } th { "why" } th { "active since, UTC" } th { "by" } th.n { "routes" } th { "changed" } th { "for example" }
                th.n { "took" } th.n { "replicas" }
            } }
            tbody { @for it in publications { (publication(it)) } }
        }
    } } }
}

fn publication(it: &Published) -> Markup {
    let took = it.compile_seconds + it.stage_seconds + it.activate_seconds;
    html! { tr {
        td title=(it.digest) { (it.version) }
        td { (it.cause) }
        td { @if let Some(at) = it.at { (clock(at)) } }
        td { (it.by) }
        td.n { (it.routes) }
        td { (changes(it)) }
        td { @for touched in &it.named { div title=(touched.object.as_deref().unwrap_or_default()) {
            (sign(touched.what)) " " code { (beginning(&touched.route)) }
        } } }
        td.n title=(steps(it)) { (millis(took)) }
        td.n { (it.replicas) }
    } }
}

/// As `+3 −1 ~2`.
fn changes(it: &Published) -> String {
    let all = [("added", it.added), ("removed", it.removed), ("changed", it.changed)];
    let some = all.into_iter().filter_map(|(what, count)| Some((what, count?)));
    let some = some.filter(|(_, count)| *count > 0);
    let said: Vec<_> = some.map(|(what, count)| format!("{}{count}", sign(what))).collect();
    match (said.is_empty(), it.added) {
        (true, None) => "?".to_owned(),
        (true, Some(_)) => "nothing".to_owned(),
        (false, _) => said.join(" "),
    }
}

fn sign(what: &str) -> &'static str {
    match what {
        "added" => "+",
        "removed" => "−",
        _ => "~",
    }
}

/// As much of an id as a table has room for.
fn beginning(id: &str) -> String {
    if id.chars().count() <= ID { id.to_owned() } else { id.chars().take(ID - 1).chain(['…']).collect() }
}

fn steps(it: &Published) -> String {
    let steps = [
        ("poll", it.poll_seconds),
        ("compile", it.compile_seconds),
        ("stage", it.stage_seconds),
        ("activate", it.activate_seconds),
    ];
    steps.map(|(step, seconds)| format!("{step} {}", millis(seconds))).join(", ")
}

fn millis(seconds: f64) -> String {
    match seconds * 1e3 {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 10_000.0 => format!("{ms:.0} ms"),
        _ => span(seconds),
    }
}
