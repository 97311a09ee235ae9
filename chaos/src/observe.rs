//! The clients: they ask all the time and write down what they get.

pub mod connected;
pub mod poller;
pub mod skippers;
pub mod traffic;
pub mod witness;

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

/// A set of running clients; they end when it is dropped.
pub struct Observers {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

/// What a client asks between two requests: whether to go on, after its pause.
pub struct Pace {
    ticks: tokio::time::Interval,
    stop: watch::Receiver<bool>,
}

impl Default for Observers {
    fn default() -> Self {
        Self { tasks: JoinSet::new(), stop: watch::Sender::new(false) }
    }
}

impl Observers {
    /// Adds a client, which asks each `every` as long as its [`Pace`] says so.
    pub fn add<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        every: Duration,
        client: impl FnOnce(Pace) -> F,
    ) {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        self.tasks.spawn(client(Pace { ticks, stop: self.stop.subscribe() }));
    }

    /// Ends them all; each finishes the request that it has begun.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Pace {
    /// Waits for the time of the next request. False: there is none.
    pub async fn next(&mut self) -> bool {
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop) => false,
            _ = self.ticks.tick() => true,
        }
    }
}

/// The number after the last `generation ` in `text`: what the marker carries, in a table and in an answer.
pub fn generation(text: &str) -> Option<u64> {
    let (_, rest) = text.rsplit_once("generation ")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generation_is_read_from_a_table_and_from_an_answer() {
        let table = "a: * -> <shunt>;\nb: Host(\"m\") -> inlineContent(\"generation 17\") -> <shunt>;";
        assert_eq!(generation(table), Some(17));
        assert_eq!(generation("generation 3"), Some(3));
        assert_eq!(generation("from the backend"), None);
    }
}
