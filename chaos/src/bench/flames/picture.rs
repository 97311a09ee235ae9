//! Frames as a picture: the outermost at the bottom, each as wide as its time, above it what it calls, by name.

use maud::{Markup, PreEscaped, html};

use super::frame::Frame;

const WIDTH: f64 = 1200.0;
const MARGIN: f64 = 10.0;
const ROW: f64 = 16.0;

/// The title, and what the colours mean.
const HEAD: f64 = 54.0;

/// What is narrower is left out.
const NARROW: f64 = 1.2;

/// How wide a letter is.
const LETTER: f64 = 6.1;

const STYLE: &str = "text{font:10px monospace}.title{font:bold 14px sans-serif}.legend{font:12px sans-serif}\
    rect{stroke:#fff;stroke-width:.5}\
    .ours{fill:#8cc5e8}.library{fill:#f5c97a}.std{fill:#cfe3b4}.c{fill:#ddd}.kernel{fill:#e3b3c4}";

/// Whose code each class is, in the order of the legend.
const CLASSES: [(&str, &str); 5] = [
    ("ours", "Bellwether"),
    ("library", "its libraries"),
    ("std", "Rust's own"),
    ("c", "C, or without a name"),
    ("kernel", "the kernel"),
];

/// What times are told in.
#[derive(Clone, Copy)]
pub(super) struct Unit {
    name: &'static str,
    seconds: f64,
}

impl Unit {
    pub(super) const MILLIS: Self = Self { name: "ms", seconds: 1e-3 };
    pub(super) const MICROS: Self = Self { name: "µs", seconds: 1e-6 };

    /// `seconds` in this unit.
    pub(super) fn of(self, seconds: f64) -> String {
        format!("{:.2} {}", seconds / self.seconds, self.name)
    }
}

/// A frame in its place.
struct Drawn<'a> {
    name: &'a str,
    frame: &'a Frame,
    /// How many are below it.
    depth: usize,
    x: f64,
    width: f64,
}

/// `frames` as a file of its own.
pub(super) fn svg(frames: &Frame, title: &str, unit: Unit) -> Markup {
    let mut drawn = Vec::new();
    place(frames, 0, MARGIN, (WIDTH - 2.0 * MARGIN) / frames.time, &mut drawn);
    let rows = drawn.iter().map(|drawn| drawn.depth + 1).max().unwrap_or(0);
    let height = HEAD + rows as f64 * ROW + MARGIN;
    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (WIDTH) " " (height) } {
            style { (PreEscaped(STYLE)) }
            rect width="100%" height="100%" fill="#fff" {}
            text.title x=(MARGIN) y="20" { (title) }
            @for (index, (class, whose)) in CLASSES.into_iter().enumerate() {
                @let x = MARGIN + index as f64 * 150.0;
                rect class=(class) x=(x) y="30" width="12" height="12" {}
                text.legend x=(x + 17.0) y="40" { (whose) }
            }
            @for drawn in &drawn {
                (frame(drawn, height - MARGIN - (drawn.depth + 1) as f64 * ROW, frames.time, unit))
            }
        }
    }
}

/// Puts what `frame` calls side by side from `x` on, a second so wide, and so on above it.
fn place<'a>(frame: &'a Frame, depth: usize, mut x: f64, second: f64, drawn: &mut Vec<Drawn<'a>>) {
    for (name, frame) in &frame.calls {
        let width = frame.time * second;
        if width >= NARROW {
            drawn.push(Drawn { name, frame, depth, x, width });
            place(frame, depth + 1, x, second, drawn);
        }
        x += width;
    }
}

fn frame(drawn: &Drawn<'_>, y: f64, all: f64, unit: Unit) -> Markup {
    let Drawn { name, frame, x, width, .. } = *drawn;
    let said = format!("{name}: {}, {:.1} %", unit.of(frame.time), frame.time / all * 100.0);
    let letters = ((width - 4.0) / LETTER) as usize;
    html! {
        g {
            title { (said) }
            rect class=(class(name, frame)) x=(format!("{x:.1}")) y=(y) width=(format!("{width:.1}")) height=(ROW - 1.0) {}
            @if letters >= 3 { text x=(format!("{:.1}", x + 2.0)) y=(y + 11.0) { (shortened(name, letters)) } }
        }
    }
}

/// Whose code it is, by where its name begins.
fn class(name: &str, frame: &Frame) -> &'static str {
    let path = name.trim_start_matches(['<', '&', '(', '[', '*']);
    let path = ["dyn ", "mut ", "const "].into_iter().fold(path, |path, word| path.trim_start_matches(word));
    match path.split_once("::").map(|(first, _)| first) {
        _ if frame.kernel => "kernel",
        Some("bellwether") => "ours",
        Some("core" | "alloc" | "std") => "std",
        Some(_) => "library",
        None => "c",
    }
}

/// So many letters of a name: the end of a path, which tells it from others, and the beginning of what is none.
fn shortened(name: &str, letters: usize) -> String {
    let name = name.trim_end_matches("::{{closure}}");
    let length = name.chars().count();
    match name.contains("::") {
        _ if length <= letters => name.to_owned(),
        true => std::iter::once('…').chain(name.chars().skip(length - letters + 1)).collect(),
        false => name.chars().take(letters - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_frame_lies_in_the_one_that_calls_it() {
        let frames = Frame::read("a    3000 \n\t1 <bellwether::x as y>::z\n\n\na    1000 \n\t2 memcpy\n\n");
        let svg = svg(&frames, "T & U", Unit::MICROS).into_string();
        assert!(svg.contains("T &amp; U"), "{svg}");
        assert!(svg.contains("<title>&lt;bellwether::x as y&gt;::z: 3.00 µs, 75.0 %</title>"), "{svg}");
        assert!(svg.contains(r#"<rect class="ours" x="10.0" y="54" width="885.0""#), "{svg}");
        assert!(svg.contains(r#"<rect class="c" x="895.0" y="54" width="295.0""#), "{svg}");
    }

    #[test]
    fn what_tells_a_long_name_from_others_is_kept() {
        assert_eq!(shortened("bellwether::compile::{{closure}}", 8), "…compile");
        assert_eq!(shortened("tcp_sendmsg", 8), "tcp_sen…");
        assert_eq!(shortened("parse", 5), "parse");
    }

    #[test]
    fn it_is_seen_whose_code_it_is() {
        let frame = Frame::default();
        let named = |name| class(name, &frame);
        assert_eq!(named("<&mut tokio::net::X as Y>::z"), "library");
        assert_eq!((named("alloc::vec::Vec<T>::push"), named("malloc")), ("std", "c"));
        assert_eq!(class("bellwether::x", &Frame { kernel: true, ..Frame::default() }), "kernel");
    }
}
