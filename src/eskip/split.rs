//! A document to its definitions, each on its own: what is wrong with one does not take the others with it.
//!
//! In: a document. Out: its definitions, each with its id and its line, in the words that it is written in and laid out as the
//! printer does it: what a printer wrote stays as it is, to the byte. A definition ends at a semicolon behind which another one
//! begins, or nothing comes. Should what stands before it not parse (a quote too many moves what is text and what is not), it ends
//! where the next line begins like a definition: so a broken one costs itself. What can go wrong: a document that begins
//! with something else, ends in the middle of a definition, or is broken nearly everywhere.

use std::borrow::Cow;

use super::lexer::{Flaw, Lexer, Token};
use super::parse;

/// How many definitions may be so broken that their end has to be looked for: each may cost a look at all that follows.
const MOST_ASTRAY: usize = 100;

/// One definition of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The id of its route.
    pub id: &'a str,
    /// The line that it begins on, from 1.
    pub line: usize,
    /// The definition. It ends with a semicolon if it parses; if it does not, it stands here as it is written.
    pub text: Cow<'a, str>,
}

/// Why a document cannot be taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// It does not begin with a definition.
    #[error("line {line}: no definition begins here; write `id: Path(\"/\") -> <shunt>;`")]
    Nameless {
        /// The line.
        line: usize,
    },
    /// It ends in the middle of a definition.
    #[error("line {line}: the document ends in the middle of the definition that begins here; is it whole?")]
    Unfinished {
        /// The line.
        line: usize,
    },
    /// Too much is broken.
    #[error(
        "line {line}: {MOST_ASTRAY} definitions before this one have no end that can be told; is it Eskip?"
    )]
    Astray {
        /// The line.
        line: usize,
    },
}

/// The definitions of `document`, in its order.
///
/// # Errors
///
/// Where it cannot be told what its definitions are.
pub fn split(document: &str) -> Result<Vec<Piece<'_>>, SplitError> {
    let mut pieces = Vec::new();
    let (mut line, mut counted, mut astray) = (1, 0, 0);
    let mut next = begin(document, 0);
    while let Some(start) = next {
        line += document[counted..start].matches('\n').count();
        counted = start;
        let id = id_at(document, start).ok_or(SplitError::Nameless { line })?;
        let mut extent = Extent::of(document, start);
        let parses = |extent: &Extent| parse(&document[start..extent.end]).is_ok();
        if let Some(cut) = line_of_another(document, start, extent.end).filter(|_| !parses(&extent)) {
            astray += 1;
            if astray > MOST_ASTRAY {
                return Err(SplitError::Astray { line });
            }
            extent = Extent::of(&document[..cut], start);
        } else if extent.end == document.len() && !document.trim_end().ends_with(';') && !parses(&extent) {
            return Err(SplitError::Unfinished { line });
        }
        pieces.push(Piece { id, line, text: extent.words(document, start) });
        next = begin(document, extent.end);
    }
    Ok(pieces)
}

/// How far a definition reaches.
struct Extent {
    /// Where it ends, its semicolon included.
    end: usize,
    /// Whether it consists of tokens, and ends with a semicolon.
    is_sound: bool,
    /// Whether these stand as the printer would put them.
    is_laid_out: bool,
}

impl Extent {
    /// The definition of `text` that begins at `start`.
    fn of(text: &str, start: usize) -> Self {
        let mut lexer = Lexer::from(text, start);
        let mut extent = Self { end: text.len(), is_sound: true, is_laid_out: true };
        let mut last: Option<(Token<'_>, usize)> = None;
        // Up to here nothing ends: what follows the last semicolons is no definition.
        let mut goes_on = start;
        loop {
            let (token, at, _) = lexer.next();
            match token {
                Token::End | Token::Bad(Flaw::Unclosed(_) | Flaw::LoneSlash) => {
                    extent.is_sound = false;
                    return extent;
                }
                Token::Bad(Flaw::Character) => {
                    extent.is_sound = false;
                    lexer.skip_character();
                }
                Token::Bad(Flaw::Number) => extent.is_sound = false,
                _ => {}
            }
            if let Some((before, end)) = &last {
                extent.is_laid_out &= &text[*end..at] == gap(before, &token);
            }
            if token == Token::Semicolon && at >= goes_on {
                match begin(text, lexer.position()).filter(|next| id_at(text, *next).is_none()) {
                    Some(next) => goes_on = next,
                    None => {
                        extent.end = lexer.position();
                        return extent;
                    }
                }
            }
            last = Some((token, lexer.position()));
        }
    }

    /// The words of the definition, laid out where that changes nothing but how it looks.
    fn words<'a>(&self, text: &'a str, start: usize) -> Cow<'a, str> {
        let raw = text[start..self.end].trim_end();
        if self.is_sound && self.is_laid_out {
            return Cow::Borrowed(raw);
        }
        match parse(raw) {
            Ok(routes) => {
                let laid_out = laid_out(raw);
                // `< shunt>` is something else than `<shunt>`.
                if parse(&laid_out).as_ref() == Ok(&routes) {
                    Cow::Owned(laid_out)
                } else {
                    Cow::Borrowed(raw)
                }
            }
            Err(_) => Cow::Borrowed(raw),
        }
    }
}

/// The tokens of a definition that parses, as the printer would put them, with a semicolon at the end.
fn laid_out(text: &str) -> String {
    let (mut lexer, mut out) = (Lexer::new(text), String::with_capacity(text.len()));
    let mut last = None;
    loop {
        let (token, start, _) = lexer.next();
        if matches!(token, Token::Semicolon | Token::End) {
            out.push(';');
            return out;
        }
        out.push_str(last.as_ref().map_or("", |last| gap(last, &token)));
        out.push_str(&text[start..lexer.position()]);
        last = Some(token);
    }
}

/// What the printer puts between two tokens that follow each other.
fn gap(before: &Token<'_>, after: &Token<'_>) -> &'static str {
    let opens = matches!(before, Token::And | Token::Arrow | Token::Comma | Token::Colon);
    if opens || matches!(after, Token::And | Token::Arrow) { " " } else { "" }
}

/// Where the next definition begins, or what stands in its place; none where nothing comes.
fn begin(text: &str, at: usize) -> Option<usize> {
    let mut lexer = Lexer::from(text, at);
    loop {
        match lexer.next() {
            (Token::Semicolon, ..) => {}
            (Token::End, ..) => return None,
            (_, start, _) => return Some(start),
        }
    }
}

/// The id of the definition that begins here, if one does.
fn id_at(text: &str, at: usize) -> Option<&str> {
    let mut lexer = Lexer::from(text, at);
    let (Token::Symbol(id), ..) = lexer.next() else { return None };
    (lexer.next().0 == Token::Colon).then_some(id)
}

/// Where within a definition a line begins as if it were another one.
fn line_of_another(text: &str, start: usize, end: usize) -> Option<usize> {
    let mut lines = text[start..end].match_indices('\n').map(|(at, _)| start + at + 1);
    let begins = |line: &str| {
        line.trim_start_matches([' ', '\t']).starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
    };
    lines.find(|line| begins(&text[*line..end]) && id_at(text, *line).is_some())
}

#[cfg(test)]
mod tests;
