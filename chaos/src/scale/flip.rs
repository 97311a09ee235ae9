//! A new table on its way to a whole fleet, in steps of a few milliseconds: who polls, who waits for a place, who shares which
//! link, who is out of time.
//!
//! In: a fleet, and how large a table is. Out: when how many have it, and what that took. Links are shared evenly among
//! the bodies on them; processors, packets and the way to the client cost nothing here. The places are those of
//! `serve/admission.rs`, the clients' habits those of a stock Skipper: three seconds for a poll with its body, and
//! one more try right after a failure.

use std::collections::VecDeque;
use std::time::Duration;

use bellwether::serve::{BodyLimits, Pace};

/// One step.
const STEP: f64 = 0.005;

/// Longer than this nobody waits: whoever has nothing then never will.
const END: f64 = 600.0;

/// What a place counts in, the fewest bodies that have places, and how many may wait (`serve/admission.rs`).
const UNIT: f64 = 65_536.0;
const AT_LEAST: f64 = 8.0;
const QUEUE: usize = 4096;

/// Slow bodies beside the budget.
const SLOW: usize = 64;

/// Who asks, and who answers.
#[derive(Clone, Copy, Debug)]
pub struct Fleet {
    /// Clients.
    pub clients: usize,
    /// Replicas.
    pub replicas: usize,
    /// Of each replica, in bytes per second.
    pub link: f64,
    /// What a client downloads of a new table, in bytes.
    pub bytes: f64,
    /// Between two polls, and for one.
    pub poll: Duration,
    /// Whether replicas send less at once where bodies are late.
    pub paced: bool,
}

/// What a new table took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flip {
    /// When half of the clients had it, in seconds.
    pub half: Option<f64>,
    /// When all had it.
    pub all: Option<f64>,
    /// What went over the links, in bytes.
    pub sent: f64,
    /// Polls that were answered 503.
    pub refused: usize,
    /// Bodies that did not arrive within a poll's time.
    pub late: usize,
}

#[derive(Clone, Copy)]
enum State {
    /// Polls at this time; the second try of a poll where it says so.
    Idle(f64, bool),
    Waiting {
        since: f64,
        again: bool,
    },
    Loading {
        since: f64,
        again: bool,
        got: f64,
        placed: f64,
        place: Place,
    },
    Done,
}

/// What a body counts against.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Budget,
    /// It was slow, and is beside the budget.
    Slow,
}

struct Replica {
    pace: Pace,
    /// Bodies that count against the budget.
    placed: usize,
    slow: usize,
    queue: VecDeque<usize>,
    loading: Vec<usize>,
}

struct Run {
    fleet: Fleet,
    limits: BodyLimits,
    /// What one body takes of the budget.
    cost: f64,
    replicas: Vec<Replica>,
    clients: Vec<State>,
    dice: fastrand::Rng,
    flip: Flip,
    done: usize,
}

impl Fleet {
    /// How a table that is new at second 0 gets around. Equal seeds give equal answers.
    pub fn flip(self, seed: u64) -> Flip {
        let limits = BodyLimits::default();
        let units = (limits.bytes as f64 / UNIT).max(AT_LEAST);
        let cost = (self.bytes / UNIT).ceil().clamp(1.0, (units / AT_LEAST).floor());
        let mut dice = fastrand::Rng::with_seed(seed);
        let clients =
            (0..self.clients).map(|_| State::Idle(dice.f64() * self.poll.as_secs_f64(), false)).collect();
        let replicas = (0..self.replicas).map(|_| Replica::new(units)).collect();
        let mut run =
            Run { fleet: self, limits, cost, replicas, clients, dice, flip: Flip::default(), done: 0 };
        let mut now = 0.0;
        while run.done < self.clients && now < END {
            now += STEP;
            run.polls(now);
            run.expire(now);
            run.load(now);
            run.admit(now);
        }
        run.flip
    }
}

impl Run {
    fn polls(&mut self, now: f64) {
        for client in 0..self.clients.len() {
            let State::Idle(at, again) = self.clients[client] else { continue };
            if at > now {
                continue;
            }
            // Each poll is a new connection, and the Service spreads those.
            let replica = self.dice.usize(..self.replicas.len());
            if self.replicas[replica].queue.len() < QUEUE {
                self.replicas[replica].queue.push_back(client);
                self.clients[client] = State::Waiting { since: now, again };
            } else {
                self.flip.refused += 1;
                self.failed(client, again, now);
            }
        }
    }

    /// Who waits has a place as soon as there is room, in turn.
    fn admit(&mut self, now: f64) {
        for replica in &mut self.replicas {
            while replica.has_room(self.cost)
                && let Some(client) = replica.queue.pop_front()
            {
                let State::Waiting { since, again } = self.clients[client] else { continue };
                replica.placed += 1;
                replica.loading.push(client);
                self.clients[client] =
                    State::Loading { since, again, got: 0.0, placed: now, place: Place::Budget };
            }
        }
    }

