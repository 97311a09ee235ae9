//! The top of the page: the verdict, what was never violated, and every scenario in a line.

use maud::{Markup, html};

use super::{duration, grouped, mark};
use crate::check::{Figure, Invariant};
use crate::report::{Asked, Outcome, Report, Side};

/// The verdict, in figures that a passer-by understands.
pub(super) fn head(report: &Report) -> Markup {
    let all = report.outcomes.len();
    let kept = report.outcomes.iter().filter(|outcome| outcome.ours.good()).count();
    let ours = report.outcomes.iter().map(|outcome| &outcome.ours);
    let asked = ours.clone().fold(Asked::default(), |sum, side| sum.and(&side.asked));
    let figures = || ours.clone().flat_map(|side| &side.figures).filter(|figure| figure.limit.is_some());
    let missed = figures().filter(|figure| !figure.kept).count();
    let failed = total(ours.clone(), Invariant::RequestsAnswered);
    html! {
        header {
            p.over { "Bellwether · chaos report" }
            h1 {
                @if report.good() {
                    (mark(true)) (all) @if all == 1 { " scenario, " } @else { " scenarios, " } "every limit kept"
                } @else {
                    (mark(false)) (kept) " of " (all) " scenarios kept every limit"
                }
            }
            @let not_good: Vec<_> = report.outcomes.iter().filter(|outcome| !outcome.ours.good()).collect();
            @if !not_good.is_empty() {
                p.alarm {
                    "Not kept: "
                    @for (index, outcome) in not_good.iter().enumerate() {
                        @if index > 0 { ", " } a href=(format!("#{}", outcome.name)) { (outcome.name) }
                    }
                }
            }
            p.lead {
                "Real replicas behind a Service, a real Skipper with traffic through it, and something broken on purpose. "
                "What everybody saw is written down, and judged by a program from what is written, not by whoever broke it."
            }
            div.tiles {
                (tile(&format!("{kept} / {all}"), "scenarios kept every limit", kept == all && all > 0))
                (tile(&grouped(figures().count() - missed), &format!("limits kept; {} missed", grouped(missed)), missed == 0))
                (tile(&grouped(asked.faults), "faults injected", true))
                (tile(&grouped(asked.polls()), "polls of the table", true))
                (tile(&grouped(asked.requests), "requests through Skipper", true))
                (tile(&failed.map_or("–".to_owned(), grouped), "requests failed", failed == Some(0)))
            }
            @let made = &report.made;
            dl.made {
                @for (name, text) in [
                    ("Command", &made.command), ("Commit", &made.commit), ("Ended", &made.at),
                    ("Machine", &made.machine), ("Stage", &made.sizes),
                ] {
                    @if !text.is_empty() { div { dt { (name) } dd { (text) } } }
                }
            }
        }
    }
}

fn tile(number: &str, what: &str, good: bool) -> Markup {
    html! { div.tile.missed[!good] { b { (number) } span { (what) } } }
}

/// What must never happen, and how often it did, over all scenarios.
pub(super) fn invariants(report: &Report) -> Markup {
    let ours = || report.outcomes.iter().map(|outcome| &outcome.ours);
    let peers = || report.outcomes.iter().filter_map(|outcome| outcome.peer.as_ref());
    let shared = peers().count();
    let peer_name = peers().next().map(|side| side.program.as_str());
    html! {
        section {
            h2 { "What must never happen" }
            @if let Some(name) = peer_name {
                p.note { (name) " was in " (shared) " of the " (report.outcomes.len()) " scenarios: those that break a part that it has." }
            }
            div.scroll { table.never {
                thead { tr {
                    th { "" } th.number { "Bellwether" }
                    @if let Some(name) = peer_name { th.number { (name) } }
                } }
                tbody { @for invariant in Invariant::ALL {
                    @if let Some(count) = total(ours(), invariant) { tr {
                        th scope="row" { (invariant.violated()) }
                        td.number { (grouped(count)) " " (mark(count == 0)) }
                        @if peer_name.is_some() {
                            td.number { @match total(peers(), invariant) {
                                Some(count) => { (grouped(count)) " " (mark(count == 0)) },
                                None => span.of { "–" },
                            } }
                        }
                    } }
                } }
            } }
        }
    }
}

/// How often `invariant` was violated in all of `sides`; none where nobody counted.
fn total<'a>(sides: impl Iterator<Item = &'a Side>, invariant: Invariant) -> Option<usize> {
    let counts = sides.filter_map(|side| side.figure(invariant.violated())?.value);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    counts.map(|count| count as usize).reduce(|sum, count| sum + count)
}

/// Every scenario in a line, with its own limits.
pub(super) fn overview(report: &Report) -> Markup {
    html! {
        section {
            h2 { "Every scenario, every limit" }
            div.scroll { table.overview {
                thead { tr {
                    th { "Scenario" } th { "Its limits" } th.number { "Took" }
                    @if report.outcomes.iter().any(|outcome| outcome.peer.is_some()) { th { "Peer" } }
                } }
                tbody { @for outcome in &report.outcomes { (line(outcome, report)) } }
            } }
        }
    }
}

fn line(outcome: &Outcome, report: &Report) -> Markup {
    let never = |figure: &&Figure| Invariant::ALL.iter().any(|invariant| invariant.violated() == figure.name);
    let limited = outcome.ours.figures.iter().filter(|figure| figure.limit.is_some());
    let (never, own): (Vec<_>, Vec<_>) = limited.partition(never);
    let held = never.iter().filter(|figure| figure.kept).count();
    html! {
        tr.missed[!outcome.ours.good()] {
            th scope="row" {
                (mark(outcome.ours.good())) a href=(format!("#{}", outcome.name)) { (outcome.name) }
                span.broken { (outcome.broken) }
            }
            td {
                ul.limits {
                    @if let Some(why) = &outcome.ours.broken_off { li.bad { "broken off: " (why) } }
                    @if !never.is_empty() {
                        li.bad[held < never.len()] { (held) " of " (never.len()) " invariants " (mark(held == never.len())) }
                    }
                    @for figure in own {
                        li.bad[!figure.kept] {
                            (figure.name) " " b { (figure.shown()) } " " span.of { (figure.limit_shown()) } " " (mark(figure.kept))
                        }
                    }
                }
            }
            td.number { (duration(outcome.ours.seconds)) }
            @if report.outcomes.iter().any(|outcome| outcome.peer.is_some()) {
                td { @match &outcome.peer {
                    Some(peer) => { (mark(peer.good())) (short(peer)) },
                    None => span.of { "–" },
                } }
            }
        }
    }
}

/// What became of the peer, in two words.
fn short(peer: &Side) -> String {
    let missed = peer.figures.iter().filter(|figure| !figure.kept).count();
    match (&peer.broken_off, missed) {
        (Some(_), _) => "broken off".to_owned(),
        (None, 0) => "kept".to_owned(),
        (None, missed) => format!("{missed} missed"),
    }
}

pub(super) fn foot(report: &Report) -> Markup {
    html! {
        footer {
            p {
                "Each verdict comes from the recorded history alone. Absolute times are those of the machine above."
                @if !report.made.commit.is_empty() { " Built from commit " code { (report.made.commit) } "." }
            }
        }
    }
}
