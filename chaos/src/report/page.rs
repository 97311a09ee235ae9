//! The page: one file, no script, nothing fetched. A verdict first, then every limit, then each scenario.

mod scenario;
mod summary;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::Report;
use crate::check::Figure;

/// The page of `report`.
pub fn page(report: &Report) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Bellwether: chaos report" }
                style { (PreEscaped(include_str!("page/style.css"))) }
            }
            body {
                (hatch())
                main {
                    (summary::head(report))
                    (summary::invariants(report))
                    (summary::overview(report))
                    (how_to_read())
                    @for outcome in &report.outcomes { (scenario::section(outcome, &report.made)) }
                    (summary::foot(report))
                }
            }
        }
    };
    page.into_string()
}

/// What the time lines mean.
fn how_to_read() -> Markup {
    let swatch = |class: &str, height: u8| {
        html! {
            svg.swatch viewBox="0 0 26 16" aria-hidden="true" {
                path class={ "bar " (class) } stroke-width=(height) d="M0 8h26" {}
            }
        }
    };
    html! {
        section.reading {
            h2 id="reading" { "How to read the time lines" }
            ul {
                li { (swatch("leads", 12)) "leads; the number is its epoch" }
                li { (swatch("follows", 12)) "follows" }
                li { (swatch("runs", 12)) "runs, and has no role to tell" }
                li { (swatch("silent", 12)) "does not answer" }
                li { (swatch("paused", 12)) "stopped in its tracks (SIGSTOP)" }
                li { (swatch("cutoff", 12)) "clients cannot reach it" }
                li {
                    svg.swatch viewBox="0 0 26 16" aria-hidden="true" {
                        path.bar.down stroke-width="2" d="M0 8h26" {}
                        path.death d="M1 5l6 6m0-6l-6 6" {}
                    }
                    "no process"
                }
                li { (swatch("rotation", 2)) "line above: the Service sends it connections" }
                li {
                    svg.swatch viewBox="0 0 26 16" aria-hidden="true" {
                        path.bar.table0 stroke-width="6" d="M0 8h13" {}
                        path.bar.table1 stroke-width="6" d="M13 8h13" {}
                    }
                    "strip below: its table; one colour, one digest"
                }
                li {
                    svg.swatch viewBox="0 0 26 16" aria-hidden="true" {
                        path.struck d="M2 4h8l-4 9z" {}
                        path.bar.fault stroke-width="9" d="M14 8h12" {}
                    }
                    "a fault: one moment, or as long as it lasts"
                }
                li { (swatch("excused", 10)) "lost to a replica that was dead while the Service still pointed at it" }
                li { (swatch("blamed", 10)) "lost, and nothing excuses it" }
            }
        }
    }
}

/// The pattern that silence is drawn with.
fn hatch() -> Markup {
    html! {
        svg.defs width="0" height="0" aria-hidden="true" {
            defs {
                pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                    path.hatch d="M0 0v5" {}
                }
            }
        }
    }
}

/// A tick or a cross: colours alone do not reach everybody.
fn mark(good: bool) -> Markup {
    html! {
        @if good { span.mark.good { "✓" } } @else { span.mark.bad { "✗" } }
    }
}

fn grouped(count: usize) -> String {
    Figure::count("", count).shown()
}

/// Seconds as people say them.
fn duration(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 99.5 => format!("{seconds:.0} s"),
        seconds if seconds < 5_970.0 => format!("{:.0} min", seconds / 60.0),
        seconds => format!("{:.1} h", seconds / 3600.0),
    }
}
