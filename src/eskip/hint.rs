//! Guesses at what was meant where a text does not parse. Empty where nothing better is known than the error itself.

use super::lexer::{Flaw, Quote, Token};

/// A hint for the token at `start`, which follows the token that ended at `previous`.
pub(super) fn of(
    text: &str,
    previous: usize,
    start: usize,
    token: &Token<'_>,
    expected: &str,
) -> &'static str {
    let rest = &text[start..];
    let glued = previous == start;
    let before = text[..previous].bytes().next_back();
    match token {
        _ if expected == "an argument" && text[previous..start].trim_start().starts_with("//") => {
            "`//` begins a comment: an empty regular expression is written as \"\""
        }
        Token::Bad(Flaw::Unclosed(Quote::String)) => "a quote inside a string is written with a backslash",
        Token::Bad(Flaw::Unclosed(Quote::Regexp)) => {
            "it ends in a `/` outside of `[…]`; a bracket or slash that is meant as such takes a backslash"
        }
        Token::Bad(Flaw::Number) => "a number does not end in a dot",
        Token::Bad(Flaw::LoneSlash) => "a regular expression is written between slashes",
        Token::Bad(Flaw::Character) => of_character(rest, expected == "an argument"),
        Token::Symbol(_)
            if glued && before.is_some_and(|byte| byte.is_ascii_digit()) && rest.starts_with(['e', 'E']) =>
        {
            "Eskip has no exponents: write the number in full"
        }
        Token::Symbol("NaN" | "Inf") if expected == "an argument" => "Eskip has only finite numbers",
        Token::Symbol(_) if expected == "an argument" => "a string stands in double quotes",
        Token::Symbol(_) if expected.starts_with("`;`") => "routes are separated by `;`",
        Token::Semicolon | Token::End
            if expected.starts_with("a backend") || expected.starts_with("`->`,") =>
        {
            "a route ends in a backend, as \"http://10.0.0.1:8080\", <shunt> or <roundRobin, \"http://…\", \"http://…\">"
        }
        Token::Close if expected.contains("endpoint") => {
            "between < and > stand endpoints in double quotes; <shunt>, <loopback> and <dynamic> take no blanks"
        }
        Token::Number(_) if expected.contains("id") => "a name begins with a letter or `_`",
        _ => "",
    }
}

fn of_character(rest: &str, argument: bool) -> &'static str {
    match rest.chars().next() {
        Some('\u{201c}' | '\u{201d}' | '\u{2018}' | '\u{2019}' | '\'') => {
            "strings stand in plain double quotes or backquotes"
        }
        Some(space) if space.is_whitespace() => {
            "only plain blanks, tabs and line breaks are white space here"
        }
        Some('\u{feff}') => "a byte order mark: save the text without it",
        Some('&') => "predicates are joined by `&&`",
        Some('+') if argument => "a positive number takes no sign",
        Some('-') if argument => "a minus sign stands directly before a digit or a dot",
        Some('-') => "names have letters, digits and `_` only; filters are joined by `->`",
        Some('|') => "there is no or: write two routes",
        Some('#') => "comments begin with `//`",
        _ => "",
    }
}
