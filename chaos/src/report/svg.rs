//! A time line as a picture: rows below each other, labels at the left, seconds below. Nothing but shapes and classes; the
//! page gives the colours.

mod axis;

use std::fmt::Write as _;

use maud::{Markup, html};

use super::raster::COLUMNS;
use super::timeline::{Broken, Lane, Phase, Timeline};

/// Left of the columns, for labels.
const GUTTER: u16 = 176;

/// Right of them.
const MARGIN: u16 = 22;

/// How many kinds of faults have a row of their own.
const KINDS: usize = 8;

/// How many letters a label has at most.
const WORDS: usize = 29;

/// How wide a digit is.
const DIGIT: u16 = 7;

/// How many columns a role may be seen after it was taken.
const SLACK: u16 = 6;

/// A picture that grows downwards.
struct Rows {
    y: u16,
    parts: Vec<Markup>,
}

impl Rows {
    fn add(&mut self, height: u16, row: impl FnOnce(u16) -> Markup) {
        self.parts.push(row(self.y));
        self.y += height;
    }
}

/// `timeline` as an inline picture; `title` says of what.
pub fn picture(timeline: &Timeline, title: &str) -> Markup {
    let mut rows = Rows { y: 4, parts: Vec::new() };
    for fault in timeline.faults.iter().take(KINDS) {
        rows.add(20, |y| broken(fault, y));
    }
    if timeline.faults.len() > KINDS {
        let more = timeline.faults.len() - KINDS;
        rows.add(18, |y| html! { text.label.faint x="0" y=(y + 12) { "and " (more) " kinds more" } });
    }
    rows.y += 6;
    let top = rows.y;
    for it in &timeline.lanes {
        rows.add(40, |y| lane(it, y));
    }
    let bottom = rows.y - 8;
    rows.y += 2;
    if !timeline.changes.is_empty() {
        rows.add(18, |y| ticks("changes upstream", "change", &timeline.changes, &[], y));
    }
    rows.add(18, |y| ticks("polls lost", "excused", &timeline.excused, &timeline.blamed, y));
    rows.add(18, |y| ticks("requests failed", "excused", &[], &timeline.failed, y));
    if let Some(oldest) = oldest(&timeline.ages) {
        let gap = gap(timeline.seconds);
        rows.add(58, |y| ages(&timeline.ages, oldest, gap, y));
    }
    let end = rows.y;
    rows.add(26, |y| axis::axis(timeline.seconds, y));
    let (width, height) = (GUTTER + COLUMNS + MARGIN, rows.y);
    let shades = shades(&timeline.faults);
    html! {
        svg.timeline viewBox=(format!("0 0 {width} {height}")) role="img" aria-label=(title) {
            (axis::grid(timeline.seconds, top, end))
            (bars("shade", &shades, (top + bottom) / 2, bottom + 4 - top))
            @for part in &rows.parts { (part) }
        }
    }
}

/// Where something with a length is broken: what the lanes are shaded by.
fn shades(faults: &[Broken]) -> Vec<(u16, u16)> {
    faults.iter().flat_map(|fault| &fault.spans).filter(|(from, to)| to - from > 2).copied().collect()
}

fn broken(fault: &Broken, y: u16) -> Markup {
    let times =
        if fault.times > 1 { format!("{} × {}", fault.times, fault.what) } else { fault.what.clone() };
    let (long, struck): (Vec<_>, Vec<_>) = fault.spans.iter().copied().partition(|(from, to)| to - from > 2);
    html! {
        text.label x="0" y=(y + 12) { (shortened(&times, WORDS)) @if times.chars().count() > WORDS { title { (times) } } }
        (bars("fault", &long, y + 8, 10))
        @if !struck.is_empty() { path.struck d=(strikes(&struck, y + 2)) {} }
    }
}