    /// Whoever waited or loaded for too long.
    fn expire(&mut self, now: f64) {
        let poll = self.fleet.poll.as_secs_f64();
        for replica in 0..self.replicas.len() {
            while let Some(&client) = self.replicas[replica].queue.front()
                && let State::Waiting { since, again } = self.clients[client]
                && now - since > self.limits.patience.as_secs_f64()
            {
                self.replicas[replica].queue.pop_front();
                self.flip.refused += 1;
                self.failed(client, again, now);
            }
            for client in std::mem::take(&mut self.replicas[replica].loading) {
                let State::Loading { since, again, got, placed, place } = self.clients[client] else {
                    continue;
                };
                let here = &mut self.replicas[replica];
                if now - since > poll {
                    here.leave(place);
                    self.flip.late += 1;
                    self.failed(client, again, now);
                    continue;
                }
                here.loading.push(client);
                let slow = now - placed > self.limits.slow_after.as_secs_f64();
                if slow && place == Place::Budget && here.slow < SLOW {
                    if self.fleet.paced {
                        here.took(placed, now, self.cost);
                    }
                    here.leave(place);
                    here.slow += 1;
                    self.clients[client] = State::Loading { since, again, got, placed, place: Place::Slow };
                }
            }
        }
    }

    fn load(&mut self, now: f64) {
        for replica in 0..self.replicas.len() {
            let loading = std::mem::take(&mut self.replicas[replica].loading);
            let share = self.fleet.link * STEP / loading.len().max(1) as f64;
            for client in loading {
                let State::Loading { got, place, placed, .. } = &mut self.clients[client] else { continue };
                let part = share.min(self.fleet.bytes - *got);
                *got += part;
                self.flip.sent += part;
                if *got < self.fleet.bytes {
                    self.replicas[replica].loading.push(client);
                    continue;
                }
                if self.fleet.paced {
                    self.replicas[replica].took(*placed, now, self.cost);
                }
                self.replicas[replica].leave(*place);
                self.clients[client] = State::Done;
                self.done += 1;
                if self.done * 2 >= self.clients.len() {
                    self.flip.half.get_or_insert(now);
                }
                if self.done == self.clients.len() {
                    self.flip.all = Some(now);
                }
            }
        }
    }

    fn failed(&mut self, client: usize, again: bool, now: f64) {
        let wait = if again { self.fleet.poll.as_secs_f64() } else { 0.0 };
        self.clients[client] = State::Idle(now + wait, !again);
    }
}

impl Replica {
    fn new(units: f64) -> Self {
        let (queue, loading) = Default::default();
        Self { pace: Pace::new(units as u32), placed: 0, slow: 0, queue, loading }
    }

    /// Whether one more body has a place; one has, however large it is.
    fn has_room(&self, cost: f64) -> bool {
        self.placed == 0 || (self.placed + 1) as f64 * cost <= f64::from(self.pace.budget())
    }

    fn leave(&mut self, place: Place) {
        match place {
            Place::Budget => self.placed -= 1,
            Place::Slow => self.slow -= 1,
        }
    }

    fn took(&mut self, placed: f64, now: f64, cost: f64) {
        let under_way = (self.placed as f64 * cost) as u32;
        self.pace.took(Duration::from_secs_f64(placed), Duration::from_secs_f64(now), under_way);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLEET: Fleet = Fleet {
        clients: 300,
        replicas: 3,
        link: 125e6,
        bytes: 150e3,
        poll: Duration::from_secs(3),
        paced: true,
    };

    #[test]
    fn where_links_are_wide_everybody_has_it_with_the_next_poll() {
        let flip = FLEET.flip(1);
        assert!(flip.all.unwrap() < 3.1 && (1.3..1.7).contains(&flip.half.unwrap()), "{flip:?}");
        assert_eq!((flip.refused, flip.late), (0, 0));
        assert!((flip.sent - 300.0 * 150e3).abs() < 1.0, "each once: {flip:?}");
    }

    #[test]
    fn what_does_not_fit_through_the_links_waits_and_nobody_starves() {
        // 300 of 3 MB over 3 × 12.5 MB/s: 24 s at least. With as many side by side as the budget allows, no body would be
        // through in time.
        let thin = Fleet { bytes: 3e6, link: 12.5e6, ..FLEET };
        assert_eq!(Fleet { paced: false, ..thin }.flip(1).half, None, "all are late, for ever");
        let flip = thin.flip(1);
        assert!(flip.all.is_some_and(|all| (24.0..90.0).contains(&all)), "{flip:?}");
        assert!(flip.refused > 0, "{flip:?}");
    }

    #[test]
    fn a_table_that_no_poll_has_time_for_never_arrives() {
        let flip = Fleet { clients: 1, replicas: 1, bytes: 4.0 * 125e6, ..FLEET }.flip(1);
        assert_eq!(flip.all, None);
        assert!(flip.late > 100, "{flip:?}");
    }

    #[test]
    fn equal_seeds_give_equal_answers() {
        assert_eq!(FLEET.flip(7), FLEET.flip(7));
        assert_ne!(FLEET.flip(7).half, FLEET.flip(8).half);
    }
}
