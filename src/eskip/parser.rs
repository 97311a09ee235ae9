//! Tokens to routes, predicates and filters: the grammar, by recursive descent. One wrong token refuses the whole
//! text, as with Skipper.
//!
//! Of several errors the first in the text is named (Skipper names one of syntax before all others). Two oddities
//! are Skipper's and are kept: an argument list may begin with one comma, a document with semicolons. White space
//! around a list of predicates or filters may be any of Unicode's, as with Skipper; elsewhere only ASCII's.

use super::error::{Fault, ParseError, Problem};
use super::hint;
use super::lexer::{Flaw, Lexer, Quote, Token};
use super::resolve::{self, Conditions};
use super::{Arg, Backend, Filter, Predicate, Route};

/// Parses a document (`id: route; id: route; …`) or one route without an id.
///
/// # Errors
///
/// The first thing that is not Eskip, or a built-in predicate or a load-balanced backend that Skipper would refuse.
/// Ids that repeat are no error.
pub fn parse(text: &str) -> Result<Vec<Route>, ParseError> {
    Parser::run(text, text, Parser::document)
}

/// Parses predicates that are joined by `&&`; none in an empty text. `*` vanishes. The names and arguments are taken
/// as they are: whether `Method` has its one argument is only looked at in a route.
///
/// # Errors
///
/// The first thing that is not in the grammar.
pub fn parse_predicates(text: &str) -> Result<Vec<Predicate>, ParseError> {
    Parser::run(text, text.trim(), |parser| {
        if parser.token == Token::End {
            return Ok(Vec::new());
        }
        let predicates = parser.predicates(None)?;
        parser.end("`&&` or the end")?;
        Ok(predicates.into_iter().map(|(_, predicate)| predicate).collect())
    })
}

/// Parses filters that are joined by `->`; none in an empty text.
///
/// # Errors
///
/// The first thing that is not in the grammar.
pub fn parse_filters(text: &str) -> Result<Vec<Filter>, ParseError> {
    Parser::run(text, text.trim(), |parser| {
        if parser.token == Token::End {
            return Ok(Vec::new());
        }
        let mut filters = Vec::new();
        loop {
            let name = parser.symbol("a filter")?;
            filters.push(Filter { name: name.to_owned(), args: parser.arguments()? });
            if !parser.accept(&Token::Arrow) {
                parser.end("`->` or the end")?;
                return Ok(filters);
            }
        }
    })
}

/// The parser stands on one token.
struct Parser<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    token: Token<'a>,
    /// Where the token begins, where it ends for Skipper, and where the token before it ended.
    start: usize,
    reached: usize,
    previous: usize,
    /// The id of the last route that was begun.
    route: &'a str,
}