fn lane(lane: &Lane, y: u16) -> Markup {
    let of = |phase: Phase| -> Vec<(u16, u16)> {
        let spans = lane.phases.iter().filter(|(_, _, it)| *it == phase);
        spans.map(|(from, to, _)| (*from, *to)).collect()
    };
    let shown = [
        (Phase::Follows, "follows"),
        (Phase::Leads, "leads"),
        (Phase::Runs, "runs"),
        (Phase::Silent, "silent"),
        (Phase::Cut, "cutoff"),
        (Phase::Paused, "paused"),
    ];
    let downs = of(Phase::Down);
    let colours: Vec<(u16, Vec<(u16, u16)>)> = (0..6)
        .map(|colour| {
            let spans = lane.tables.iter().filter(|(_, _, table)| table % 6 == colour);
            (colour, spans.map(|(from, to, _)| (*from, *to)).collect())
        })
        .collect();
    html! {
        text.name x="0" y=(y + 16) { (lane.replica) }
        @for (phase, class) in shown { (bars(class, &of(phase), y + 12, 16)) }
        @if !downs.is_empty() {
            (bars("down", &downs, y + 12, 2))
            path.death d=(crosses(&downs, y + 12)) {}
        }
        (bars("rotation", &lane.rotation, y + 1, 2))
        @for (colour, spans) in &colours { (bars(&format!("table{colour}"), spans, y + 25, 6)) }
        @for (column, epoch) in lane.epochs.iter().filter(|(column, epoch)| fits(lane, *column, *epoch)) {
            text.epoch x=(GUTTER + column + 4) y=(y + 16) { (epoch) }
        }
    }
}

/// A row of ticks, the more in a column the higher; with words where there is none.
fn ticks(label: &str, class: &str, soft: &[(u16, u32)], hard: &[(u16, u32)], y: u16) -> Markup {
    let sum = |ticks: &[(u16, u32)]| ticks.iter().map(|(_, count)| *count).sum::<u32>();
    let (soft_sum, hard_sum) = (sum(soft), sum(hard));
    html! {
        text.label x="0" y=(y + 12) {
            (label)
            @if soft_sum + hard_sum > 0 { " " tspan.faint { (soft_sum + hard_sum) } }
        }
        @if soft_sum + hard_sum == 0 { text.faint.none x=(GUTTER + 3) y=(y + 12) { "none" } }
        path.base d=(format!("M{GUTTER} {}h{COLUMNS}", y + 14)) {}
        (columns(class, soft, y + 14))
        (columns("blamed", hard, y + 14))
    }
}

fn oldest(ages: &[(u16, f64)]) -> Option<f64> {
    ages.iter().map(|(_, age)| *age).reduce(f64::max).filter(|oldest| *oldest > 0.0)
}

/// How many columns without an age are a gap: states are written once a second, where they do not change.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most the columns")]
fn gap(seconds: f64) -> u16 {
    (2.5 / seconds * f64::from(COLUMNS)).clamp(8.0, f64::from(COLUMNS)) as u16
}

/// The oldest table as a line, zero below.
fn ages(ages: &[(u16, f64)], oldest: f64, gap: u16, y: u16) -> Markup {
    let height = 40.0;
    let mut line = String::new();
    let mut last: Option<u16> = None;
    for (column, age) in ages {
        let at = f64::from(y + 46) - age / oldest * height;
        // A gap where nobody answered.
        let pen = if last.is_some_and(|last| column - last <= gap) { 'L' } else { 'M' };
        let _ = write!(line, "{pen}{} {}", GUTTER + column, rounded(at));
        last = Some(*column);
    }
    html! {
        text.label x="0" y=(y + 18) { "age of the oldest table" }
        text.label.faint x="0" y=(y + 33) { "up to " (axis::told(oldest)) }
        path.base d=(format!("M{GUTTER} {}h{COLUMNS}", y + 46)) {}
        path.age d=(line) {}
    }
}

/// Spans as bars around the line at `y`, of one height: broad strokes are half as long to write as boxes.
fn bars(class: &str, spans: &[(u16, u16)], y: u16, height: u16) -> Markup {
    let mut path = String::new();
    let mut pen: Option<u16> = None;
    for (from, to) in spans {
        let _ = match pen {
            Some(pen) if *from >= pen => write!(path, "m{} 0", from - pen),
            _ => write!(path, "M{} {y}", GUTTER + from),
        };
        let _ = write!(path, "h{}", to - from);
        pen = Some(*to);
    }
    html! { @if !path.is_empty() { path class={ "bar " (class) } stroke-width=(height) d=(path) {} } }
}

/// Where spans begin; those that are too near to the one before are left out, as nobody could tell them apart.
fn sparse(spans: &[(u16, u16)], apart: u16) -> impl Iterator<Item = u16> {
    let mut last: Option<u16> = None;
    spans.iter().map(|(from, _)| *from).filter(move |from| {
        let kept = last.is_none_or(|last| last + apart <= *from);
        if kept {
            last = Some(*from);
        }
        kept
    })
}

