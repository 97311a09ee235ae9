//! How often someone may ask: in any window of a length only so many requests, as Skipper counts them.
//!
//! In: a client and a moment. Out: whether it may, or in how many seconds. Memory is bounded: where more clients ask
//! within one window than can be remembered, the counts begin anew.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use parking_lot::Mutex;

use crate::time::Moment;

/// How many moments are remembered at most, of all clients together.
pub const MOST_MOMENTS: usize = 1_000_000;

/// Where nothing is allowed at all, in seconds: five years, as with Skipper.
const NEVER_SECS: u64 = 5 * 365 * 24 * 60 * 60;

/// Counts requests.
#[derive(Debug)]
pub(super) struct Rate {
    hits: usize,
    window: Duration,
    /// The last requests of each client, the oldest first.
    clients: Mutex<HashMap<Vec<u8>, VecDeque<Moment>>>,
}

impl Rate {
    pub(super) fn new(hits: usize, window: Duration) -> Self {
        Self { hits, window, clients: Mutex::default() }
    }

    /// Counts a request of `client`, if it may be made.
    ///
    /// # Errors
    ///
    /// In how many seconds the next one may be made.
    pub(super) fn take(&self, client: &[u8], now: Moment) -> Result<(), u64> {
        if self.hits == 0 {
            return Err(NEVER_SECS);
        }
        let mut clients = self.clients.lock();
        if !clients.contains_key(client) && (clients.len() + 1).saturating_mul(self.hits) > MOST_MOMENTS {
            clients.retain(|_, asked| asked.back().is_some_and(|last| now.since(*last) <= self.window));
            if (clients.len() + 1).saturating_mul(self.hits) > MOST_MOMENTS {
                clients.clear();
            }
        }
        let asked = clients.entry(client.to_vec()).or_default();
        if asked.len() == self.hits
            && let Some(oldest) = asked.front()
        {
            let age = now.since(*oldest);
            if age <= self.window {
                return Err((self.window - age).as_millis().div_ceil(1_000) as u64);
            }
            asked.pop_front();
        }
        asked.push_back(now);
        Ok(())
    }

    /// What the header `X-Rate-Limit` says: the limit as requests in an hour.
    pub(super) fn per_hour(&self) -> u64 {
        let hour = Duration::from_secs(3600).as_nanos();
        u64::try_from(self.hits as u128 * hour / self.window.as_nanos().max(1)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_window_slides() {
        let rate = Rate::new(2, Duration::from_secs(10));
        assert_eq!((rate.take(b"a", at(0)), rate.take(b"a", at(4_000))), (Ok(()), Ok(())));
        assert_eq!(rate.take(b"a", at(5_000)), Err(5));
        assert_eq!(rate.take(b"a", at(9_999)), Err(1));
        assert_eq!(rate.take(b"b", at(5_000)), Ok(()), "another one");
        assert_eq!(rate.take(b"a", at(10_000)), Err(0), "the window is over only behind its end");
        assert_eq!(rate.take(b"a", at(10_001)), Ok(()));
        assert_eq!(rate.take(b"a", at(10_002)), Err(4), "what was refused did not count");
    }

    #[test]
    fn nothing_is_allowed_with_0_and_the_limit_is_told_by_the_hour() {
        assert_eq!(Rate::new(0, Duration::from_secs(1)).take(b"a", at(0)), Err(157_680_000));
        assert_eq!(Rate::new(20, Duration::from_secs(60)).per_hour(), 1_200);
        assert_eq!(Rate::new(1, Duration::from_secs(7)).per_hour(), 514);
    }

    #[test]
    fn memory_is_bounded_and_old_clients_go_first() {
        let rate = Rate::new(MOST_MOMENTS / 4, Duration::from_secs(10));
        let clients = || rate.clients.lock().len();
        for client in 0..4_u8 {
            rate.take(&[client], at(u64::from(client) * 4_000)).unwrap();
        }
        assert_eq!(clients(), 4);
        rate.take(b"e", at(13_000)).unwrap();
        assert_eq!(clients(), 4, "the first was forgotten");
        rate.take(b"f", at(13_000)).unwrap();
        assert_eq!(clients(), 1, "all count anew");
    }
}
