//! Numbers that plays have taken, as figures.

use super::{Figure, Unit};
use crate::history::{Measured, Record};

/// The largest value that was taken of `what`. Without one where none was.
pub fn most(history: &[Record], what: &str, unit: Unit) -> Figure {
    extreme(history, what, unit, f64::max)
}

/// The smallest value that was taken of `what`. Without one where none was.
pub fn least(history: &[Record], what: &str, unit: Unit) -> Figure {
    extreme(history, what, unit, f64::min)
}

fn extreme(history: &[Record], what: &str, unit: Unit, better: fn(f64, f64) -> f64) -> Figure {
    let values: Vec<f64> = measured(history, what).map(|it| it.value).collect();
    Figure::new(what, values.iter().copied().reduce(better), unit).of(values.len())
}

/// All that was taken of `what`, in its order.
pub(super) fn measured<'a>(history: &'a [Record], what: &'a str) -> impl Iterator<Item = &'a Measured> {
    history.iter().filter_map(move |record| match record {
        Record::Measured(measured) if *measured.what == *what => Some(measured),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::History;

    #[test]
    fn what_was_taken_has_its_extremes_and_what_was_not_keeps_no_limit() {
        let history = History::default();
        for value in [2.0, 5.0, 3.0] {
            history.measured("calls", "r0", value);
        }
        history.measured("others", "", 9.0);
        let records = history.records();
        assert!(!most(&records, "calls", Unit::Count).at_most(4.0).kept);
        assert!(most(&records, "calls", Unit::Count).at_most(5.0).kept);
        assert!(least(&records, "calls", Unit::Count).at_least(2.0).kept);
        assert!(!least(&records, "calls", Unit::Count).at_least(2.5).kept);
        assert!(!most(&records, "nothing", Unit::Count).at_most(9.0).kept);
    }
}
