//! The quarantine: no route gets into a table that clients could not parse with it.
//!
//! In: the finished routes. Out: the document of those that survive being printed and parsed, and the names of the others.
//! A client parses a table as a whole, so one route that does not parse would freeze them all.

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::eskip::{self, Backend, Verdict};
use crate::protection::Protection;

use super::definitions::Words;
use super::document::Document;
use super::{Diagnostics, Limits, ObjectRef, Quarantined, SourcedRoute};

mod sound;
mod stay;
mod unreadable;

use sound::Sound;

pub(super) use stay::restore;
pub(super) use unreadable::{hindered, misshapen};

/// Prints `routes`, or takes the words that they came in, where they are as they were read. Those that would break the
/// document are taken out of them and of it.
pub(super) fn sift(
    routes: &mut Vec<SourcedRoute>,
    words: &Words<'_>,
    quarantined: &mut Vec<Quarantined>,
    diagnostics: &mut Diagnostics,
    limits: &Limits,
) -> Document {
    let mut document = Document::with_room_for(routes.len());
    let mut sizes: HashMap<Arc<ObjectRef>, u64> = HashMap::new();
    let mut sound = Sound::default();
    routes.retain(|sourced| {
        let mut limited = |text: &str| limited(sourced, text.len() as u64, limits, &mut sizes);
        let verdict = match words.of_route(&sourced.route) {
            Some(words) => limited(words).map(|()| document.append(words)),
            None => document.push(&sourced.route, |text| {
                limited(text)?;
                judge(sourced, text, &mut sound, diagnostics)
            }),
        };
        verdict.map_err(|reason| quarantined.push(left_out(sourced, reason))).is_ok()
    });
    document
}

/// Whether a route of `size` bytes stays within what one route and one object may have.
fn limited(
    sourced: &SourcedRoute,
    size: u64,
    limits: &Limits,
    sizes: &mut HashMap<Arc<ObjectRef>, u64>,
) -> Result<(), String> {
    if size > limits.route_bytes {
        return Err(format!("it has {size} bytes, more than the {} of -max-route-bytes", limits.route_bytes));
    }
    let Some(object) = &sourced.object else { return Ok(()) };
    let so_far = sizes.entry(Arc::clone(object)).or_default();
    if *so_far + size > limits.object_bytes {
        return Err(format!(
            "the routes of its object have more than the {} bytes of -max-object-bytes",
            limits.object_bytes
        ));
    }
    *so_far += size;
    Ok(())
}

/// Whether a route may be published with this text. One that clients read in another sense may, as with the peer; it is
/// said. One that clients read as several routes may not, nor one that leads them elsewhere: only an address that was
/// made for it does that.
fn judge(
    sourced: &SourcedRoute,
    text: &str,
    sound: &mut Sound,
    diagnostics: &mut Diagnostics,
) -> Result<(), String> {
    if sound.is(&sourced.route) || Protection::Quarantine.is_off() {
        return Ok(());
    }
    if matches!(&sourced.route.backend, Backend::Network(address) if address.is_empty()) {
        return Err("its backend has no address; a forward backend needs -forward-backend-url".to_owned());
    }
    match eskip::verify_printed(&sourced.route, text) {
        Verdict::Same => Ok(()),
        Verdict::Different(_) if has_quote(&sourced.route.backend) => {
            Err("a quote in the address of its backend ends it early".to_owned())
        }
        Verdict::Different(_) => {
            let reason = format!("clients do not read route {} as it is meant", sourced.route.id);
            let hint = "look for line breaks and unbalanced brackets in its regular expressions";
            diagnostics.note(sourced.object.as_deref(), reason, hint);
            Ok(())
        }
        Verdict::Smuggles(_) => Err("clients would read it as more than one route".to_owned()),
        Verdict::Broken(error) => Err(error.to_string()),
    }
}

fn has_quote(backend: &Backend) -> bool {
    match backend {
        Backend::Network(address) => address.contains('"'),
        Backend::LoadBalanced { endpoints, .. } => {
            endpoints.iter().any(|endpoint| endpoint.address.contains('"'))
        }
        Backend::Shunt | Backend::Loopback | Backend::Dynamic | Backend::Forward => false,
    }
}

fn left_out(sourced: &SourcedRoute, reason: String) -> Quarantined {
    Quarantined {
        route: sourced.route.id.clone(),
        object: sourced.object.as_deref().cloned().unwrap_or_default(),
        reason,
        ..Quarantined::default()
    }
}

/// Runs the conversion of one object. If it panics, the object alone is quarantined: a flaw of ours must not stop the
/// table.
pub(super) fn guarded<T: Default>(
    object: &ObjectRef,
    quarantined: &mut Vec<Quarantined>,
    convert: impl FnOnce() -> T,
) -> T {
    catch_unwind(AssertUnwindSafe(convert)).unwrap_or_else(|panic| {
        let reason =
            format!("its conversion panicked ({}); this is a defect of Bellwether", message(&*panic));
        unreadable::whole(object, reason, quarantined);
        T::default()
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}

#[cfg(test)]
mod tests;
