//! One write: its deadline, and what its failure means.

use std::time::Duration;

use crate::source::kubernetes::chain;

/// How long one write may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// Why a write was not carried out, or may not have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// There is such an object already, or it has changed meanwhile.
    #[error("there is one already")]
    Exists,
    /// The object, or its namespace, is not there.
    #[error("it is not there any more")]
    Gone,
    /// The API server will refuse it again.
    #[error("{0}")]
    Refused(String),
    /// It may be carried out another time.
    #[error("{cause}")]
    Later {
        /// What was in the way.
        cause: String,
        /// How long the API server asks to be left alone.
        wait: Option<Duration>,
    },
}

/// Carries out `write` within its deadline.
pub(super) async fn within<T>(write: impl Future<Output = kube::Result<T>>) -> Result<T, Failure> {
    match tokio::time::timeout(DEADLINE, write).await {
        Ok(result) => result.map_err(|error| failure(&error)),
        Err(_) => {
            let cause = format!("no answer within {} s", DEADLINE.as_secs());
            Err(Failure::Later { cause, wait: None })
        }
    }
}

fn failure(error: &kube::Error) -> Failure {
    let kube::Error::Api(status) = error else {
        return Failure::Later { cause: chain(error), wait: None };
    };
    let said = format!("the API server answered {}: {}", status.code, status.message);
    match status.code {
        404 => Failure::Gone,
        409 => Failure::Exists,
        401 | 408 | 429 | 500.. => {
            let seconds = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
            let wait = (seconds > 0).then(|| Duration::from_secs(seconds.into()));
            Failure::Later { cause: said, wait }
        }
        _ => Failure::Refused(said),
    }
}

/// Between writes that fail: twice as long each time, up to half a minute, or as long as the API server asks for up to a
/// minute.
#[derive(Debug, Default)]
pub(super) struct Backoff(u32);

impl Backoff {
    /// A write has failed: how long to wait.
    pub(super) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let usual = Duration::from_secs(1 << self.0.min(5)).min(Duration::from_secs(30));
        self.0 = self.0.saturating_add(1);
        asked.unwrap_or_default().clamp(usual, Duration::from_secs(60))
    }

    /// A write was answered.
    pub(super) const fn reset(&mut self) {
        self.0 = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused_with(code: u16, retry_after_seconds: u32) -> Failure {
        let details = serde_json::json!({"retryAfterSeconds": retry_after_seconds});
        let status = serde_json::json!({"code": code, "details": details});
        failure(&kube::Error::Api(Box::new(serde_json::from_value(status).unwrap())))
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        assert_eq!(refused_with(404, 0), Failure::Gone);
        assert_eq!(refused_with(409, 0), Failure::Exists);
        assert!(matches!(refused_with(403, 0), Failure::Refused(_)));
        assert!(matches!(refused_with(422, 0), Failure::Refused(_)));
        assert!(matches!(refused_with(503, 0), Failure::Later { wait: None, .. }));
        let wait = Some(Duration::from_secs(7));
        assert!(matches!(refused_with(429, 7), Failure::Later { wait: asked, .. } if asked == wait));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_has_an_end() {
        let never = std::future::pending::<kube::Result<()>>();
        assert!(matches!(within(never).await, Err(Failure::Later { .. })));
    }

    #[test]
    fn waits_grow_to_half_a_minute() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..8).map(|_| backoff.next(None).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(backoff.next(Some(Duration::from_secs(900))).as_secs(), 60);
        backoff.reset();
        assert_eq!(backoff.next(Some(Duration::from_secs(5))).as_secs(), 5);
    }
}
