//! The axis of time: round steps, and their names.

use maud::{Markup, html};

use super::{COLUMNS, GUTTER};

/// Steps that people count in, in seconds.
const STEPS: [f64; 16] = [
    0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14400.0,
];

/// How many steps there may be.
const MOST: f64 = 12.0;

/// The lines behind the rows.
pub(super) fn grid(seconds: f64, top: u16, bottom: u16) -> Markup {
    let lines = marks(seconds).iter().map(|(x, _)| format!("M{x} {top}V{bottom}")).collect::<String>();
    html! { path.grid d=(lines) {} }
}

/// The names of the steps, below everything.
pub(super) fn axis(seconds: f64, y: u16) -> Markup {
    html! {
        @for (x, text) in marks(seconds) {
            text.tick x=(x) y=(y + 14) text-anchor="middle" { (text) }
        }
    }
}

/// Where each step is, and what it is called.
fn marks(seconds: f64) -> Vec<(u16, String)> {
    let step = STEPS.into_iter().find(|step| seconds / step <= MOST).unwrap_or(STEPS[STEPS.len() - 1]);
    let mut marks = Vec::new();
    let mut at = 0.0;
    while at <= seconds {
        marks.push((GUTTER + column(at / seconds), told(at)));
        at += step;
    }
    marks
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the columns")]
fn column(share: f64) -> u16 {
    (share.clamp(0.0, 1.0) * f64::from(COLUMNS)) as u16
}

/// A time as people say it: seconds up to two minutes, then minutes.
pub(super) fn told(seconds: f64) -> String {
    let whole = |value: f64| if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.1}") };
    match seconds {
        seconds if seconds < 120.0 => format!("{} s", whole(seconds)),
        seconds if seconds < 7200.0 => format!("{} min", whole(seconds / 60.0)),
        seconds => format!("{} h", whole(seconds / 3600.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_few() {
        let texts = |seconds| marks(seconds).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(texts(3.2), ["0 s", "0.5 s", "1 s", "1.5 s", "2 s", "2.5 s", "3 s"]);
        assert_eq!(texts(600.0).last().unwrap(), "10 min");
        for seconds in [0.3, 7.0, 61.0, 500.0, 7_000.0, 100_000.0] {
            assert!((1..=13).contains(&texts(seconds).len()), "{seconds}");
        }
    }

    #[test]
    fn the_first_is_at_the_edge() {
        assert_eq!(marks(10.0)[0], (GUTTER, "0 s".to_owned()));
    }
}
