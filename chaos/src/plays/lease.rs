//! What operators do to the Lease.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::set::{START, Set, lease};
use crate::catalogue::Extent;
use crate::scenario::say;

/// The Lease is not as its holder left it.
pub const EDITED: &str = "the Lease is edited";

/// The Lease is gone.
pub const DELETED: &str = "the Lease is deleted";

/// How long the consequences are watched.
const WATCHED: Duration = Duration::from_secs(8);

/// Deletes it.
pub async fn delete(set: &mut Set, extent: Extent) -> Result<()> {
    for _ in 0..extent.times() {
        set.leader().await?;
        set.upstream.delete(&[lease(&set.namespace)]).await?;
        set.history.struck(DELETED, &[]);
        say(&set.history, DELETED);
        set.change_arrives(START).await?;
        tokio::time::sleep(WATCHED).await;
        set.settle().await?;
    }
    Ok(())
}

/// Edits it in every way that an operator might think of.
pub async fn edit(set: &mut Set, extent: Extent) -> Result<()> {
    for _ in 0..extent.times() {
        for (what, edit) in EDITS {
            set.leader().await?;
            let mut lease = set.upstream.lease(&set.namespace).await?;
            edit(&mut lease);
            set.upstream.put(&[lease]).await?;
            set.history.struck(EDITED, &[]);
            say(&set.history, format!("{EDITED}: {what}"));
            set.change_arrives(START).await?;
            tokio::time::sleep(WATCHED).await;
            set.settle().await?;
        }
    }
    Ok(())
}

/// What is done to it.
type Edit = fn(&mut Value);

const EDITS: [(&str, Edit); 5] = [
    ("nobody holds it", |lease| lease["spec"]["holderIdentity"] = json!("")),
    ("a stranger holds it", |lease| lease["spec"]["holderIdentity"] = json!("x")),
    ("it has no annotations: no epoch", |lease| {
        if let Some(metadata) = lease["metadata"].as_object_mut() {
            metadata.remove("annotations");
        }
    }),
    ("it was renewed an hour ago", |lease| lease["spec"]["renewTime"] = json!("2001-01-01T00:00:00.000000Z")),
    ("it is renewed in a hundred years", |lease| {
        lease["spec"]["renewTime"] = json!("2101-01-01T00:00:00.000000Z");
    }),
];
