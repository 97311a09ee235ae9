//! What tenants and operators do to the objects.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::set::{self, START, Server, Set};
use crate::catalogue::Extent;
use crate::scenario::say;

/// The RouteGroups are gone, and come back.
pub const DELETED: &str = "all RouteGroups are deleted";

/// An object that no client can read.
const POISONED: &str = "an Ingress prints what does not parse";

/// How long the leader may take to see what an object is: two polls, and a busy machine.
const SEEN: Duration = Duration::from_secs(15);

/// Applies an Ingress that would freeze every client, changes another object, and mends it.
pub async fn poison(set: &mut Set, extent: Extent) -> Result<()> {
    let mut mended = set::poison();
    mended["metadata"]["annotations"] = serde_json::json!({});
    for _ in 0..extent.times() {
        set.upstream.put(&[set::poison()]).await?;
        set.begin(POISONED, &[]);
        say(&set.history, "a bad Ingress is applied");
        set.change_arrives(START).await?;
        if set.server == Server::Bellwether {
            set.leader_says("one object is in quarantine", SEEN, |it| it["objects_quarantined"] == 1).await?;
            say(&set.history, "it is in quarantine, and the others' change was published");
        }
        set.upstream.put(std::slice::from_ref(&mended)).await?;
        set.heal().await?;
        if set.server == Server::Bellwether {
            set.leader_says("no object is in quarantine", SEEN, |it| it["objects_quarantined"] == 0).await?;
        }
        set.upstream.delete(std::slice::from_ref(&mended)).await?;
    }
    Ok(())
}

/// Deletes all RouteGroups in one go, and restores them: nobody has lost a route meanwhile.
pub async fn mass_deletion(set: &mut Set, extent: Extent) -> Result<()> {
    // With the marker nothing of the kind is left, which is held for a hundred polls.
    let mut all = set::groups(&set.objects);
    all.push(crate::stage::manifests::marker(set.generation));
    let before = set.agreed().await?;
    set.begin(DELETED, &[]);
    say(&set.history, format!("all {} RouteGroups are deleted", all.len()));
    set.delete(all).await?;
    if set.server == Server::Bellwether {
        set.leader_says("a table is held", SEEN, |it| !it["guard"].is_null()).await?;
        say(&set.history, "the guard holds the next table");
    }
    tokio::time::sleep(extent.time()).await;
    if set.server == Server::Bellwether {
        let now = set.fleet.settled(START).await?;
        ensure!(now == before, "the table {before} became {now}");
    }
    set.heal().await?;
    say(&set.history, "they are restored");
    if set.server == Server::Bellwether {
        set.leader_says("nothing is held", SEEN, |it| it["guard"].is_null()).await?;
    }
    set.change_arrives(START).await.map(drop)
}
