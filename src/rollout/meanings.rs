//! What the routes of a table mean, as numbers that can be compared: two routes have one [`Meaning`] just where Skipper's
//! canonical forms of them are the same.
//!
//! In: the text of a table, and the table before it. Out: a meaning for each id. Only what is written in another way than
//! before is parsed: tables have a route on each line, and a line that is known is not read again. What can go wrong: a text
//! that is no table, or has an id twice.

use std::collections::HashMap;

use crate::eskip::{self, Arg, Route};

/// What a route means, id included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Meaning([u8; 16]);

/// A table, by what its routes mean.
#[derive(Clone, Debug, Default)]
pub struct Meanings(HashMap<Box<str>, Known>);

#[derive(Clone, Copy, Debug)]
struct Known {
    meaning: Meaning,
    /// The line that it was read from; none where a route did not stand on a line of its own.
    line: Option<[u8; 16]>,
}

/// Why a text is no table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotATable {
    /// It is no Eskip.
    #[error("it is no table: {0}")]
    Eskip(String),
    /// Nobody can say which of two routes counts.
    #[error("it has two routes with the id {0}")]
    Twice(String),
}

impl Meaning {
    /// What `route` means.
    pub fn of(route: &Route) -> Self {
        let mut canonical = route.canonical();
        let calls = canonical.predicates.iter_mut().map(|it| &mut it.args);
        for arg in calls.chain(canonical.filters.iter_mut().map(|it| &mut it.args)).flatten() {
            // Equal, but not written alike.
            if matches!(arg, Arg::Number(number) if *number == 0.0) {
                *arg = Arg::Number(0.0);
            }
        }
        Self(hash(format!("{canonical:?}").as_bytes()))
    }
}

impl Meanings {
    /// Reads `text`; what stands on the same line as in `before` is taken from there.
    ///
    /// # Errors
    ///
    /// Where it is no table.
    pub fn read(text: &str, before: Option<&Self>) -> Result<Self, NotATable> {
        match Self::by_line(text, before) {
            Some(read) => read,
            None => Self::whole(text),
        }
    }

    /// None where the routes do not stand on a line each.
    fn by_line(text: &str, before: Option<&Self>) -> Option<Result<Self, NotATable>> {
        let mut read = Self(HashMap::with_capacity(before.map_or(0, |before| before.0.len())));
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (id, _) = line.split_once(':')?;
            let hash = hash(line.as_bytes());
            let known = before.and_then(|before| before.0.get(id)).filter(|known| known.line == Some(hash));
            let added = match known {
                Some(known) => read.add(id, *known),
                None => {
                    let routes = eskip::parse(line).ok()?;
                    let [route] = routes.as_slice() else { return None };
                    read.add(&route.id, Known { meaning: Meaning::of(route), line: Some(hash) })
                }
            };
            if let Err(error) = added {
                return Some(Err(error));
            }
        }
        Some(Ok(read))
    }

    fn whole(text: &str) -> Result<Self, NotATable> {
        let mut read = Self::default();
        for route in eskip::parse(text).map_err(|error| NotATable::Eskip(error.to_string()))? {
            read.add(&route.id, Known { meaning: Meaning::of(&route), line: None })?;
        }
        Ok(read)
    }

    fn add(&mut self, id: &str, known: Known) -> Result<(), NotATable> {
        match self.0.insert(id.into(), known) {
            Some(_) => Err(NotATable::Twice(id.to_owned())),
            None => Ok(()),
        }
    }

    /// How many routes it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the route called `id` means, if there is one.
    pub fn get(&self, id: &str) -> Option<Meaning> {
        self.0.get(id).map(|known| known.meaning)
    }

    /// The ids of what is not the same in `other`, in no order.
    pub fn unlike<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a str> {
        let changed = self.0.iter().filter(move |(id, known)| other.get(id) != Some(known.meaning));
        let added = other.0.keys().filter(move |id| !self.0.contains_key(*id));
        changed.map(|(id, _)| &**id).chain(added.map(|id| &**id))
    }
}

/// The definitions of `ids` in the text of a table.
pub fn routes(text: &str, mut wanted: impl FnMut(&str) -> bool) -> Vec<Route> {
    let mut found = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let Some((id, _)) = line.split_once(':') else { return whole(text, wanted) };
        if wanted(id) {
            match eskip::parse(line) {
                Ok(routes) => found.extend(routes),
                Err(_) => return whole(text, wanted),
            }
        }
    }
    found
}

fn whole(text: &str, mut wanted: impl FnMut(&str) -> bool) -> Vec<Route> {
    let all = eskip::parse(text).unwrap_or_default();
    all.into_iter().filter(|route| wanted(&route.id)).collect()
}

/// 128 bits of BLAKE3: no two texts that anybody makes have the same.
fn hash(bytes: &[u8]) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
    short
}

#[cfg(test)]
mod tests;
