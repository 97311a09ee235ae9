//! Where writes wait for each other: none goes on before every candidate has read, and wants to write.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::timeout;

/// How long the first ones wait for the last: less than any candidate waits for its answer.
const HOLD: Duration = Duration::from_millis(450);

/// A gate that opens once.
pub(super) struct Gate {
    wanted: usize,
    counts: Mutex<Counts>,
    open: watch::Sender<bool>,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    came: usize,
    answered: usize,
}

/// A write on its way through the gate, and until it is answered.
pub(super) struct Passing<'a>(&'a Gate);

impl Gate {
    /// Opens when so many wait, or have waited long enough.
    pub(super) fn new(wanted: usize) -> Self {
        Self { wanted, counts: Mutex::default(), open: watch::Sender::new(false) }
    }

    /// Waits until it is open. None where it was open already.
    pub(super) async fn pass(&self) -> Option<Passing<'_>> {
        let mut open = self.open.subscribe();
        let came = {
            let mut counts = self.counts.lock();
            if *open.borrow() {
                return None;
            }
            counts.came += 1;
            counts.came
        };
        let passing = Passing(self);
        if came < self.wanted {
            let _ = timeout(HOLD, open.wait_for(|open| *open)).await;
        }
        self.open.send_replace(true);
        Some(passing)
    }

    /// How many writes it let through at once.
    pub(super) fn came(&self) -> usize {
        self.counts.lock().came
    }

    /// Whether it is open, and all that went through are answered.
    pub(super) fn is_done(&self) -> bool {
        let counts = *self.counts.lock();
        *self.open.borrow() && counts.answered == counts.came
    }
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        self.0.counts.lock().answered += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nobody_passes_before_the_last_one_came() {
        let gate = Gate::new(3);
        let early = async { tokio::join!(gate.pass(), gate.pass()) };
        tokio::pin!(early);
        assert!(timeout(HOLD / 2, &mut early).await.is_err());
        assert!(!gate.is_done());
        let last = gate.pass().await;
        let (first, second) = early.await;
        assert_eq!(gate.came(), 3);
        drop((first, second));
        assert!(!gate.is_done());
        drop(last);
        assert!(gate.is_done());
        assert!(gate.pass().await.is_none(), "it opens once");
        assert_eq!(gate.came(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn it_does_not_wait_for_ever() {
        let gate = Gate::new(3);
        assert!(timeout(2 * HOLD, gate.pass()).await.is_ok());
        assert!(gate.is_done());
    }
}
