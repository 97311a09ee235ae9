//! Whole clusters of replication cores under random schedules: crashes, lost and late messages, pauses, releases,
//! equal contents that come back. No client that sends its ETag may be moved to an older table (design invariant 2),
//! no two terms may publish under one epoch (3), and no replica's origin goes back.
//!
//! A pause, a partition and a delay are all "not scheduled while time passes". `BELLWETHER_CASES` sets how many
//! schedules are tried.

mod world;

use proptest::prelude::*;
use proptest::test_runner::Config;

use world::World;

fn cases() -> u32 {
    std::env::var("BELLWETHER_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000)
}

proptest! {
    #![proptest_config(Config { cases: cases(), max_shrink_iters: 20_000, ..Config::default() })]

    #[test]
    fn no_schedule_moves_a_client_backwards(actions in prop::collection::vec(world::actions(), 1..300)) {
        let violation = |world: &mut World| actions.iter().find_map(|action| world.step(*action).err());
        if violation(&mut World::established()).is_some() {
            let mut world = World::established().written_down();
            let violation = violation(&mut world).unwrap_or_default();
            prop_assert!(false, "{violation}\n{}", world.trail());
        }
    }
}

/// The schedules above would pass in a world where nothing ever happens: here everything does.
#[test]
fn fair_schedule_brings_every_change_to_every_replica_and_client() {
    let mut world = World::new().written_down();
    for content in [1, 2, 1, 3] {
        world.change_upstream(content);
        world.settle(40).unwrap_or_else(|violation| panic!("{violation}\n{}", world.trail()));
        assert!(world.everyone_has(content), "{}", world.trail());
    }
}
