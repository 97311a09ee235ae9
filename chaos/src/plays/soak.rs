//! Random faults from a seed, one after the other, for as long as it is asked to.
//!
//! In: a seed and a time. Out: a [`schedule`], always the same for the same two, and then what it comes to on a set.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

use super::set::{self, START, Server, Set};
use crate::catalogue::Extent;
use crate::check::{self, Figure};
use crate::history::Record;
use crate::scenario::say;

/// The whole of it, in the history.
pub const SOAK: &str = "random faults";

/// The replica whose process runs all the while, so that its memory has something to tell: others are killed in its place.
const SPARED: usize = 0;

/// From one fault to the next: long enough for the longest of them, and for a while in which all is well.
const EVERY: Duration = Duration::from_secs(20);

/// A fault that lasts, at least and at most, in seconds.
const LENGTHS: std::ops::RangeInclusive<u64> = 2..=10;

const MINUTE: Duration = Duration::from_secs(60);

/// The least memory of the last minutes, by that of the first.
const GROWTH: f64 = 1.03;

/// What memory may grow by in a long soak, in MiB per hour.
const SLOPE: f64 = 4.0;

/// What is done at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// When, from the begin.
    pub at: Duration,
    /// To the replica that leads, or to one that does not.
    pub leader: bool,
    /// What.
    pub what: What,
    /// For how long, where it has a length.
    pub length: Duration,
}

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// SIGKILL, and a start after the length.
    Kill,
    /// SIGTERM, and a start once it has ended.
    Stop,
    /// SIGSTOP, and SIGCONT after the length.
    Pause,
    /// No way to the API server.
    CutFromApi,
    /// No way to the other replicas.
    CutFromOthers,
    /// The API server away for everybody.
    ApiDown,
    /// SIGKILL for all but one, and a start at once.
    PowerCut,
    /// An object that no client can read.
    Poison,
}

/// All of them, with how often each comes.
const ALL: [(What, u32); 8] = [
    (What::Kill, 5),
    (What::Stop, 4),
    (What::Pause, 4),
    (What::CutFromApi, 3),
    (What::CutFromOthers, 3),
    (What::ApiDown, 2),
    (What::PowerCut, 1),
    (What::Poison, 2),
];

/// What is done when, always the same for the same `seed`.
pub fn schedule(seed: u64, length: Duration) -> Vec<Step> {
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut all = Vec::new();
    let mut at = Duration::ZERO;
    while at < length {
        let mut ticket = dice.u32(0..ALL.iter().map(|(_, share)| share).sum());
        let drawn = ALL.iter().find(|(_, share)| {
            let here = ticket < *share;
            ticket = ticket.saturating_sub(*share);
            here
        });
        let (what, _) = drawn.unwrap_or(&ALL[0]);
        let length = Duration::from_secs(dice.u64(LENGTHS));
        all.push(Step { at, leader: dice.bool(), what: *what, length });
        at += EVERY;
    }
    all
}

/// Plays the schedule of the set's seed. A change comes with each fault.
pub async fn play(set: &mut Set, extent: Extent) -> Result<()> {
    let steps = schedule(set.seed, extent.time());
    say(&set.history, format!("the schedule of seed {} for {} s:", set.seed, extent.time().as_secs()));
    for step in &steps {
        println!("            {step}");
    }
    let whole = set.history.fault(SOAK, &[]);
    let start = Instant::now();
    for step in steps {
        tokio::time::sleep_until(start + step.at).await;
        if set.server == Server::Bellwether {
            set.fleet.settled(START).await?;
        }
        say(&set.history, step.to_string());
        strike(set, step).await?;
        set.heal().await?;
        set.change_arrives(START).await?;
    }
    tokio::time::sleep_until(start + extent.time()).await;
    set.history.healed(&whole);
    Ok(())
}

/// Whether memory grows in a soak that lasted for `whole`: in one of twenty minutes or more by the least of the last five
/// minutes beside that of the sixth to the tenth, in one of four hours or more by the slope from the eleventh minute on. A
/// shorter one says nothing: allocators need the first minutes to come to what they keep.
pub fn memory(history: &[Record], whole: &Range<Duration>) -> Vec<Figure> {
    let (from, minute) = (|minutes| whole.start + MINUTE * minutes, MINUTE);
    let length = whole.end.saturating_sub(whole.start);
    let mut figures = Vec::new();
    if length >= minute * 20 {
        let growth = check::growth(history, from(5)..from(10), whole.end - minute * 5..whole.end);
        figures.push(growth.at_most(GROWTH));
    }
    if length >= minute * 240 {
        figures.push(check::slope(history, from(10)..whole.end).at_most(SLOPE));
    }
    figures
}

