//! Text to tokens. Tokens borrow from the text; only strings and regular expressions with escapes are copied.
//!
//! Skipper's lexer reads bytes and takes 0x85 and 0xA0 for white space. In UTF-8 these two only continue a
//! character, no token begins or ends inside a character, and a character outside ASCII is no token: so for text
//! the rule never applies, and a no-break space outside a string is an error here as it is there.

use std::borrow::Cow;

/// A token; `->` is `Arrow`, `<` and `>` are `Open` and `Close`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    And,
    Any,
    Arrow,
    OpenParen,
    CloseParen,
    Colon,
    Comma,
    Semicolon,
    Open,
    Close,
    Shunt,
    Loopback,
    Dynamic,
    Forward,
    /// The digits as they are written.
    Number(&'a str),
    /// A string or a regular expression, without delimiters and escapes.
    Text(Cow<'a, str>, Quote),
    Symbol(&'a str),
    End,
    /// What is no token at all.
    Bad(Flaw),
}

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quote {
    /// `"…"` or `` `…` ``.
    String,
    /// `/…/`.
    Regexp,
}

/// Why no token begins here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// A character that begins no token.
    Character,
    /// A `/` at the end of the text.
    LoneSlash,
    /// A number that ends in a dot.
    Number,
    /// A string or regular expression without its end.
    Unclosed(Quote),
}

/// Reads tokens from a text, one after the other.
pub(super) struct Lexer<'a> {
    text: &'a str,
    /// How much of the text is consumed.
    at: usize,
}

const KEYWORDS: [(&str, Token<'static>); 4] = [
    ("<shunt>", Token::Shunt),
    ("<loopback>", Token::Loopback),
    ("<dynamic>", Token::Dynamic),
    ("<forward>", Token::Forward),
];

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Reads from here on: where a token begins, or what is between two.
    pub fn from(text: &'a str, at: usize) -> Self {
        Self { text, at }
    }

    /// Where the last token ends.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Goes on behind a character that begins no token.
    pub fn skip_character(&mut self) {
        self.at += self.text[self.at..].chars().next().map_or(0, char::len_utf8);
    }

    /// The next token, where it begins, and where Skipper's lexer stands after it. What follows a bad token has no
    /// meaning.
    pub fn next(&mut self) -> (Token<'a>, usize, usize) {
        self.skip_blanks();
        let start = self.at;
        let token = self.scan();
        let reached = match token {
            Token::Bad(Flaw::Character | Flaw::LoneSlash) => start,
            _ => self.at,
        };
        (token, start, reached)
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    fn skip_blanks(&mut self) {
        while let Some(byte) = self.byte(self.at) {
            match byte {
                b' ' | b'\n' | b'\t' | 0x0b | 0x0c | b'\r' => self.at += 1,
                b'/' if self.byte(self.at + 1) == Some(b'/') => {
                    let rest = &self.text[self.at..];
                    self.at += rest.find('\n').unwrap_or(rest.len());
                }
                _ => return,
            }
        }
    }

    fn scan(&mut self) -> Token<'a> {
        let Some(byte) = self.byte(self.at) else { return Token::End };
        let next = self.byte(self.at + 1);
        let (token, length) = match byte {
            b',' => (Token::Comma, 1),
            b')' => (Token::CloseParen, 1),
            b'(' => (Token::OpenParen, 1),
            b':' => (Token::Colon, 1),
            b';' => (Token::Semicolon, 1),
            b'>' => (Token::Close, 1),
            b'*' => (Token::Any, 1),
            b'&' if next == Some(b'&') => (Token::And, 2),
            b'-' if next == Some(b'>') => (Token::Arrow, 2),
            b'-' if next.is_some_and(in_number) => return self.number(1),
            b'<' => KEYWORDS
                .iter()
                .find(|(text, _)| self.text[self.at..].starts_with(text))
                .map_or((Token::Open, 1), |(text, token)| (token.clone(), text.len())),
            b'/' if next.is_none() => return Token::Bad(Flaw::LoneSlash),
            b'/' => return self.regexp(),
            b'"' | b'`' => return self.string(byte),
            _ if in_number(byte) => return self.number(0),
            _ if byte.is_ascii_alphabetic() || byte == b'_' => return self.symbol(),
            _ => return Token::Bad(Flaw::Character),
        };
        self.at += length;
        token
    }

    fn symbol(&mut self) -> Token<'a> {
        let rest = &self.text[self.at..];
        let in_symbol = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let length = rest.bytes().position(|byte| !in_symbol(&byte)).unwrap_or(rest.len());
        self.at += length;
        Token::Symbol(&rest[..length])
    }

    fn number(&mut self, sign: usize) -> Token<'a> {
        let rest = &self.text[self.at..];
        let mut dots = 0;
        let digits = rest[sign..].bytes().take_while(|byte| {
            dots += usize::from(*byte == b'.');
            in_number(*byte) && dots < 2
        });
        let digits = &rest[..sign + digits.count()];
        self.at += digits.len();
        if digits.ends_with('.') { Token::Bad(Flaw::Number) } else { Token::Number(digits) }
    }

    fn string(&mut self, delimiter: u8) -> Token<'a> {
        self.quoted(Quote::String, delimiter, |byte| match byte {
            b'a' => Some('\x07'),
            b'b' => Some('\x08'),
            b'f' => Some('\x0c'),
            b'n' => Some('\n'),
            b'r' => Some('\r'),
            b't' => Some('\t'),
            b'v' => Some('\x0b'),
            b'\\' => Some('\\'),
            _ if byte == delimiter => Some(char::from(delimiter)),
            _ => None,
        })
    }

    fn regexp(&mut self) -> Token<'a> {
        self.quoted(Quote::Regexp, b'/', |byte| matches!(byte, b'/' | b'\\').then_some(char::from(byte)))
    }

    /// Reads up to the delimiter. `unescape` says what a backslash and a byte stand for; `None` keeps both.
    fn quoted(&mut self, quote: Quote, delimiter: u8, unescape: impl Fn(u8) -> Option<char>) -> Token<'a> {
        let bytes = self.text.as_bytes();
        let mut copied = String::new();
        let mut run = self.at + 1;
        let mut in_class = false;
        let mut at = run;
        while let Some(&byte) = bytes.get(at) {
            match byte {
                _ if byte == delimiter && !in_class => {
                    self.at = at + 1;
                    let last = &self.text[run..at];
                    let whole = if copied.is_empty() {
                        Cow::Borrowed(last)
                    } else {
                        copied.push_str(last);
                        Cow::Owned(copied)
                    };
                    return Token::Text(whole, quote);
                }
                b'\\' => {
                    if let Some(character) = bytes.get(at + 1).and_then(|&byte| unescape(byte)) {
                        copied.push_str(&self.text[run..at]);
                        copied.push(character);
                        run = at + 2;
                    }
                    // What a backslash keeps may begin a character of several bytes; their rest is plain text.
                    at += 1;
                }
                // Inside a character class a slash does not end a regular expression.
                b'[' if quote == Quote::Regexp => in_class = true,
                b']' => in_class = false,
                _ => {}
            }
            at += 1;
        }
        self.at = bytes.len();
        Token::Bad(Flaw::Unclosed(quote))
    }
}

fn in_number(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'.'
}

#[cfg(test)]
mod tests;
