//! `matrix`: one protection after the other is left out, and the scenario that it is for must fail.
//!
//! In: a build of Bellwether with the feature `mutations`. Out: a table of scenarios, each green with all protections and
//! red without its own. What can go wrong: one that stays green, which then shows nothing.

use anyhow::{Context, Result, ensure};
use bellwether::protection::Protection;
use clap::Args;

use super::run::HowArgs;
use super::session::Session;
use crate::catalogue::{Length, Scenario};
use crate::report::Side;
use crate::stage::program;
use crate::table::render;

/// Which scenario a protection is for.
const SHOWN_BY: [(Protection, &str); 6] = [
    (Protection::Fence, "partition-leader"),
    (Protection::Grants, "follower-cut-off"),
    (Protection::Guard, "mass-deletion"),
    (Protection::Quarantine, "poison-object"),
    (Protection::Drain, "rolling-restart"),
    (Protection::Ledger, "cut-download"),
];

/// The options of `matrix`.
#[derive(Args, Debug)]
pub struct MatrixArgs {
    /// Only these protections.
    names: Vec<String>,
    #[command(flatten)]
    how: HowArgs,
}

impl MatrixArgs {
    /// Plays each scenario with and without its protection; whether each is green with it and red without it.
    ///
    /// # Errors
    ///
    /// Where the build fails, or a set cannot be built.
    pub async fn run(mut self) -> Result<bool> {
        let binary = match self.how.bellwether.take() {
            Some(binary) => binary,
            None => program::built_apart("mutations", &["--features=mutations"]).await?,
        };
        self.how.bellwether = Some(binary);
        let Some(ground) = self.how.ground().await? else { return Ok(true) };
        let sizes = self.how.sizes(Length::Short);
        let heads = ["without", "scenario", "with it", "without it", "what is red"].map(str::to_owned);
        let (mut rows, mut good) = (vec![heads.to_vec()], true);
        for (protection, name) in SHOWN_BY {
            let name_of = protection.name().to_owned();
            if !self.names.is_empty() && !self.names.contains(&name_of) {
                continue;
            }
            let scenario = Scenario::named(name).context("the matrix names scenarios of the catalogue")?;
            let extent = scenario.lengths.short.unwrap_or(scenario.lengths.all);
            let mut sides = Vec::new();
            for without in [None, Some(protection)] {
                let mut session = Session::new(ground.clone(), self.how.clone(), sizes);
                session.without = without;
                let side = match session.play_one(scenario, extent).await {
                    Ok(side) => side,
                    // It did not even come to a set where all is well.
                    Err(error) => Side { broken_off: Some(format!("{error:#}")), ..Side::default() },
                };
                sides.push(side);
            }
            let [with, without] = &sides[..] else { continue };
            good &= with.good() && !without.good();
            let shown = |good: bool| if good { "green" } else { "red" }.to_owned();
            rows.push(vec![
                name_of,
                name.to_owned(),
                shown(with.good()),
                shown(without.good()),
                red(without),
            ]);
        }
        ensure!(rows.len() > 1, "there is no such protection");
        println!();
        print!("{}", render(&rows));
        println!(
            "{}",
            if good { "each is missed" } else { "NOT well: one is not missed, or red all the same" }
        );
        Ok(good)
    }
}

/// The first limit that was missed.
fn red(side: &Side) -> String {
    let missed = side.figures.iter().find(|figure| !figure.kept).map(|figure| figure.name.clone());
    missed.or_else(|| side.broken_off.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protection_has_a_scenario() {
        for protection in Protection::ALL {
            let (_, name) = SHOWN_BY.iter().find(|(it, _)| *it == protection).unwrap();
            assert!(Scenario::named(name).is_some(), "{name}");
        }
    }
}