async fn strike(set: &mut Set, step: Step) -> Result<()> {
    let mut victim = if step.leader { set.leader().await? } else { set.follower().await? };
    if matches!(step.what, What::Kill | What::Stop) && victim == SPARED {
        victim = (victim + 1) % set.fleet.replicas.len();
    }
    match step.what {
        What::Kill => {
            set.kill(victim).await?;
            set.change().await?;
            tokio::time::sleep(step.length).await;
            set.start(victim).await?;
        }
        What::Stop => {
            set.terminate(victim);
            set.change().await?;
            set.fleet.replicas[victim].ended(START).await?;
            set.launch(victim)?;
        }
        What::Pause => {
            set.pause(victim);
            set.change().await?;
            tokio::time::sleep(step.length).await;
        }
        What::CutFromApi => {
            set.begin(super::leader::UNREACHABLE, &[victim]);
            set.to_api[victim].silence()?;
            set.change().await?;
            tokio::time::sleep(step.length).await;
        }
        What::CutFromOthers => {
            set.begin(super::followers::ALONE, &[victim]);
            set.part_from_others(victim)?;
            set.change().await?;
            tokio::time::sleep(step.length).await;
        }
        What::ApiDown => {
            set.begin(super::upstream::AWAY, &[]);
            set.upstream.down().await?;
            tokio::time::sleep(step.length).await;
        }
        What::PowerCut => {
            let victims = set.fleet.replicas.iter_mut().skip(SPARED + 1);
            crate::faults::power_cut(victims).await?;
            set.history.struck("power cut", &[]);
            set.fleet.ready(START).await?;
        }
        What::Poison => {
            set.upstream.put(&[set::poison()]).await?;
            set.change().await?;
            tokio::time::sleep(step.length).await;
            set.upstream.delete(&[set::poison()]).await?;
        }
    }
    Ok(())
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whom = if self.leader { "the leader" } else { "a follower" };
        let length = self.length.as_secs();
        write!(f, "at {} s: ", self.at.as_secs())?;
        match self.what {
            What::Kill => write!(f, "{whom} is killed, and started after {length} s"),
            What::Stop => write!(f, "{whom} is asked to stop, and started again"),
            What::Pause => write!(f, "{whom} is stopped for {length} s"),
            What::CutFromApi => write!(f, "{whom} does not reach the API server for {length} s"),
            What::CutFromOthers => write!(f, "{whom} does not reach the other replicas for {length} s"),
            What::ApiDown => write!(f, "the API server is away for {length} s"),
            What::PowerCut => write!(f, "all replicas but one are killed, and started at once"),
            What::Poison => write!(f, "an Ingress prints what does not parse, for {length} s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Memory;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_seed_names_one_schedule_and_a_longer_one_begins_like_it() {
        let hour = schedule(7, HOUR);
        assert_eq!(hour, schedule(7, HOUR));
        assert_ne!(hour, schedule(8, HOUR));
        assert_eq!(schedule(7, HOUR * 2)[..hour.len()], hour[..]);
    }

    /// A sample of `r0` each ten seconds, so many minutes long, which grows by so many KiB a minute.
    fn soaked(minutes: u64, growth: u64) -> (Vec<Record>, Range<Duration>) {
        let start = Duration::from_secs(33);
        let sample = |step: u64| Memory {
            replica: "r0".into(),
            at: start + Duration::from_secs(step * 10),
            rss_kib: 51_200 + step * growth / 6,
        };
        let samples = (0..minutes * 6).map(|step| Record::Memory(sample(step))).collect();
        (samples, start..start + Duration::from_secs(minutes * 60))
    }

    #[test]
    fn what_a_soak_says_of_memory_goes_by_its_length() {
        let said = |minutes, growth| {
            let (history, whole) = soaked(minutes, growth);
            memory(&history, &whole).into_iter().map(|figure| figure.kept).collect::<Vec<_>>()
        };
        assert!(said(19, 1_000).is_empty(), "too short");
        assert_eq!(said(20, 0), [true]);
        assert_eq!(said(20, 1_000), [false]);
        assert_eq!(said(240, 0), [true, true]);
        // 3 % of 50 MiB in four hours, and 6 MiB an hour.
        assert_eq!(said(240, 100), [false, false]);
        assert_eq!(memory(&[], &(Duration::ZERO..Duration::MAX)).iter().filter(|it| it.kept).count(), 0);
    }

    #[test]
    fn everything_that_can_be_done_is_done_within_an_hour() {
        let hour = schedule(1, HOUR);
        assert!(ALL.iter().all(|(what, _)| hour.iter().any(|step| step.what == *what)));
        assert!(hour.iter().any(|step| step.leader) && hour.iter().any(|step| !step.leader));
    }
}
