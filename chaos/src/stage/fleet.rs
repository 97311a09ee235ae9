//! The replicas of one route server together: who leads, who is ready, whether they agree.

use std::time::Duration;

use anyhow::{Error, Result, anyhow};
use futures::future::join_all;

use crate::stage::replica::{Replica, Status};
use crate::stage::until;
use crate::stage::vip::Target;

/// How often states are asked for while waiting for one, of three replicas; of more less often, as asking is work too.
const EVERY: Duration = Duration::from_millis(20);

/// All replicas, running or not.
pub struct Fleet {
    /// Each of them; the index is its number.
    pub replicas: Vec<Replica>,
}

impl Fleet {
    /// Starts every one.
    ///
    /// # Errors
    ///
    /// Where the program cannot be started.
    pub fn start(&mut self) -> Result<()> {
        self.replicas.iter_mut().try_for_each(Replica::start)
    }

    /// For the VIP.
    pub fn targets(&self) -> Vec<Target> {
        self.replicas.iter().map(Replica::target).collect()
    }

    /// What each says of itself; `None` for those that do not answer.
    pub async fn statuses(&self) -> Vec<Option<Status>> {
        join_all(self.replicas.iter().map(async |replica| replica.status().await.ok())).await
    }

    /// Waits until exactly one of them leads, and returns its number.
    ///
    /// # Errors
    ///
    /// Where that does not come in time; with the ends of their logs.
    pub async fn leader(&self, deadline: Duration) -> Result<usize> {
        let found = until("one leader", deadline, self.pace(), async || {
            let statuses = self.statuses().await;
            let leads =
                |status: &Option<Status>| status.as_ref().is_some_and(|status| status.role == "leader");
            let mut leaders = (0..statuses.len()).filter(|index| leads(&statuses[*index]));
            let first = leaders.next()?;
            leaders.next().is_none().then_some(first)
        });
        found.await.map_err(|error| self.blame(&error))
    }

    /// Waits until all are ready.
    ///
    /// # Errors
    ///
    /// Where one ends, or that does not come in time; with the ends of their logs.
    pub async fn ready(&mut self, deadline: Duration) -> Result<()> {
        let pace = self.pace();
        let ready = until("all replicas ready", deadline, pace, async || {
            for replica in &mut self.replicas {
                if replica.gone() {
                    return Some(Err(anyhow!("{} has ended", replica.name())));
                }
            }
            let ready = join_all(self.replicas.iter().map(Replica::ready)).await;
            ready.into_iter().all(|ready| ready).then_some(Ok(()))
        });
        ready.await.flatten().map_err(|error| self.blame(&error))
    }

    /// Waits until all have one and the same digest, current, and one leader; returns that digest.
    ///
    /// # Errors
    ///
    /// Where that does not come in time; with the ends of their logs.
    pub async fn settled(&self, deadline: Duration) -> Result<String> {
        let settled = until("all replicas current with one digest", deadline, self.pace(), async || {
            let statuses: Vec<Status> = self.statuses().await.into_iter().collect::<Option<_>>()?;
            let digest = statuses.first()?.digest.clone()?;
            let same =
                statuses.iter().all(|status| status.current && status.digest.as_ref() == Some(&digest));
            let leaders = statuses.iter().filter(|status| status.role == "leader").count();
            (same && leaders == 1).then_some(digest)
        });
        settled.await.map_err(|error| self.blame(&error))
    }

    fn pace(&self) -> Duration {
        EVERY * u32::try_from(self.replicas.len() / 3).unwrap_or(1).max(1)
    }

    /// The error, with the ends of all logs.
    fn blame(&self, error: &Error) -> Error {
        let tail = |replica: &Replica| format!("\n--- {}\n{}", replica.name(), replica.tail(12));
        anyhow!("{error:#}; the ends of the logs:{}", self.replicas.iter().map(tail).collect::<String>())
    }
}