impl<'a> Parser<'a> {
    /// Applies `rule` to `code`, which is `whole` or what is left of it without the white space around it.
    fn run<T>(
        whole: &str,
        code: &'a str,
        rule: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, ParseError> {
        let mut lexer = Lexer::new(code);
        let (token, start, reached) = lexer.next();
        let mut parser = Self { text: code, lexer, token, start, reached, previous: 0, route: "" };
        rule(&mut parser).map_err(|mut fault| {
            fault.offset += if code.len() < whole.len() { whole.len() - whole.trim_start().len() } else { 0 };
            fault.locate(whole, parser.route)
        })
    }

    fn document(&mut self) -> Result<Vec<Route>, Fault> {
        let mut routes = Vec::new();
        let first = self.start;
        loop {
            while self.accept(&Token::Semicolon) {}
            let begin = self.start;
            let name = match self.token {
                Token::End => return Ok(routes),
                Token::Any if begin == first => None,
                Token::Symbol(_) => Some(self.symbol("a route")?),
                _ if begin == first => return Err(self.fault("a route")),
                _ => return Err(self.fault("a route's id")),
            };
            if let Some(id) = name
                && self.accept(&Token::Colon)
            {
                self.route = id;
                routes.push(self.route(id, None)?);
                if !matches!(self.token, Token::Semicolon | Token::End) {
                    return Err(self.fault("`;` or the end"));
                }
            } else if begin == first && (name.is_none() || self.token == Token::OpenParen) {
                let route = self.route("", name.map(|name| (begin, name)))?;
                self.end("the end, since the route has no id")?;
                return Ok(vec![route]);
            } else {
                return Err(self.fault(if begin == first { "`:` or `(`" } else { "`:`" }));
            }
        }
    }

    /// A route after its id. `begun` is the name of its first predicate, if that is consumed already.
    fn route(&mut self, id: &str, begun: Option<(usize, &'a str)>) -> Result<Route, Fault> {
        let predicates = self.predicates(begun)?;
        let conditions = Conditions::of(predicates)?;
        self.expect(&Token::Arrow, "`&&` or `->`")?;
        let mut filters = Vec::new();
        while let Token::Symbol(name) = self.token {
            self.advance();
            filters.push(Filter { name: name.to_owned(), args: self.arguments()? });
            self.expect(&Token::Arrow, "`->`, for a route ends in a backend")?;
        }
        let backend = self.backend()?;
        Ok(conditions.route(id, filters, backend))
    }

    fn predicates(&mut self, mut begun: Option<(usize, &'a str)>) -> Result<Vec<(usize, Predicate)>, Fault> {
        let mut predicates = Vec::new();
        loop {
            if begun.is_some() || !self.accept(&Token::Any) {
                let (at, name) = match begun.take() {
                    Some(begun) => begun,
                    None => (self.start, self.symbol("a predicate")?),
                };
                predicates.push((at, Predicate { name: name.to_owned(), args: self.arguments()? }));
            }
            if !self.accept(&Token::And) {
                return Ok(predicates);
            }
        }
    }

    fn arguments(&mut self) -> Result<Vec<Arg>, Fault> {
        self.expect(&Token::OpenParen, "`(`")?;
        let mut args = Vec::new();
        if self.accept(&Token::CloseParen) {
            return Ok(args);
        }
        self.accept(&Token::Comma);
        loop {
            args.push(match std::mem::replace(&mut self.token, Token::End) {
                Token::Number(digits) => {
                    Arg::Number(digits.parse().expect("the lexer lets only digits with a dot pass"))
                }
                Token::Text(text, _) => Arg::String(text.into_owned()),
                other => {
                    self.token = other;
                    return Err(self.fault("an argument"));
                }
            });
            self.advance();
            if self.accept(&Token::CloseParen) {
                return Ok(args);
            }
            self.expect(&Token::Comma, "`,` or `)`")?;
        }
    }

    fn backend(&mut self) -> Result<Backend, Fault> {
        let backend = match std::mem::replace(&mut self.token, Token::End) {
            Token::Text(address, Quote::String) => Backend::Network(address.into_owned()),
            Token::Shunt => Backend::Shunt,
            Token::Loopback => Backend::Loopback,
            Token::Dynamic => Backend::Dynamic,
            Token::Forward => Backend::Forward,
            Token::Open => {
                self.advance();
                return self.load_balanced();
            }
            other => {
                self.token = other;
                return Err(self.fault("a backend or a filter"));
            }
        };
        self.advance();
        Ok(backend)
    }

    /// The rest of a load-balanced backend after its `<`.
    fn load_balanced(&mut self) -> Result<Backend, Fault> {
        let mut algorithm = String::new();
        if let Token::Symbol(name) = self.token {
            algorithm = name.to_owned();
            self.advance();
            self.expect(&Token::Comma, "`,` and an endpoint")?;
        }
        let mut endpoints = resolve::Endpoints::default();
        loop {
            let Token::Text(address, Quote::String) = &self.token else {
                return Err(self.fault("an endpoint"));
            };
            endpoints.push(self.start, address)?;
            self.advance();
            if self.accept(&Token::Close) {
                return Ok(Backend::LoadBalanced { algorithm, endpoints: endpoints.list.into() });
            }
            self.expect(&Token::Comma, "`,` or `>`")?;
        }
    }

    fn advance(&mut self) {
        self.previous = self.reached;
        (self.token, self.start, self.reached) = self.lexer.next();
    }

    /// Consumes `token` if it is the next one.
    fn accept(&mut self, token: &Token<'_>) -> bool {
        let found = self.token == *token;
        if found {
            self.advance();
        }
        found
    }

    fn expect(&mut self, token: &Token<'_>, expected: &'static str) -> Result<(), Fault> {
        if self.accept(token) { Ok(()) } else { Err(self.fault(expected)) }
    }

    fn end(&self, expected: &'static str) -> Result<(), Fault> {
        if self.token == Token::End { Ok(()) } else { Err(self.fault(expected)) }
    }

    fn symbol(&mut self, expected: &'static str) -> Result<&'a str, Fault> {
        let Token::Symbol(name) = self.token else { return Err(self.fault(expected)) };
        self.advance();
        Ok(name)
    }

    /// The current token is not what was expected.
    fn fault(&self, expected: &'static str) -> Fault {
        let found = match self.token {
            Token::End => "the end of the text".to_owned(),
            Token::Bad(Flaw::Unclosed(Quote::String)) => "a string without its end".to_owned(),
            Token::Bad(Flaw::Unclosed(Quote::Regexp)) => "a regular expression without its end".to_owned(),
            Token::Bad(Flaw::Character) => {
                let character = self.text[self.start..].chars().next().unwrap_or_default();
                format!("the character {character:?}")
            }
            _ => excerpt(&self.text[self.start..self.reached.max(self.start + 1)]),
        };
        Fault {
            offset: self.start,
            peer_position: self.reached,
            problem: Problem::Syntax { expected, found },
            hint: hint::of(self.text, self.previous, self.start, &self.token, expected),
        }
    }
}

/// A token as it is written, cut to a bearable length.
fn excerpt(token: &str) -> String {
    const MOST: usize = 40;
    match token.char_indices().nth(MOST) {
        Some((cut, _)) => format!("`{}…`", &token[..cut]),
        None => format!("`{token}`"),
    }
}

#[cfg(test)]
mod tests;
