//! Faulty answers of the API server, one call at a time and in pairs, to a running Bellwether and a running routesrv.
//!
//! In: nothing; each server gets a fake API server of its own. Out: a table that says which faults changed what was served,
//! and whether ours never changed. What can go wrong: a binary is missing; one of them does not come to serve; a fault that
//! is healed leaves another table than before.

mod cluster;
mod side;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::fakeapi::{Endpoint, Fault};
use crate::peers::ROUTESRV;
use crate::stage::Folder;
use crate::stage::program::bellwether;
use side::Side;

/// The options of `faulty-upstream`.
#[derive(Args, Debug)]
pub struct FaultyUpstreamArgs {
    /// The binary of Bellwether; by default the one that Cargo builds.
    #[arg(long)]
    bellwether: Option<PathBuf>,
    /// Only one call at a time, for CI.
    #[arg(long)]
    short: bool,
    /// Keep state and logs.
    #[arg(long)]
    keep: bool,
}

/// How many polls a fault lasts.
const POLLS: usize = 2;

/// The calls that answer wrongly, at once.
type Calls = Vec<Endpoint>;

impl FaultyUpstreamArgs {
    /// Goes through all cases. Returns whether our table never changed.
    ///
    /// # Errors
    ///
    /// Where a server cannot be started, ends, or does not come back to its table.
    pub async fn run(self) -> Result<bool> {
        let mut folder = Folder::new()?;
        let outcome = self.all(&folder).await;
        if self.keep {
            println!("state and logs are in {}", folder.keep().display());
        }
        outcome
    }

    async fn all(&self, folder: &Folder) -> Result<bool> {
        let mut ours = Side::ours(bellwether(self.bellwether.clone()).await?, folder).await?;
        let mut peer = Side::peer(ROUTESRV.binary()?, folder).await?;
        ensure!(ours.tag() == peer.tag(), "the two serve different tables before any fault");
        let mut changed: BTreeMap<(Calls, Fault), (bool, bool)> = BTreeMap::new();
        let calls = self.calls();
        for fault in Fault::ALL {
            for calls in &calls {
                let both = tokio::try_join!(ours.suffer(calls, fault), peer.suffer(calls, fault))
                    .with_context(|| format!("while {calls:?} answer with {fault}, or after that"))?;
                changed.insert((calls.clone(), fault), both);
            }
        }
        Ok(print(&calls, &changed))
    }

    /// Each call, and each pair of calls.
    fn calls(&self) -> Vec<Calls> {
        let mut calls: Vec<Calls> = Endpoint::CALLED.map(|call| vec![call]).into();
        if !self.short {
            for (index, first) in Endpoint::CALLED.iter().enumerate() {
                calls.extend(Endpoint::CALLED[index + 1..].iter().map(|second| vec![*first, *second]));
            }
        }
        calls
    }
}

/// Prints the table as Markdown. Returns whether ours never changed.
fn print(calls: &[Calls], changed: &BTreeMap<(Calls, Fault), (bool, bool)>) -> bool {
    println!("| faulty calls | what changed routesrv's table | what changed Bellwether's table |");
    println!("| --- | --- | --- |");
    for calls in calls {
        let faults = |which: fn(&(bool, bool)) -> bool| {
            let of_these = changed.iter().filter(|((others, _), both)| others == calls && which(both));
            let names: Vec<_> = of_these.map(|((_, fault), _)| format!("`{fault}`")).collect();
            if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
        };
        let names: Vec<_> = calls.iter().map(ToString::to_string).collect();
        println!("| {} | {} | {} |", names.join(" and "), faults(|both| both.1), faults(|both| both.0));
    }
    let count = |which: fn(&(bool, bool)) -> bool| changed.values().filter(|both| which(both)).count();
    let (ours, peers) = (count(|both| both.0), count(|both| both.1));
    println!("\n{} cases: routesrv's table changed in {peers}, Bellwether's in {ours}", changed.len());
    ours == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_enough_cases() {
        let all = FaultyUpstreamArgs { bellwether: None, short: false, keep: false };
        assert_eq!(all.calls().len() * Fault::ALL.len(), 195);
    }

    #[test]
    fn any_change_of_ours_fails() {
        let calls = vec![vec![Endpoint::Services]];
        let changed = |both| BTreeMap::from([((calls[0].clone(), Fault::Reset), both)]);
        assert!(print(&calls, &changed((false, true))));
        assert!(!print(&calls, &changed((true, false))));
    }
}
