//! What a listener does once the process has no file descriptor left: it leaves some of them to those who are no clients.
//!
//! A leader whose poll fails closes its connection to the API server. Without this, a client that waits to be accepted takes
//! the descriptor, nothing is read any more, and nothing is published until clients leave by themselves. So after a failed
//! accept for want of descriptors there is room for fewer connections than there were, and they may lie idle only shortly:
//! who holds one without asking makes place for the poll, the Lease and the replicas. Whoever asks again in time notices nothing.

use std::io;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::io::Errno;
use tokio::sync::Notify;
use tokio::time::Instant;

/// So many descriptors of those that clients had are left to others: the lists of a poll, the Lease, replicas, a file or two.
const LEFT: usize = 32;

/// How long room is short after the last failure.
const LASTS: Duration = Duration::from_secs(60);

/// How long a connection may lie idle meanwhile. A Skipper polls each three seconds.
pub(super) const BRIEFLY: Duration = Duration::from_secs(5);

/// The room of one listener: as much as its limit says, until descriptors were missing.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    short: Mutex<Option<Short>>,
    fell: Notify,
}

#[derive(Clone, Copy, Debug)]
struct Short {
    room: usize,
    until: Instant,
}

impl Crowd {
    /// A connection could not be accepted while `open` were.
    pub(super) fn failed(&self, error: &io::Error, open: usize) {
        if !matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE)) {
            return;
        }
        // Few connections give up half of themselves, not all.
        let room = (open - LEFT.min(open / 2)).max(1);
        let mut short = self.short.lock();
        let now = Instant::now();
        let before = short.filter(|short| now < short.until).map_or(room, |short| short.room);
        *short = Some(Short { room: room.min(before), until: now + LASTS });
        self.fell.notify_one();
    }

    /// Whether one more connection has room beside `open`.
    pub(super) fn has_room(&self, open: usize) -> bool {
        self.short().is_none_or(|short| open < short.room)
    }

    /// How long a connection may lie idle that may do so for `usual` otherwise.
    pub(super) fn idle(&self, usual: Duration) -> Duration {
        if self.is_short() { usual.min(BRIEFLY) } else { usual }
    }

    /// Whether there is less room than the limit says.
    pub(super) fn is_short(&self) -> bool {
        self.short().is_some()
    }

    /// Comes back when room has become short. One may wait for it.
    pub(super) async fn falls_short(&self) {
        self.fell.notified().await;
    }

    fn short(&self) -> Option<Short> {
        self.short.lock().filter(|short| Instant::now() < short.until)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn full() -> io::Error {
        Errno::MFILE.into()
    }

    #[tokio::test(start_paused = true)]
    async fn some_descriptors_are_left_to_others_for_a_while() {
        let crowd = Crowd::default();
        assert!(crowd.has_room(1_000) && crowd.idle(MINUTE) == MINUTE);
        crowd.failed(&full(), 1_000);
        assert!(!crowd.has_room(1_000) && !crowd.has_room(1_000 - LEFT) && crowd.has_room(999 - LEFT));
        assert_eq!(crowd.idle(MINUTE), BRIEFLY);
        assert_eq!(crowd.idle(Duration::from_secs(1)), Duration::from_secs(1));
        advance(LASTS).await;
        assert!(crowd.has_room(1_000) && crowd.idle(MINUTE) == MINUTE);
    }

    #[tokio::test(start_paused = true)]
    async fn one_failure_after_the_other_makes_room_smaller_and_never_none() {
        let crowd = Crowd::default();
        for open in [100, 90, 200, 10, 1, 0] {
            crowd.failed(&full(), open);
        }
        assert!(crowd.has_room(0) && !crowd.has_room(1));
        advance(LASTS).await;
        crowd.failed(&full(), 200);
        assert!(crowd.has_room(150), "what was short then is not remembered");
    }

    #[tokio::test(start_paused = true)]
    async fn another_failure_takes_no_room() {
        let crowd = Crowd::default();
        for error in [Errno::CONNABORTED, Errno::NOBUFS] {
            crowd.failed(&error.into(), 3);
        }
        crowd.failed(&io::Error::other("no number"), 3);
        assert!(crowd.has_room(1_000));
    }
}
