//! From what a poll read to what may be published: compiled, digested, compressed, and no larger than it may be.
//!
//! In: a reading, the settings, the past. Out: a draft, and what the next compilation wants of this one. What can go
//! wrong: a table without routes, or one that is too large.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::PollError;
use crate::compile::{
    Compiled, Diagnostic, ObjectRef, Past, Quarantined, ServiceName, Settings, Text, compile, recompile,
};
use crate::object::Objects;
use crate::replication::core::Draft;
use crate::snapshot::{Contents, Packed, Table};
use crate::source::Reading;

/// The most diagnostics that a snapshot carries.
const MOST_DIAGNOSTICS: usize = 1_000;

/// How much of an announcement the quarantine may be: a message has 4 MiB at most.
const MOST_QUARANTINED_BYTES: usize = 1 << 20;

/// What one draft leaves to the next one; nothing at the start.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// What the compilation leaves.
    pub(super) past: Arc<Past>,
    drafted: Option<Arc<Drafted>>,
}

#[derive(Debug)]
struct Drafted {
    contents: Contents,
    /// What the reading had to say of itself.
    read: Vec<Diagnostic>,
}

impl Memory {
    /// What is left where others compiled the table.
    pub(super) fn inherited(past: Past) -> Self {
        Self { past: Arc::new(past), drafted: None }
    }
}

/// Compiles, digests and compresses; with it, what the next draft wants of this one. Where nothing has changed, nothing
/// of it is done. What was published `before` lends the addresses of Services that cannot be read, and what need not be
/// compressed again.
pub(super) fn draft(
    reading: Reading,
    settings: &Settings,
    services: &[ServiceName],
    memory: &Memory,
    before: Option<&Contents>,
    read_at: Duration,
) -> Result<(Draft, Memory), PollError> {
    let Reading { objects, diagnostics: read, .. } = reading;
    let drafted = |contents| Draft { contents, read_at_millis: read_at.as_millis() as u64 };
    let drafted_before = memory.drafted.as_ref().filter(|drafted| drafted.read == read);
    let compiled = match drafted_before {
        Some(before) => match recompile(&objects, settings, &memory.past) {
            Some(compiled) => compiled,
            None => return Ok((drafted(again(&before.contents, objects, read_at)), memory.clone())),
        },
        None => compile(&objects, settings, &memory.past),
    };
    let (looked_at, all) = (compiled.looked_at, objects.count());
    tracing::debug!(looked_at, all, routes = compiled.table.count, "compiled");
    if compiled.table.count == 0 {
        return Err(PollError::Empty);
    }
    let (size, limit) = (compiled.table.packed.len() as u64, settings.limits.table_bytes);
    if size > limit {
        return Err(PollError::TooLarge(size, limit));
    }
    let table = |Text { packed, count }| Arc::new(Table::new(packed, count as u64, read_at.as_secs()));
    let Compiled { diagnostics, quarantined: left_out, ledger, counts, .. } = compiled;
    let zones = compiled.zones.into_iter().map(|(zone, text)| (zone, table(text))).collect();
    let table = table(compiled.table);
    let mut diagnostics: Vec<_> = read.iter().cloned().chain(diagnostics).collect();
    shorten(&mut diagnostics);
    let quarantined = bounded(&left_out, &mut diagnostics);
    let addresses = |service: &ServiceName| {
        let name = service.to_string();
        let ready = service.ready_addresses(&objects, settings.endpoint_slices);
        let ready = ready.or_else(|| before?.addresses.get(&name).cloned())?;
        Some((name, ready))
    };
    let addresses = services.iter().filter_map(addresses).collect();
    let contents = Contents {
        zones,
        table,
        resource_versions: objects.resource_versions,
        quarantined,
        diagnostics,
        counts,
        order: 0,
        addresses,
    };
    let past = Past::compiled(contents.table.packed().clone(), packed(&contents.zones), ledger, left_out);
    let memory = Memory {
        past: Arc::new(past),
        drafted: Some(Arc::new(Drafted { contents: contents.clone(), read })),
    };
    Ok((drafted(contents), memory))
}

