//! Lets polls through one by one, so that whoever changes the cluster knows which poll sees what.
//!
//! A poll begins with the list of Ingresses; all other calls of a poll follow it, or go out beside it. So a poll is held where
//! it asks for Ingresses, and the discovery that goes out beside is held with it. While a poll is held, the one before it
//! is over, and what it read is published.

use tokio::sync::watch;

use super::Endpoint;

/// Open until somebody holds it.
pub(super) struct Turnstile(watch::Sender<Passage>);

#[derive(Clone, Copy, Debug, Default)]
struct Passage {
    /// How many polls may pass, all in all; none where all may.
    permits: Option<u64>,
    /// How many have passed.
    passed: u64,
    /// How many wait now.
    waiting: u64,
    /// The poll that passed last has not discovered yet.
    may_discover: bool,
}

impl Turnstile {
    pub(super) fn new() -> Self {
        Self(watch::Sender::default())
    }

    /// From now on each poll waits.
    pub(super) fn hold(&self) {
        self.0.send_modify(|passage| passage.permits = Some(passage.passed));
    }

    /// One more poll may pass.
    pub(super) fn let_one_through(&self) {
        self.0.send_modify(|passage| passage.permits = passage.permits.map(|permits| permits + 1));
    }

    /// Waits until a poll waits that may not pass.
    pub(super) async fn held(&self) {
        let waits = |passage: &Passage| passage.waiting > 0 && !passage.may_begin();
        self.0.subscribe().wait_for(waits).await.expect("the sender is ours");
    }

    /// Passes when this call may; dropped where its client goes away.
    pub(super) async fn pass(&self, endpoint: Endpoint) {
        match endpoint {
            Endpoint::Ingresses => {
                self.0.send_modify(|passage| {
                    passage.waiting += 1;
                    passage.may_discover = false;
                });
                let waiting = Waiting(&self.0);
                self.when(Passage::may_begin, Passage::begin).await;
                // Who has passed was counted as passed at once.
                std::mem::forget(waiting);
            }
            Endpoint::Discovery => {
                let may = |passage: &Passage| passage.permits.is_none() || passage.may_discover;
                self.when(may, |passage| passage.may_discover = false).await;
            }
            _ => {}
        }
    }

    async fn when(&self, may: impl Fn(&Passage) -> bool, then: impl Fn(&mut Passage)) {
        let mut passages = self.0.subscribe();
        let passes = |passage: &mut Passage| {
            let now = may(passage);
            if now {
                then(passage);
            }
            now
        };
        while !self.0.send_if_modified(passes) {
            passages.changed().await.expect("the sender is ours");
        }
    }
}

impl Passage {
    fn may_begin(&self) -> bool {
        self.permits.is_none_or(|permits| self.passed < permits)
    }

    const fn begin(&mut self) {
        self.waiting -= 1;
        self.passed += 1;
        self.may_discover = true;
    }
}

/// Counts as waiting until it is dropped.
struct Waiting<'a>(&'a watch::Sender<Passage>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|passage| passage.waiting -= 1);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn open_it_lets_all_through() {
        let turnstile = Turnstile::new();
        for endpoint in Endpoint::ALL {
            turnstile.pass(endpoint).await;
        }
    }

    #[tokio::test]
    async fn one_poll_passes_with_all_its_calls_and_the_next_one_waits() {
        let turnstile = Turnstile::new();
        turnstile.hold();
        let mut discovery = Box::pin(turnstile.pass(Endpoint::Discovery));
        let mut first = Box::pin(turnstile.pass(Endpoint::Ingresses));
        assert!(turnstile.held().now_or_never().is_none(), "none has come yet");
        assert!((&mut first).now_or_never().is_none());
        assert!((&mut discovery).now_or_never().is_none(), "not before its Ingresses");
        turnstile.held().await;
        turnstile.let_one_through();
        assert!(turnstile.held().now_or_never().is_none(), "it may pass");
        first.await;
        discovery.await;
        turnstile.pass(Endpoint::Services).await;
        assert!(turnstile.held().now_or_never().is_none(), "none waits");
        assert!(turnstile.pass(Endpoint::Ingresses).now_or_never().is_none());
        assert!(turnstile.pass(Endpoint::Discovery).now_or_never().is_none());
    }

    #[tokio::test]
    async fn who_goes_away_does_not_wait() {
        let turnstile = Turnstile::new();
        turnstile.hold();
        let mut poll = Box::pin(turnstile.pass(Endpoint::Ingresses));
        assert!((&mut poll).now_or_never().is_none());
        turnstile.held().await;
        drop(poll);
        assert!(turnstile.held().now_or_never().is_none());
    }
}
