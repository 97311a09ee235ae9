//! The medians over the sizes as SVG: one small plot for each of a few rows, both axes logarithmic.

use std::fmt::Write;

use super::figures::{Figures, Row};
use super::server::Program;

const ROWS: [Row; 6] =
    [Row::KeepAlive304, Row::Connection304, Row::FirstTable, Row::PollCpu, Row::Change, Row::SteadyMemory];

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 35.0;

/// All plots in one picture, two in a line.
pub(super) fn svg(figures: &Figures) -> String {
    let (width, height) = (2.0 * WIDTH, ROWS.len().div_ceil(2) as f64 * HEIGHT + 30.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (index, program) in Program::ALL.into_iter().enumerate() {
        let x = LEFT + index as f64 * 110.0;
        let (name, colour) = (program.name(), colour(program));
        add(
            &mut out,
            format_args!("<rect x=\"{x}\" y=\"10\" width=\"12\" height=\"12\" fill=\"{colour}\"/>"),
        );
        add(&mut out, format_args!("<text x=\"{}\" y=\"20\">{name}</text>", x + 18.0));
    }
    for (index, row) in ROWS.into_iter().enumerate() {
        let (x, y) = ((index % 2) as f64 * WIDTH, 30.0 + (index / 2) as f64 * HEIGHT);
        add(&mut out, format_args!("<g transform=\"translate({x} {y})\">"));
        plot(&mut out, figures, row);
        add(&mut out, format_args!("</g>"));
    }
    out.push_str("</svg>\n");
    out
}

fn plot(out: &mut String, figures: &Figures, row: Row) {
    let lines = Program::ALL.map(|program| (program, figures.medians(row, program)));
    let points = || lines.iter().flat_map(|(_, points)| points).filter(|(_, value)| *value > 0.0);
    let Some(sizes) = Scale::over(points().map(|(size, _)| *size as f64), LEFT, WIDTH - RIGHT) else {
        return;
    };
    let Some(values) = Scale::over(points().map(|(_, value)| *value), HEIGHT - BOTTOM, TOP) else { return };
    add(
        out,
        format_args!("<text x=\"{LEFT}\" y=\"{}\" font-weight=\"bold\">{}</text>", TOP - 12.0, row.name()),
    );
    for value in values.decades() {
        let y = values.at(value);
        add(
            out,
            format_args!(
                "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\" stroke=\"#ddd\"/>",
                WIDTH - RIGHT
            ),
        );
        add(
            out,
            format_args!("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{value}</text>", LEFT - 5.0, y + 4.0),
        );
    }
    for value in sizes.decades() {
        let (x, y) = (sizes.at(value), HEIGHT - BOTTOM + 16.0);
        add(out, format_args!("<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{value} objects</text>"));
    }
    for (program, points) in lines {
        let colour = colour(program);
        let places: Vec<_> = points
            .iter()
            .filter(|(_, value)| *value > 0.0)
            .map(|(size, value)| (sizes.at(*size as f64), values.at(*value)))
            .collect();
        let path: Vec<_> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let path = path.join(" ");
        add(
            out,
            format_args!(
                "<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
            ),
        );
        for (x, y) in places {
            add(out, format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>"));
        }
    }
}

/// Powers of ten around some values, from one coordinate to another.
struct Scale {
    least: f64,
    most: f64,
    from: f64,
    to: f64,
}

impl Scale {
    fn over(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Option<Self> {
        let least = values.clone().reduce(f64::min)?.log10().floor();
        let most = values.reduce(f64::max)?.log10().ceil();
        Some(Self { least, most: most.max(least + 1.0), from, to })
    }

    fn at(&self, value: f64) -> f64 {
        self.from + (self.to - self.from) * (value.log10() - self.least) / (self.most - self.least)
    }

    fn decades(&self) -> impl Iterator<Item = f64> {
        (self.least as i32..=self.most as i32).map(|power| 10_f64.powi(power))
    }
}

const fn colour(program: Program) -> &'static str {
    match program {
        Program::Bellwether => "#0b6e99",
        Program::Routesrv => "#c4512d",
        Program::Nginx => "#4a8f3c",
    }
}

fn add(out: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(out, "{line}").expect("a string takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_goes_over_whole_decades() {
        let scale = Scale::over([30.0, 4_000.0].into_iter(), 0.0, 300.0).unwrap();
        assert_eq!((scale.at(10.0), scale.at(10_000.0), scale.at(100.0)), (0.0, 300.0, 100.0));
        assert_eq!(scale.decades().collect::<Vec<_>>(), [10.0, 100.0, 1_000.0, 10_000.0]);
        assert!(Scale::over(std::iter::empty(), 0.0, 1.0).is_none());
    }

    #[test]
    fn a_line_has_a_point_for_each_size() {
        let mut figures = Figures::default();
        for size in [100, 1_000] {
            figures.add(size, Row::PollCpu, Program::Routesrv, size as f64);
        }
        let svg = svg(&figures);
        assert_eq!(svg.matches("<circle").count(), 2);
        assert_eq!(svg.matches("<g ").count(), svg.matches("</g>").count());
    }
}
