//! An API server that answers, but wrongly, late, or with a refusal.

use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

use super::set::{START, Server, Set};
use crate::catalogue::Extent;
use crate::fakeapi::{Endpoint, FakeApi, Fault};
use crate::scenario::say;
use crate::stage::link::Way;

/// Each answer is late.
pub const LATE: &str = "the API server is slow";

/// Whoever lists is told to come back later.
pub const THROTTLED: &str = "429 for lists";

/// Whoever renews is told to come back later, or is not allowed to.
pub const REFUSED: &str = "the Lease is refused";

/// What a list holds is not what there is.
pub const WRONG: &str = "a list is answered wrongly";

/// Half of the time that a call takes more: within an attempt's patience, so that nothing may come of it.
const A_LITTLE: Duration = Duration::from_millis(300);

/// The same, far beyond it.
const MUCH: Duration = Duration::from_secs(5);

/// The calls for a Lease that one replica made in a second while they were refused.
pub const CALLS: &str = "calls for the Lease of one replica, per second";

/// What the API server answers to one replica is lost; what it is asked for it does.
pub const UNHEARD: &str = "no answer of the API server arrives";

/// Lists are as they were some writes ago.
pub const LATE_LISTS: &str = "lists are older than the table";

/// How long no answer arrives: a renewal falls into it, and what is left of a term lasts longer.
const UNANSWERED: Duration = Duration::from_secs(1);

/// How long one wrong answer is given.
const ANSWERED: Duration = Duration::from_secs(7);

/// Makes each call take 0.6 s; a change is published all the same.
pub async fn late(set: &mut Set, extent: Extent) -> Result<()> {
    set.begin(LATE, &[]);
    for path in &set.to_api {
        path.carry(Way::Late(A_LITTLE))?;
    }
    let end = Instant::now() + extent.time();
    while Instant::now() < end {
        set.change_arrives(START).await?;
        tokio::time::sleep(set.sizes.poll).await;
    }
    set.heal().await
}

/// Makes each call take 10 s: nobody can lead, and everybody serves on.
pub async fn very_late(set: &mut Set, extent: Extent) -> Result<()> {
    set.begin(LATE, &[]);
    for path in &set.to_api {
        path.carry(Way::Late(MUCH))?;
    }
    tokio::time::sleep(extent.time()).await;
    set.heal().await?;
    set.change_arrives(START).await.map(drop)
}

/// Answers 429 to whoever lists; the election must not feel it.
pub async fn throttled(set: &mut Set, extent: Extent) -> Result<()> {
    set.begin(THROTTLED, &[]);
    for endpoint in Endpoint::ALL.into_iter().filter(|endpoint| *endpoint != Endpoint::Leases) {
        set.upstream.servers().iter().for_each(|server| server.break_with(endpoint, Fault::Status(429)));
    }
    tokio::time::sleep(extent.time()).await;
    set.heal().await?;
    set.change_arrives(START).await.map(drop)
}

/// Answers `status` to whoever asks for a Lease: nobody can lead, and nobody hammers.
pub async fn refused(set: &mut Set, extent: Extent, status: u16) -> Result<()> {
    set.begin(REFUSED, &[]);
    let asked = |set: &Set| -> Vec<_> {
        set.upstream.servers().iter().map(|server| server.asked(Endpoint::Leases)).collect()
    };
    let (before, start) = (asked(set), Instant::now());
    for server in set.upstream.servers() {
        server.break_with(Endpoint::Leases, Fault::Status(status));
    }
    say(&set.history, format!("the Lease is refused with {status}"));
    tokio::time::sleep(extent.time()).await;
    let seconds = start.elapsed().as_secs_f64();
    for (index, (before, after)) in before.into_iter().zip(asked(set)).enumerate() {
        let calls = after - before;
        set.history.measured(CALLS, &set.name(index), f64::from(u32::try_from(calls)?) / seconds);
    }
    set.heal().await?;
    set.change_arrives(START).await.map(drop)
}

/// Loses what the API server answers the leader for a moment: what it wrote is written, and it does not know it.
pub async fn unheard(set: &mut Set, extent: Extent) -> Result<()> {
    for _ in 0..extent.times() {
        let leader = set.leader().await?;
        set.begin(UNHEARD, &[leader]);
        set.to_api[leader].carry(Way::SilentDown)?;
        tokio::time::sleep(UNANSWERED).await;
        set.heal().await?;
        set.change_arrives(START).await?;
    }
    Ok(())
}

/// Answers lists as they were before the last changes, whatever is written, and kills whoever leads: the next one knows
/// nothing but what it inherits. A change waits for the first fresh answer.
pub async fn old(set: &mut Set, extent: Extent) -> Result<()> {
    set.change_arrives(START).await?;
    let versions: Vec<_> = set.upstream.servers().iter().map(FakeApi::version).collect();
    for _ in 0..3 {
        set.change_arrives(START).await?;
    }
    set.settle().await?;
    set.begin(LATE_LISTS, &[]);
    for endpoint in Endpoint::ALL.into_iter().filter(|endpoint| *endpoint != Endpoint::Leases) {
        for (server, version) in set.upstream.servers().iter().zip(&versions) {
            server.break_with(endpoint, Fault::Frozen(*version));
        }
    }
    let leader = set.leader().await?;
    set.kill(leader).await?;
    let generation = set.change().await?;
    tokio::time::sleep(extent.time()).await;
    set.heal().await?;
    set.arrives(generation, START).await
}

/// Answers one list after the other in one wrong way after the other.
pub async fn wrong(set: &mut Set, extent: Extent) -> Result<()> {
    let faults = [
        Fault::NullItems,
        Fault::ZeroItems,
        Fault::CutJson,
        Fault::Stall,
        Fault::Status(404),
        Fault::Status(500),
    ];
    let endpoints =
        [Endpoint::RouteGroups, Endpoint::Discovery, Endpoint::Ingresses, Endpoint::EndpointSlices];
    let all = faults.into_iter().flat_map(|fault| endpoints.map(|endpoint| (endpoint, fault)));
    set.begin(WRONG, &[]);
    for (endpoint, fault) in all.take(usize::try_from(extent.times())?) {
        say(&set.history, format!("{endpoint}: {fault}"));
        set.upstream.servers().iter().for_each(|server| server.break_with(endpoint, fault));
        tokio::time::sleep(ANSWERED.min(set.sizes.poll * 3)).await;
        set.upstream.up().await?;
        // Until the next poll has read well.
        tokio::time::sleep(set.sizes.poll).await;
        if set.server == Server::Bellwether {
            set.fleet.settled(START).await?;
        }
    }
    set.heal().await?;
    set.change_arrives(START).await.map(drop)
}
