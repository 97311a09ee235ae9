//! A row of the time line, painted on columns of equal length: however much happens, it stays as wide as it is.

use std::ops::Range;
use std::time::Duration;

/// How many columns there are.
pub const COLUMNS: u16 = 800;

/// A part of a row: from one column up to another, and what it shows.
pub type Span<T> = (u16, u16, T);

/// Where times fall on the columns.
#[derive(Clone, Debug)]
pub struct Scale {
    from: Duration,
    length: Duration,
}

impl Scale {
    /// The columns of `window`.
    pub fn new(window: Range<Duration>) -> Self {
        let length = window.end.saturating_sub(window.start).max(Duration::from_millis(1));
        Self { from: window.start, length }
    }

    /// How long it all is, in seconds.
    pub fn seconds(&self) -> f64 {
        self.length.as_secs_f64()
    }

    /// The column that `at` falls into; what is outside falls into the first or the last.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between zero and the columns"
    )]
    pub fn column(&self, at: Duration) -> u16 {
        let share = at.saturating_sub(self.from).as_secs_f64() / self.seconds();
        ((share * f64::from(COLUMNS)) as u16).min(COLUMNS - 1)
    }
}

/// Paints `pieces` one over the other. Where two fall into one column, the greater is what shows: a short death must
/// not be lost between two long lives.
pub fn paint<T: Ord + Copy>(
    scale: &Scale,
    pieces: impl IntoIterator<Item = (Duration, Duration, T)>,
) -> Vec<Span<T>> {
    let mut cells: Vec<Option<T>> = vec![None; usize::from(COLUMNS)];
    for (from, to, what) in pieces {
        let (first, last) = (scale.column(from), scale.column(to));
        // Up to the column in which the next piece begins, that one left out.
        let end = if last > first && to < scale.from + scale.length { last } else { last + 1 };
        for cell in &mut cells[usize::from(first)..usize::from(end)] {
            *cell = (*cell).max(Some(what));
        }
    }
    runs(&cells)
}

/// Equal neighbours as spans.
fn runs<T: Eq + Copy>(cells: &[Option<T>]) -> Vec<Span<T>> {
    let mut spans: Vec<Span<T>> = Vec::new();
    for (column, what) in (0..).zip(cells) {
        let Some(what) = *what else { continue };
        match spans.last_mut() {
            Some((_, to, last)) if *to == column && *last == what => *to += 1,
            _ => spans.push((column, column + 1, what)),
        }
    }
    spans
}

/// How often something happened, by columns.
pub fn tally(scale: &Scale, times: impl IntoIterator<Item = Duration>) -> Vec<(u16, u32)> {
    let mut columns: Vec<u16> = times.into_iter().map(|at| scale.column(at)).collect();
    columns.sort_unstable();
    let mut tally: Vec<(u16, u32)> = Vec::new();
    for column in columns {
        match tally.last_mut() {
            Some((last, count)) if *last == column => *count += 1,
            _ => tally.push((column, 1)),
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale() -> Scale {
        Scale::new(Duration::from_secs(100)..Duration::from_secs(900))
    }

    const fn at(second: u64) -> Duration {
        Duration::from_secs(100 + second)
    }

    #[test]
    fn a_second_of_eight_hundred_is_a_column() {
        assert_eq!((scale().column(at(0)), scale().column(at(7)), scale().column(at(800))), (0, 7, 799));
        assert_eq!(scale().column(Duration::ZERO), 0, "what was before is at the edge");
    }

    #[test]
    fn neighbours_meet_and_cover_everything() {
        let spans = paint(&scale(), [(at(0), at(10), 1), (at(10), at(20), 2), (at(20), at(800), 1)]);
        assert_eq!(spans, [(0, 10, 1), (10, 20, 2), (20, 800, 1)]);
    }

    #[test]
    fn what_is_shorter_than_a_column_still_shows() {
        let moment = (at(5) + Duration::from_millis(200), at(5) + Duration::from_millis(300), 9);
        let spans = paint(&scale(), [(at(0), at(10), 1), moment]);
        assert_eq!(spans, [(0, 5, 1), (5, 6, 9), (6, 10, 1)]);
    }

    #[test]
    fn however_much_happens_it_stays_as_wide_as_it_is() {
        let many = (0..800_000).map(|n| (Duration::from_millis(100_000 + n), at(800), n % 2));
        assert!(paint(&scale(), many).len() <= usize::from(COLUMNS));
        let times = (0..80_000).map(|n| Duration::from_millis(100_000 + n * 10));
        let tally = tally(&scale(), times);
        assert_eq!((tally.len(), tally[0]), (800, (0, 100)));
    }
}
