//! From what a poll read to what may be published: compiled, digested, compressed, and no larger than it may be.
//!
//! In: a reading, the settings, the past. Out: a draft, and what the next compilation wants of this one. What can go
//! wrong: a table without routes, or one that is too large.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::PollError;
use crate::compile::{Diagnostic, ObjectRef, Past, Quarantined, ServiceName, Settings, Text, compile};
use crate::replication::core::Draft;
use crate::snapshot::{Contents, Table};
use crate::source::Reading;

/// The most diagnostics that a snapshot carries.
const MOST_DIAGNOSTICS: usize = 1_000;

/// How much of an announcement the quarantine may be: a message has 4 MiB at most.
const MOST_QUARANTINED_BYTES: usize = 1 << 20;

/// Compiles, digests and compresses; with it, what the next compilation wants of this one. What was published `before`
/// lends the addresses of Services that cannot be read, and what need not be compressed again.
pub(super) fn draft(
    reading: Reading,
    settings: &Settings,
    services: &[ServiceName],
    past: &Past,
    before: Option<&Contents>,
    read_at: Duration,
) -> Result<(Draft, Past), PollError> {
    let Reading { objects, mut diagnostics, .. } = reading;
    let compiled = compile(&objects, settings, past);
    if compiled.table.count == 0 {
        return Err(PollError::Empty);
    }
    let (size, limit) = (compiled.table.eskip.len() as u64, settings.limits.table_bytes);
    if size > limit {
        return Err(PollError::TooLarge(size, limit));
    }
    diagnostics.extend(compiled.diagnostics);
    shorten(&mut diagnostics);
    let quarantined = bounded(&compiled.quarantined, &mut diagnostics);
    let addresses = |service: &ServiceName| {
        let name = service.to_string();
        let ready = service.ready_addresses(&objects, settings.endpoint_slices);
        let ready = ready.or_else(|| before?.addresses.get(&name).cloned())?;
        Some((name, ready))
    };
    let addresses = services.iter().filter_map(addresses).collect();
    let encode = |zone: &str, Text { eskip, count }: Text| {
        let (count, at) = (count as u64, read_at.as_secs());
        Arc::new(match before.map(|before| before.for_zone(zone)) {
            Some(before) => Table::after(before, eskip, count, at),
            None => Table::new(eskip, count, at),
        })
    };
    let zones = compiled.zones.into_iter().map(|(zone, text)| {
        let table = encode(&zone, text);
        (zone, table)
    });
    let contents = Contents {
        zones: zones.collect(),
        table: encode("", compiled.table),
        resource_versions: objects.resource_versions,
        quarantined,
        diagnostics,
        counts: compiled.counts,
        order: 0,
        addresses,
    };
    let past = Past::compiled(contents.table.plain().clone(), compiled.ledger, compiled.quarantined);
    Ok((Draft { contents, read_at_millis: read_at.as_millis() as u64 }, past))
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
