use proptest::prelude::*;

use super::*;

const START: Moment = Moment::from_nanos(1_000_000_000_000);
const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 2, 0, 7));
const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 2, 0, 8));

fn after(millis: u64) -> Moment {
    START + Duration::from_millis(millis)
}

fn digest(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

fn delivered(client: IpAddr, outcome: Outcome, at: Moment) -> Item {
    Item::Delivered { digest: digest("a"), client, outcome, at }
}

fn opened(sequence: u64, at: Moment) -> Item {
    Item::Opened { digest: digest("a"), version: Version::new(1, sequence), at }
}

fn hear(ledger: &mut Ledger, items: impl IntoIterator<Item = Item>, now: Moment) -> usize {
    items.into_iter().filter(|item| ledger.take(*item, Teller::Here, now)).count()
}

fn owes(ledger: &Ledger, client: IpAddr, now: Moment) -> bool {
    ledger.owes(client, digest("a"), true, now)
}

/// What the rule says, case by case: events at their moments, and whether the client is owed the table then, by a replica
/// that is current and by one that is not.
#[test]
fn who_is_owed_a_table() {
    use Outcome::{Completed, Cut};
    let done = |at| delivered(CLIENT, Completed, after(at));
    let cut = |at| delivered(CLIENT, Cut, after(at));
    let open = |sequence, at| opened(sequence, after(at));
    let cases: &[(&str, &[Item], u64, bool, bool)] = &[
        ("nothing is known, and no table is new", &[], 0, false, false),
        ("a new table, and nobody delivered it", &[open(1, 0)], 3_000, true, false),
        ("its time is over", &[open(1, 0)], 30_000, false, false),
        ("delivered", &[open(1, 0), done(10)], 3_000, false, false),
        ("delivered a moment before it was heard to be new", &[open(1, 100), done(0)], 3_000, false, false),
        (
            "delivered to somebody else",
            &[open(1, 0), delivered(OTHER, Completed, after(10))],
            50,
            true,
            false,
        ),
        ("delivered, replaced, and back", &[open(1, 0), done(10), open(3, 9_000)], 10_000, true, false),
        (
            "back, and delivered again",
            &[open(1, 0), done(10), open(3, 9_000), done(9_500)],
            10_000,
            false,
            false,
        ),
        ("announced anew", &[open(1, 0), open(1, 20_000)], 31_000, false, false),
        ("heard from one that hears late", &[open(3, 0), open(1, 5_000)], 31_000, false, false),
        ("cut", &[cut(0)], 3_000, true, true),
        ("cut, and polled after minutes", &[cut(0)], 599_000, true, true),
        ("cut, and never polled", &[cut(0)], 600_000, false, false),
        ("cut, and delivered", &[cut(0), done(3_000)], 6_000, false, false),
        ("delivered, and broken after all", &[open(1, 0), done(10), cut(12)], 3_000, true, true),
        ("cut, and the delivery before heard of later", &[cut(3_000), done(10)], 6_000, true, true),
    ];
    for (name, items, at, current, other) in cases {
        let mut ledger = Ledger::default();
        let moment = |item: &Item| {
            let (Item::Opened { at, .. } | Item::Delivered { at, .. }) = *item;
            at
        };
        let mut now = START;
        for item in *items {
            now = now.max(moment(item));
            ledger.take(*item, Teller::Here, now);
        }
        let now = after(*at);
        assert_eq!(ledger.owes(CLIENT, digest("a"), true, now), *current, "{name}");
        assert_eq!(ledger.owes(CLIENT, digest("a"), false, now), *other, "{name}, not current");
        assert!(!ledger.owes(CLIENT, digest("b"), true, now), "{name}: another table");
        if *current {
            assert!(now < ledger.owes_until(), "{name}");
        }
    }
}

#[test]
fn news_goes_once_to_everyone_but_its_teller() {
    let (one, two) = (Teller::Follower(super::super::core::StreamId(1)), Teller::Leader);
    let mut ledger = Ledger::default();
    let (first, cursor) = ledger.news(None, one);
    assert_eq!(first, []);
    assert!(ledger.take(delivered(CLIENT, Outcome::Completed, START), one, START));
    assert!(!ledger.take(delivered(CLIENT, Outcome::Completed, after(50)), two, after(50)), "known");
    assert!(ledger.take(opened(1, START), Teller::Here, START));
    let (told, _) = ledger.news(Some(cursor), one);
    assert_eq!(told, [opened(1, START)]);
    let (told, next) = ledger.news(Some(cursor), two);
    assert_eq!(told, [opened(1, START), delivered(CLIENT, Outcome::Completed, START)]);
    assert_eq!(ledger.news(Some(next), two).0, []);

    // As it is now, not as it was on the way.
    ledger.take(delivered(OTHER, Outcome::Completed, after(1)), Teller::Here, after(1));
    ledger.take(delivered(OTHER, Outcome::Cut, after(2)), Teller::Here, after(2));
    assert_eq!(ledger.news(Some(next), two).0, [delivered(OTHER, Outcome::Cut, after(2))]);
    assert_eq!(ledger.news(None, two).0.len(), 3);
}

#[test]
fn reader_that_is_too_far_behind_reads_everything() {
    let mut ledger = Ledger::default();
    let (_, cursor) = ledger.news(None, Teller::Leader);
    for n in 0..20_000u32 {
        let client = IpAddr::V4(n.into());
        ledger.take(delivered(client, Outcome::Completed, START), Teller::Here, START);
    }
    let (told, next) = ledger.news(Some(cursor), Teller::Leader);
    assert_eq!(told.len(), 20_000);
    assert_eq!(ledger.news(Some(next), Teller::Leader).0, []);
    assert_eq!(ledger.news(Some(next + 1), Teller::Leader).0.len(), 20_000, "of another process");
}

#[test]
fn ledger_without_room_owes_nobody_on_suspicion_until_there_is_room() {
    let mut ledger = Ledger::default();
    ledger.take(opened(1, START), Teller::Here, START);
    ledger.take(delivered(OTHER, Outcome::Cut, START), Teller::Here, START);
    let flood = |ledger: &mut Ledger, from: u32, at| {
        let clients = (from..from + 70_000).map(|n| IpAddr::V4(n.into()));
        hear(ledger, clients.map(|client| delivered(client, Outcome::Completed, at)), at)
    };
    assert_eq!(flood(&mut ledger, 0, START), MOST_DELIVERIES - 1);
    assert_eq!(ledger.len(), MOST_DELIVERIES);
    assert!(!owes(&ledger, CLIENT, after(3_000)), "it may be one of those that were forgotten");
    assert!(owes(&ledger, OTHER, after(3_000)), "this one is known");
    ledger.take(opened(2, after(60_000)), Teller::Here, after(60_000));
    assert!(owes(&ledger, CLIENT, after(61_000)));
    assert_eq!(flood(&mut ledger, 0, after(62_000)), MOST_DELIVERIES - 1, "the old ones have made room");
}

#[test]
fn windows_are_bounded_and_the_oldest_goes() {
    let mut ledger = Ledger::default();
    for n in 0..=MOST_WINDOWS as u64 {
        let digest = digest(&n.to_string());
        ledger.take(
            Item::Opened { digest, version: Version::new(1, 1), at: after(n) },
            Teller::Here,
            after(n),
        );
    }
    let now = after(1_000);
    assert!(!ledger.owes(CLIENT, digest("0"), true, now) && ledger.owes(CLIENT, digest("1"), true, now));
}

proptest! {
    /// Whatever two replicas have heard, in whatever order: after they have told each other everything they agree, but
    /// for what lies within the jitter, and a second telling is no news.
    #[test]
    fn replicas_that_have_told_each_other_everything_agree(
        events in proptest::collection::vec((any::<bool>(), 0u8..3, 0u8..4, 0u64..12), 0..40),
    ) {
        let (mut a, mut b) = (Ledger::default(), Ledger::default());
        let now = after(40_000);
        for (at_a, kind, client, second) in events {
            let at = after(30_000 + second * 1_000);
            let client = IpAddr::V4(u32::from(client).into());
            let item = match kind {
                0 => opened(second, at),
                1 => delivered(client, Outcome::Completed, at),
                _ => delivered(client, Outcome::Cut, at),
            };
            if at_a { a.take(item, Teller::Here, now) } else { b.take(item, Teller::Here, now) };
        }
        hear(&mut b, a.news(None, Teller::Leader).0, now);
        hear(&mut a, b.news(None, Teller::Leader).0, now);
        prop_assert_eq!(a.news(None, Teller::Leader).0, b.news(None, Teller::Leader).0);
        prop_assert_eq!(hear(&mut b, a.news(None, Teller::Leader).0, now), 0);
        for client in 0..4u32 {
            let client = IpAddr::V4(client.into());
            prop_assert_eq!(owes(&a, client, now), owes(&b, client, now));
        }
    }
}