/// The same contents, read anew.
fn again(before: &Contents, objects: Objects, read_at: Duration) -> Contents {
    let anew = |table: &Arc<Table>| Arc::new(Table::clone(table).modified_at(read_at.as_secs()));
    Contents {
        table: anew(&before.table),
        zones: before.zones.iter().map(|(zone, table)| (zone.clone(), anew(table))).collect(),
        resource_versions: objects.resource_versions,
        ..before.clone()
    }
}

/// The texts of the zones' tables.
pub(super) fn packed(zones: &BTreeMap<String, Arc<Table>>) -> BTreeMap<String, Packed> {
    zones.iter().map(|(zone, table)| (zone.clone(), table.packed().clone())).collect()
}

/// What is quarantined travels with every announcement too. Of a flood the first objects go, each with all of its routes;
/// for the others a next leader finds the last good routes by the ids of those that they ask for.
fn bounded(all: &[Quarantined], diagnostics: &mut Vec<Diagnostic>) -> Vec<Quarantined> {
    let size = |it: &Quarantined| {
        let ids: usize = it.last_good.iter().map(|id| id.len() + 4).sum();
        ids + it.route.len() + it.reason.len() + it.hint.len() + 200
    };
    let mut sizes: HashMap<&ObjectRef, usize> = HashMap::new();
    all.iter().for_each(|it| *sizes.entry(&it.object).or_default() += size(it));
    let (mut left, mut fits) = (MOST_QUARANTINED_BYTES, HashMap::new());
    let mut kept = Vec::with_capacity(all.len());
    for it in all {
        let fits = *fits.entry(&it.object).or_insert_with(|| {
            let size = sizes[&it.object];
            let fits = size <= left;
            left -= if fits { size } else { 0 };
            fits
        });
        if fits {
            kept.push(it.clone());
        }
    }
    let more = all.len() - kept.len();
    if more > 0 {
        let hint = "run bellwether compile over the same objects to see all of them".to_owned();
        diagnostics.push(Diagnostic {
            object: None,
            reason: format!("{more} more routes are quarantined"),
            hint,
        });
    }
    kept
}

/// Diagnostics travel with every announcement, and people read them: the first ones say enough.
fn shorten(diagnostics: &mut Vec<Diagnostic>) {
    let more = diagnostics.len().saturating_sub(MOST_DIAGNOSTICS);
    if more > 0 {
        diagnostics.truncate(MOST_DIAGNOSTICS);
        let hint = "run bellwether compile over the same objects to see all of them".to_owned();
        diagnostics.push(Diagnostic { object: None, reason: format!("and {more} more"), hint });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_list_of_diagnostics_is_cut_and_says_so() {
        let one = Diagnostic { object: None, reason: "odd".to_owned(), hint: String::new() };
        let mut few = vec![one.clone(); MOST_DIAGNOSTICS];
        shorten(&mut few);
        assert_eq!(few.len(), MOST_DIAGNOSTICS);
        let mut many = vec![one; MOST_DIAGNOSTICS + 7];
        shorten(&mut many);
        assert_eq!(many.len(), MOST_DIAGNOSTICS + 1);
        assert_eq!(many[MOST_DIAGNOSTICS].reason, "and 7 more");
    }

    #[test]
    fn flood_of_bad_objects_is_cut_between_objects() {
        let entry = |object: usize, ids: usize| Quarantined {
            object: ObjectRef { name: object.to_string(), ..ObjectRef::default() },
            last_good: vec!["i".repeat(96); ids],
            ..Quarantined::default()
        };
        // The second one is too large as a whole, the ones around it are not.
        let all = [entry(1, 100), entry(2, 0), entry(2, 20_000), entry(3, 100), entry(1, 0)];
        let mut diagnostics = Vec::new();
        let kept: Vec<_> = bounded(&all, &mut diagnostics).into_iter().map(|it| it.object.name).collect();
        assert_eq!(kept, ["1", "3", "1"]);
        assert_eq!(diagnostics[0].reason, "2 more routes are quarantined");
        assert_eq!(bounded(&all[..1], &mut Vec::new()), all[..1]);
    }
}