/// What has no length, as small triangles that point down.
fn strikes(spans: &[(u16, u16)], y: u16) -> String {
    sparse(spans, 7).fold(String::new(), |mut path, from| {
        let _ = write!(path, "M{} {y}h8l-4 9z", (GUTTER + from).saturating_sub(4));
        path
    })
}

/// A cross at the begin of each span.
fn crosses(spans: &[(u16, u16)], y: u16) -> String {
    sparse(spans, 9).fold(String::new(), |mut path, from| {
        let _ = write!(path, "M{} {}l6 6m0-6l-6 6", GUTTER + from, y - 3);
        path
    })
}

/// Columns that stand on `y`: one for one, and a little more for each doubling.
fn columns(class: &str, ticks: &[(u16, u32)], y: u16) -> Markup {
    let path = ticks.iter().fold(String::new(), |mut path, (column, count)| {
        let height = (4 + 2 * count.ilog2()).min(13);
        let _ = write!(path, "M{} {y}v-{height}", GUTTER + column + 1);
        path
    });
    html! { @if !path.is_empty() { path class={ "bar " (class) } stroke-width="2" d=(path) {} } }
}

/// Whether the bar of a term has room for its number.
fn fits(lane: &Lane, column: u16, epoch: u64) -> bool {
    let wide = DIGIT * u16::try_from(epoch.to_string().len()).unwrap_or(u16::MAX / DIGIT) + DIGIT;
    // `/status` says a moment later than the log that a replica leads.
    lane.phases.iter().any(|(from, to, phase)| {
        *phase == Phase::Leads && *from <= column + SLACK && column.saturating_add(wide) <= *to
    })
}

fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

fn rounded(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stand_where_their_columns_are() {
        let bars = bars("leads", &[(0, 10), (12, 20), (799, 800)], 5, 16).into_string();
        assert!(
            bars.contains("d=\"M176 5h10m2 0h8m779 0h1\"") && bars.contains("stroke-width=\"16\""),
            "{bars}"
        );
        assert_eq!(super::bars("leads", &[], 5, 16).into_string(), "");
    }

    #[test]
    fn a_column_grows_with_its_count_and_not_for_ever() {
        for (count, height) in [(1, 4), (4, 8), (u32::MAX, 13)] {
            let path = format!("d=\"M177 14v-{height}\"");
            assert!(columns("blamed", &[(0, count)], 14).into_string().contains(&path), "{count}");
        }
    }

    #[test]
    fn marks_keep_apart() {
        assert_eq!(sparse(&[(0, 1), (3, 4), (7, 8), (13, 14), (14, 20)], 7).collect::<Vec<_>>(), [0, 7, 14]);
    }

    #[test]
    fn an_epoch_is_written_where_it_fits() {
        let phases = vec![(0, 30, Phase::Leads), (30, 40, Phase::Follows), (40, 60, Phase::Leads)];
        let lane = Lane { replica: "r0".into(), phases, rotation: vec![], tables: vec![], epochs: vec![] };
        assert!(fits(&lane, 0, 306) && fits(&lane, 38, 7));
        assert!(!fits(&lane, 38, 306), "too wide");
        assert!(!fits(&lane, 25, 7), "the bar ends");
    }

    #[test]
    fn long_names_are_shortened_and_kept_whole_in_the_title() {
        let what = "a certificate authority is replaced by another";
        let fault = Broken { what: what.to_owned(), times: 1, spans: vec![(1, 2), (5, 50)] };
        let row = broken(&fault, 0).into_string();
        assert!(
            row.contains("a certificate authority is r…") && row.contains(&format!("<title>{what}</title>"))
        );
        assert!(row.contains("bar fault") && row.contains("struck"), "a bar and a triangle");
    }

    #[test]
    fn an_empty_row_says_so() {
        assert!(ticks("polls lost", "excused", &[], &[], 0).into_string().contains("none"));
        let row = ticks("polls lost", "excused", &[(1, 2)], &[(7, 1)], 0).into_string();
        assert!(row.contains(">3<") && row.contains("blamed") && !row.contains("none"));
    }

    #[test]
    fn nobody_answering_is_a_gap_in_the_line() {
        let row = ages(&[(0, 1.0), (4, 2.0), (100, 1.0)], 2.0, gap(1e3), 0).into_string();
        assert!(row.contains("M176 26L180 6M276 26"), "{row}");
    }
}
