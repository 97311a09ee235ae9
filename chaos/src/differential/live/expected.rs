//! What a server is expected to serve: what it makes of the objects when it is asked as a library.

use std::collections::BTreeMap;

use bellwether::compile::Compiled;

use crate::differential::oracle::Answer;

/// What a server is expected to serve.
#[derive(Default)]
pub(super) enum Expected {
    /// It has no table.
    #[default]
    Nothing,
    /// These tables.
    Tables(Tables),
    /// It decides at random.
    Anything,
}

/// The main table and those of zones, where they differ from it.
pub(super) struct Tables {
    main: String,
    count: usize,
    zones: BTreeMap<String, String>,
}

impl Expected {
    /// What ours serves once it has compiled; an empty table is never published.
    pub(super) fn compiled(&mut self, compiled: &Compiled) {
        if compiled.table.count > 0 {
            let zones = compiled.zones.iter().map(|(zone, table)| (zone.clone(), table.eskip()));
            let (main, count) = (compiled.table.eskip(), compiled.table.count);
            *self = Self::Tables(Tables { main, count, zones: zones.collect() });
        }
    }

    /// What the peer serves once it has read what it gave these answers for; where there is none, its poll has failed.
    pub(super) fn answered(&mut self, mut answers: Vec<Answer>) {
        match (answers.pop(), answers.is_empty()) {
            (Some(answer), true) if answer.status == 200 => {
                let Answer { routes: main, count, zones, .. } = answer;
                *self = Self::Tables(Tables { main, count, zones });
            }
            (Some(_), false) => *self = Self::Anything,
            _ => {}
        }
    }

    /// The zones that have tables of their own.
    pub(super) fn zones(&self) -> impl Iterator<Item = &str> {
        let tables = if let Self::Tables(tables) = self { Some(tables) } else { None };
        tables.into_iter().flat_map(|tables| tables.zones.keys().map(String::as_str))
    }
}

impl Tables {
    /// The table of a zone, or the main one, and how many routes it has.
    pub(super) fn of(&self, zone: Option<&str>) -> (&str, usize) {
        let table = zone.and_then(|zone| self.zones.get(zone)).unwrap_or(&self.main);
        (table, self.count)
    }
}
