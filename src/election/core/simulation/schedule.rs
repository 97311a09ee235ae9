//! What happens to a cluster, drawn from a seed; and the shortest schedule that still goes wrong, where one does.

use std::fmt;
use std::ops::Range;

use super::{Broken, World};

/// The longest schedule.
const LONGEST: u64 = 160;

/// Something happens. Numbers name a replica, or how long it takes, in milliseconds.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Nobody does anything for so many milliseconds.
    Pass(u64),
    /// All goes well for so many milliseconds.
    Run(u64),
    /// All goes well for so many milliseconds, but for one that is stopped.
    RunWithout(usize, u64),
    Tick(usize),
    /// The request is carried out now; its answer is still under way.
    CarryOut(usize),
    /// The answer arrives; if need be the request is carried out first.
    Answer(usize),
    /// The caller gives up. The request may be carried out later all the same.
    GiveUp(usize),
    Refuse(usize, u8),
    /// A request that was given up is carried out after all.
    Late(usize),
    /// The watch tells of a state, `1` being the newest.
    Tell(usize, usize),
    Look(usize),
    Delete,
    ClearHolder,
    ResetEpoch,
    ForeignHolder,
    Annotate,
    /// The replica hears that the Lease's holder refuses connections; it does where its process is dead.
    Refused(usize),
    /// The container is restarted in its pod.
    Restart(usize),
    /// The pod is deleted by force and another one takes its name; the old one runs on, cut off from all but the Lease.
    Replace(usize),
    Raise(usize),
    StepDown(usize),
    Release(usize),
}

/// A schedule that breaks an invariant.
#[derive(Clone, Debug)]
pub struct Counterexample {
    /// What it was drawn from.
    pub seed: u64,
    /// What goes wrong.
    pub what: String,
    /// What happens, without what it does not need to go wrong.
    acts: Vec<Act>,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: {}; after {:?}", self.seed, self.what, self.acts)
    }
}

/// Plays the schedules of `seeds`, in a world where something is `broken` or nothing.
///
/// # Errors
///
/// The first that breaks an invariant.
pub fn explore(seeds: Range<u64>, broken: Option<Broken>) -> Result<(), Box<Counterexample>> {
    for seed in seeds {
        let mut dice = Dice::new(seed);
        let rates: Vec<u64> = (0..dice.within(3..6)).map(|_| dice.within(999..1002)).collect();
        let acts: Vec<Act> = (0..dice.within(1..LONGEST)).map(|_| Act::roll(&mut dice)).collect();
        if let Err(what) = play(&rates, &acts, broken) {
            let (what, acts) = shrink(&rates, acts, what, broken);
            return Err(Box::new(Counterexample { seed, what, acts }));
        }
    }
    Ok(())
}

fn play(rates: &[u64], acts: &[Act], broken: Option<Broken>) -> Result<(), String> {
    let mut world = World::new(rates, broken);
    for act in acts {
        world.act(act)?;
        world.check()?;
    }
    // What is broken need not settle.
    if broken.is_none() { world.settles() } else { Ok(()) }
}

/// Leaves out, one by one, what is not needed to go wrong.
fn shrink(rates: &[u64], acts: Vec<Act>, what: String, broken: Option<Broken>) -> (String, Vec<Act>) {
    let (mut acts, mut what) = (acts, what);
    for place in (0..acts.len()).rev() {
        let mut fewer = acts.clone();
        fewer.remove(place);
        if let Err(still) = play(rates, &fewer, broken) {
            (acts, what) = (fewer, still);
        }
    }
    (what, acts)
}

impl Act {
    /// One of them: progress and trouble more often than an operator's hand.
    fn roll(dice: &mut Dice) -> Self {
        let which = dice.within(0..68);
        let node = dice.within(0..6) as usize;
        match which {
            0..4 => Self::Pass(dice.within(1..900)),
            4 => Self::Pass(dice.within(2_300..3_200)),
            5..9 => Self::Run(dice.within(20..2_000)),
            9..11 => Self::RunWithout(node, dice.within(1_000..3_500)),
            11..19 => Self::Tick(node),
            19..23 => Self::CarryOut(node),
            23..35 => Self::Answer(node),
            35..39 => Self::GiveUp(node),
            39..41 => Self::Refuse(node, dice.within(0..256) as u8),
            41..46 => Self::Late(dice.within(0..100) as usize),
            46..51 => Self::Tell(node, dice.within(1..6) as usize),
            51 => Self::Look(node),
            52..54 => Self::Delete,
            54 => Self::ClearHolder,
            55 => Self::ResetEpoch,
            56 => Self::ForeignHolder,
            57 => Self::Annotate,
            58..60 => Self::Refused(node),
            60..62 => Self::Restart(node),
            62 => Self::Replace(node),
            63 => Self::Raise(node),
            64..66 => Self::StepDown(node),
            _ => Self::Release(node),
        }
    }
}

/// Numbers from a seed: splitmix64 (Steele, Lea and Flood, 2014).
struct Dice(u64);

impl Dice {
    const fn new(seed: u64) -> Self {
        Self(seed)
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number of `range`, which is far smaller than 2^64, so that the bias is none.
    const fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }
}
