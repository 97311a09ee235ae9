//! The rewriting of a Go pattern into one that Rust's engine reads the same way.

use std::iter::Peekable;
use std::str::Chars;

type Input<'a> = Peekable<Chars<'a>>;

/// The pattern in Rust's syntax. What is no pattern in Go stays none.
pub(super) fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => escape(&mut rest, &mut out),
            '[' => class(&mut rest, &mut out),
            '{' if !is_repetition(&rest) => out.push_str(r"\{"),
            _ => out.push(c),
        }
    }
    out
}

/// What follows a backslash outside of a class.
fn escape(rest: &mut Input<'_>, out: &mut String) {
    match rest.next() {
        Some('Q') => quoted(rest, out),
        Some('b') => out.push_str(r"(?-u:\b)"),
        Some(c) => escaped(c, out),
        None => out.push('\\'),
    }
}

/// An escaped character: a class in ASCII, as Go has them; or itself, where it is punctuation; or left to the engine.
fn escaped(c: char, out: &mut String) {
    match c {
        'd' => out.push_str("[0-9]"),
        'D' => out.push_str("[^0-9]"),
        's' => out.push_str(r"[\t\n\f\r ]"),
        'S' => out.push_str(r"[^\t\n\f\r ]"),
        'w' => out.push_str("[0-9A-Za-z_]"),
        'W' => out.push_str("[^0-9A-Za-z_]"),
        _ if c.is_ascii() && !c.is_ascii_alphanumeric() => literal(c, out),
        _ => out.extend(['\\', c]),
    }
}

/// `\Q…\E`; without an end it runs to the pattern's.
fn quoted(rest: &mut Input<'_>, out: &mut String) {
    while let Some(c) = rest.next() {
        if c == '\\' && rest.next_if_eq(&'E').is_some() {
            return;
        }
        literal(c, out);
    }
}

fn literal(c: char, out: &mut String) {
    out.push_str(&format!(r"\x{{{:X}}}", u32::from(c)));
}

/// `{2}`, `{2,}` or `{2,3}`: any other brace is a character to Go.
fn is_repetition(rest: &Input<'_>) -> bool {
    let rest: String = rest.clone().collect();
    let Some((body, _)) = rest.split_once('}') else {
        return false;
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (least, most) = body.split_once(',').unwrap_or((body, ""));
    !least.is_empty() && digits(least) && digits(most)
}

/// A bracketed class, from behind its `[`. Go knows no nested classes and no set operations in it.
fn class(rest: &mut Input<'_>, out: &mut String) {
    out.push('[');
    if rest.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    let mut first = true;
    // A hyphen makes a range of the character before it and the one behind it; neither may be part of another.
    let mut lower = false;
    while let Some(c) = rest.next() {
        match c {
            ']' if !first => {
                out.push(']');
                return;
            }
            '[' if rest.peek() == Some(&':') && posix(rest, out) => {}
            '\\' => match rest.next() {
                Some(c) => escaped(c, out),
                None => out.push('\\'),
            },
            '-' if lower && rest.peek().is_some_and(|&next| next != ']') => {
                out.push('-');
                if let Some(upper) = rest.next_if(|&c| c != '\\' && c != '[') {
                    literal(upper, out);
                }
                lower = false;
                continue;
            }
            _ => literal(c, out),
        }
        lower = true;
        first = false;
    }
}

/// `[:alpha:]` and its like, taken over as they are.
fn posix(rest: &mut Input<'_>, out: &mut String) -> bool {
    let name: String = rest.clone().skip(1).take_while(|c| c.is_ascii_lowercase() || *c == '^').collect();
    let mut after = rest.clone().skip(1 + name.len());
    if after.next() != Some(':') || after.next() != Some(']') {
        return false;
    }
    out.push_str(&format!("[:{name}:]"));
    rest.nth(name.len() + 2);
    true
}
