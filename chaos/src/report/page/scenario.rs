//! One scenario: the verdict, its time line, its figures, and what went wrong in words.

use maud::{Markup, html};

use super::{duration, grouped, mark};
use crate::check::{Figure, Invariant};
use crate::report::svg::picture;
use crate::report::{Made, Outcome, Side, Timeline};

/// How many violations the page has in words.
const WORDED: usize = 8;

/// The part of the page about `outcome`, in a report that was made so.
pub(super) fn section(outcome: &Outcome, made: &Made) -> Markup {
    let Outcome { name, broken, modes, ours, peer } = outcome;
    html! {
        section.scenario id=(name) {
            h2 { (mark(ours.good())) (name) }
            p.note {
                (broken)
                @if !modes.is_empty() {
                    span.of { " · failure " @if modes.len() > 1 { "modes " } @else { "mode " } (modes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")) }
                }
            }
            (side(name, ours, made, peer.is_some()))
            @if let Some(peer) = peer { (side(name, peer, made, true)) }
            (figures(ours, peer.as_ref()))
            (words(ours))
            @if let Some(peer) = peer { (words(peer)) }
        }
    }
}

fn side(name: &str, side: &Side, made: &Made, named: bool) -> Markup {
    let asked = &side.asked;
    html! {
        @if let Some(why) = &side.broken_off { p.alarm { (side.program) ": broken off: " (why) } }
        figure {
            figcaption {
                @if named { b { (side.program) } " · " }
                @if !side.commit.is_empty() && side.commit != made.commit { "commit " code { (side.commit) } " · " }
                (duration(side.seconds)) " · "
                (grouped(asked.polls())) " polls (" (grouped(asked.tables)) " tables, " (grouped(asked.kept)) " × 304) · "
                (grouped(asked.requests)) " requests through Skipper"
                @if let Some((first, last)) = terms(&side.timeline) {
                    @if first == last { " · epoch " (first) } @else { " · epochs " (first) " to " (last) }
                }
            }
            div.scroll { (picture(&side.timeline, &format!("{name}, {}: time line", side.program))) }
        }
    }
}

/// The first and the last epoch that was led.
fn terms(timeline: &Timeline) -> Option<(u64, u64)> {
    let epochs = || timeline.lanes.iter().flat_map(|lane| &lane.epochs).map(|(_, epoch)| *epoch);
    epochs().min().zip(epochs().max())
}

fn figures(ours: &Side, peer: Option<&Side>) -> Markup {
    let only_peer =
        peer.iter().flat_map(|peer| &peer.figures).filter(|figure| ours.figure(&figure.name).is_none());
    // What never happened needs no row of its own.
    let silent = |figure: &&Figure| {
        let zero = |side: &Side| side.figure(&figure.name).is_none_or(|it| it.kept && it.value == Some(0.0));
        Invariant::ALL.iter().any(|it| it.violated() == figure.name) && zero(ours) && peer.is_none_or(zero)
    };
    let (silent, rows): (Vec<&Figure>, Vec<&Figure>) = ours.figures.iter().chain(only_peer).partition(silent);
    // What has a limit first, what is only told after it.
    let rows = rows.into_iter();
    let (limited, told): (Vec<&Figure>, Vec<&Figure>) = rows.partition(|figure| figure.limit.is_some());
    html! {
        div.scroll { table.figures {
            thead { tr {
                th { "" } th.number { (ours.program) } th.number { "of" } th.number { "Limit" } th { "" }
                @if let Some(peer) = peer { th.number { (peer.program) } }
            } }
            @if !silent.is_empty() { tbody { tr {
                th scope="row" {
                    @if silent.len() == Invariant::ALL.len() { "What must never happen" } @else { "The other invariants" }
                    span.of { " (" (silent.len()) " invariants)" }
                }
                td.number { "0" } td {} td.number.of { "≤ 0" } td { (mark(true)) }
                @if peer.is_some() { td.number { "0 " (mark(true)) } }
            } } }
            @for rows in [limited, told] {
                tbody { @for row in rows {
                    @let own = ours.figure(&row.name);
                    tr.missed[own.is_some_and(|figure| !figure.kept)] {
                        th scope="row" { (row.name) }
                        td.number { @match own { Some(figure) => (figure.shown()), None => span.of { "–" } } }
                        td.number.of { (own.map(of).unwrap_or_default()) }
                        td.number.of { (row.limit_shown()) }
                        td { @if let Some(figure) = own.filter(|figure| figure.limit.is_some()) { (mark(figure.kept)) } }
                        @if let Some(peer) = peer {
                            td.number { @match peer.figure(&row.name) {
                                Some(figure) => {
                                    (figure.shown())
                                    @if figure.limit.is_some() { " " (mark(figure.kept)) }
                                },
                                None => span.of { "–" },
                            } }
                        }
                    }
                } }
            }
        } }
    }
}

/// Of how many it is the worst, or a share.
fn of(figure: &Figure) -> String {
    figure.samples.filter(|samples| *samples > 1).map(grouped).unwrap_or_default()
}

/// Violations, and what the scenario said, for who wants to know.
fn words(side: &Side) -> Markup {
    html! {
        @if !side.worded.is_empty() {
            details open[side.violations > 0] {
                summary { (side.program) ": " (grouped(side.violations)) " violations" }
                ol.words { @for words in side.worded.iter().take(WORDED) { li { (words) } } }
                @if side.violations > WORDED { p.of { "and " (grouped(side.violations - WORDED)) " more" } }
            }
        }
        @if !side.timeline.notes.is_empty() {
            details {
                summary { (side.program) ": what happened, line by line" }
                table.words { @for (at, text) in &side.timeline.notes {
                    tr { td.number.of { (format!("{at:.1} s")) } td { (text) } }
                } }
                @if side.timeline.notes_left_out > 0 { p.of { "and " (side.timeline.notes_left_out) " lines more" } }
            }
        }
    }
}
