//! The three things that happen to an election, one round each, on a Lease of its own.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use super::belief::{self, Belief};
use super::field::{CANDIDATES, Field};
use crate::stage::until;

/// How long a leader may take to be there.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a cut lasts: three leases.
pub(super) const CUT: Duration = Duration::from_secs(10);

/// How far a clock is off, in seconds: ten leases.
pub(super) const OFF: i64 = 30;

/// How long candidates are watched after all of them run, or after a cut has healed.
const WATCH: Duration = Duration::from_secs(4);

/// So long after all writes are answered everybody has asked itself whether it leads, and said so.
const SETTLE: Duration = Duration::from_millis(150);

const LOOK: Duration = Duration::from_millis(20);

/// Whose clock is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Off {
    /// That of a candidate that does not lead is ahead.
    CandidateAhead,
    /// The leader's is behind.
    LeaderBehind,
}

/// What came of one round.
#[derive(Clone, Debug)]
pub(super) struct Round {
    /// How many candidates ever led.
    pub(super) leaders: usize,
    /// For how long two or more believed at once that they lead.
    pub(super) together: Duration,
    /// Whether two led under one token.
    pub(super) same_token: bool,
    /// How many writes went to the API server at once.
    pub(super) at_once: usize,
}

impl Round {
    fn of(all: &[Vec<Belief>], at_once: usize) -> Self {
        Self {
            leaders: all.iter().filter(|beliefs| !beliefs.is_empty()).count(),
            together: Duration::from_nanos(belief::together(all)),
            same_token: belief::share_a_token(all),
            at_once,
        }
    }
}

/// The Lease has expired, all have read it, and then all write.
pub(super) async fn race(field: &Field, number: usize) -> Result<Round> {
    let lease = field.lease("race", number);
    field.make(&lease).await?;
    let gate = field.lines.gate(&lease);
    for candidate in 0..CANDIDATES {
        field.campaign(candidate, &lease).await?;
    }
    let led = async || (gate.is_done() && !field.leaders(&lease).is_empty()).then_some(());
    until(&format!("a leader of {lease}"), PATIENCE, LOOK, led).await?;
    sleep(SETTLE).await;
    Ok(Round::of(&field.leave(&lease).await?, gate.came()))
}

/// The leader's packets vanish for longer than the lease lasts.
pub(super) async fn partition(field: &Field, number: usize) -> Result<Round> {
    let lease = field.lease("partition", number);
    field.make(&lease).await?;
    first_leads(field, &lease).await?;
    // The cut comes at another point of the leader's round each time.
    sleep(Duration::from_millis(1000 + 130 * number as u64 % 1000)).await;
    field.lines.cut(0, &lease, true);
    sleep(CUT).await;
    field.lines.cut(0, &lease, false);
    sleep(WATCH).await;
    Ok(Round::of(&field.leave(&lease).await?, 0))
}

/// One wall clock is off by ten leases, and nothing else happens.
pub(super) async fn clock(field: &Field, number: usize, off: Off) -> Result<Round> {
    let lease = match off {
        Off::CandidateAhead => field.lease("ahead", number),
        Off::LeaderBehind => field.lease("behind", number),
    };
    field.make(&lease).await?;
    match off {
        Off::CandidateAhead => field.lines.set_ahead(1, &lease, OFF),
        Off::LeaderBehind => field.lines.set_ahead(0, &lease, -OFF),
    }
    first_leads(field, &lease).await?;
    sleep(Duration::from_millis(130 * number as u64 % 1000) + WATCH).await;
    Ok(Round::of(&field.leave(&lease).await?, 0))
}

/// The first candidate leads, then the others come.
async fn first_leads(field: &Field, lease: &str) -> Result<()> {
    field.campaign(0, lease).await?;
    let leads = async || field.leaders(lease).contains(&0).then_some(());
    until(&format!("a leader of {lease}"), PATIENCE, LOOK, leads).await?;
    for candidate in 1..CANDIDATES {
        // Not in step with each other, nor with the leader.
        sleep(Duration::from_millis(70)).await;
        field.campaign(candidate, lease).await?;
    }
    Ok(())
}
