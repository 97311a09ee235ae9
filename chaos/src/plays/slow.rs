//! A follower whose line from its leader is narrow, while the table changes again and again.

use anyhow::{Context, Result};
use http::header;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::set::{self, START, Set};
use crate::catalogue::Extent;
use crate::check::{self, Figure, Unit};
use crate::history::Record;
use crate::http::Call;
use crate::scenario::say;

/// A follower's line from its leader is narrow.
pub const SLOW: &str = "a follower reads ten kilobytes a second";

/// The same changes before that.
pub const WELL: &str = "the same changes, and nobody is slow";

/// Plain and compressed, in MiB.
const SNAPSHOT: &str = "one snapshot";

/// In bytes a second.
const RATE: u64 = 10_000;

/// What the least of two snapshots is taken for, in MiB: below that an allocator's and a kernel's slack say nothing.
const SLACK: f64 = 16.0;

/// So many objects change at once: more than [`RATE`] carries from one poll to the next.
const OBJECTS: usize = 60;

/// Where each replica replicates.
const REPLICATION: u16 = 9912;

/// Changes a part of the table again and again, at first while all is well, then while one follower reads slowly.
pub async fn read_slowly(set: &mut Set, extent: Extent) -> Result<()> {
    let (leader, follower) = (set.leader().await?, set.follower().await?);
    let bytes = snapshot_bytes(set, leader).await?;
    set.history.measured(SNAPSHOT, &set.name(leader), bytes / f64::from(1 << 20));
    set.begin(WELL, &[]);
    updates(set, extent.times().div_ceil(2).max(4)).await?;
    set.heal().await?;
    let line = set.places[leader].slow(&set.places[follower], REPLICATION).await?;
    line.narrow(Some(RATE));
    // The next connection is the first that is narrow.
    set.kill(follower).await?;
    set.start(follower).await?;
    set.begin(SLOW, &[follower]);
    say(&set.history, format!("{} reads {RATE} bytes a second", set.name(follower)));
    updates(set, extent.times()).await?;
    drop(line);
    set.heal().await?;
    set.put_back().await?;
    set.settle().await.map(drop)
}

/// How much more memory the others took while one was slow, at most; two snapshots are allowed.
pub fn memory(history: &[Record]) -> Figure {
    let window = |what| crate::catalogue::window(history, what);
    let slow: Vec<&str> = history
        .iter()
        .filter_map(|record| match record {
            Record::Fault(fault) if *fault.what == *SLOW => Some(fault.on.iter().map(|name| &**name)),
            _ => None,
        })
        .flatten()
        .collect();
    let figure = check::more_than_before(history, &slow, window(WELL), window(SLOW));
    let snapshot = check::most(history, SNAPSHOT, Unit::Mib).value.unwrap_or_default();
    figure.named("memory of the leader, more than with nobody slow").at_most((2.0 * snapshot).max(SLACK))
}

/// Changes many objects at once, so many times.
async fn updates(set: &mut Set, times: u32) -> Result<()> {
    for time in 0..times {
        let seed = u64::from(set.history.now().subsec_nanos());
        let changed: Vec<_> =
            set::groups(&set.objects).iter().filter_map(|group| changed(group, seed)).take(OBJECTS).collect();
        set.upstream.put(&changed).await?;
        let start = Instant::now();
        let generation = set.change().await?;
        set.arrives(generation, START).await?;
        let took = start.elapsed().as_secs_f64();
        say(&set.history, format!("update {time} of {} objects is served after {took:.3} s", changed.len()));
    }
    Ok(())
}

/// The group with other paths, which say nothing that could be compressed; none for those that carry traffic.
fn changed(group: &Value, seed: u64) -> Option<Value> {
    let name = group["metadata"]["name"].as_str().filter(|name| name.starts_with("bulk-"))?;
    let mut dice =
        fastrand::Rng::with_seed(seed ^ name.bytes().fold(0, |sum, byte| sum * 31 + u64::from(byte)));
    let mut group = group.clone();
    for route in group["spec"]["routes"].as_array_mut()? {
        *route = json!({"pathSubtree": format!("/{:016x}{:016x}", dice.u64(..), dice.u64(..))});
    }
    Some(group)
}

/// What a replica holds of one table: its bytes, and those of its compressed form.
#[allow(clippy::cast_precision_loss, reason = "megabytes")]
async fn snapshot_bytes(set: &Set, replica: usize) -> Result<f64> {
    let call = Call::get(set.fleet.replicas[replica].serve(), "/routes");
    let gzip = Call { headers: &[(header::ACCEPT_ENCODING, "gzip")], ..call.clone() };
    let mut bytes = 0;
    for call in [call, gzip] {
        let (_, reply) = call.send().await.ok().context("the leader serves its table")?;
        bytes += reply.body.len();
    }
    Ok(bytes as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{History, Memory};

    #[test]
    fn a_leader_that_keeps_everything_for_a_slow_follower_is_found() {
        let run = |leader: u64, follower: u64| {
            let history = History::default();
            let weigh = |replica: &str, kib| {
                let (replica, at) = (history.name(replica), history.now());
                history.push(Record::Memory(Memory { replica, at, rss_kib: kib }));
            };
            history.measured(SNAPSHOT, "r0", 10.0);
            let well = history.fault(WELL, &[]);
            weigh("r0", 100 << 10);
            weigh("r1", 100 << 10);
            history.healed(&well);
            let slow = history.fault(SLOW, &["r1"]);
            weigh("r0", leader << 10);
            weigh("r1", follower << 10);
            history.healed(&slow);
            memory(&history.records())
        };
        assert!(run(119, 300).kept, "what the slow one takes is its own");
        assert!(!run(121, 100).kept);
        assert!(!memory(&[]).kept);
    }

    #[test]
    fn each_update_differs_from_the_last_in_every_route() {
        let group = json!({"metadata": {"name": "bulk-1"}, "spec": {"routes": [{"pathSubtree": "/0"}, {"pathSubtree": "/1"}]}});
        let (first, second) = (changed(&group, 1).unwrap(), changed(&group, 2).unwrap());
        assert_ne!(first["spec"]["routes"][0], second["spec"]["routes"][0]);
        assert_ne!(first["spec"]["routes"][0], first["spec"]["routes"][1]);
        assert_eq!(changed(&json!({"metadata": {"name": "front-0"}}), 1), None);
    }
}
