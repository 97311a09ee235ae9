//! When the demo ends: a signal, or its time is over.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

/// Waits for the end.
#[derive(Debug)]
pub(super) struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    at: Option<Instant>,
}

impl Stop {
    /// From now on SIGINT, SIGTERM and SIGHUP only end the wait, as does the `length` of the demo.
    ///
    /// # Errors
    ///
    /// Where the system refuses a handler.
    pub(super) fn new(length: Option<Duration>) -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            at: length.map(|length| Instant::now() + length),
        })
    }

    /// Ends when the demo should.
    pub(super) async fn wait(&mut self) {
        let over = async {
            match self.at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
            () = over => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_time_is_over_after_its_length() {
        let since = Instant::now();
        Stop::new(Some(Duration::from_secs(5))).unwrap().wait().await;
        assert_eq!(since.elapsed(), Duration::from_secs(5));
    }
}
