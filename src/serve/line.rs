//! The line to a client that waits for its answer: whether it says something more meanwhile, or goes.
//!
//! Over HTTP/1.1 nobody reads from a connection while an answer is made. Where that takes long, a client that has gone would
//! keep its place; so the one who makes the answer says that it listens, and the connection then looks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt as _;
use tokio::sync::Notify;

/// An extension of each request over HTTP/1.1. Clones are of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Line(Arc<Ends>);

#[derive(Debug, Default)]
struct Ends {
    watched: AtomicBool,
    stirred: Notify,
}

impl Line {
    /// Comes back once the client says something more, closes its side or breaks off.
    pub(super) async fn stirs(&self) {
        // What it did while nobody listened is not meant.
        let _ = self.0.stirred.notified().now_or_never();
        self.0.watched.store(true, Ordering::Relaxed);
        let _watching = Watching(self);
        self.0.stirred.notified().await;
    }

    /// Whether somebody listens.
    pub(super) fn is_watched(&self) -> bool {
        self.0.watched.load(Ordering::Relaxed)
    }

    /// It did.
    pub(super) fn stir(&self) {
        self.0.stirred.notify_one();
    }
}

struct Watching<'a>(&'a Line);

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.0.0.watched.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_the_client_does_counts_while_somebody_listens() {
        let line = Line::default();
        assert!(!line.is_watched());
        line.stir();
        {
            let mut stirs = std::pin::pin!(line.stirs());
            assert!(stirs.as_mut().now_or_never().is_none(), "that was before");
            assert!(line.is_watched());
            line.stir();
            stirs.await;
        }
        assert!(!line.is_watched());
    }
}
