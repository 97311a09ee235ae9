//! Complaints about writes: the first at once, then at most one each ten minutes.

use std::time::Duration;

use tokio::time::Instant;

const EVERY: Duration = Duration::from_secs(600);

/// When something was last complained of.
#[derive(Debug, Default)]
pub(super) struct Complaint(Option<Instant>);

impl Complaint {
    /// Whether it is time for one.
    pub(super) fn is_due(&mut self) -> bool {
        let due = self.0.is_none_or(|at| at.elapsed() >= EVERY);
        if due {
            self.0 = Some(Instant::now());
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_same_is_said_once_in_a_while() {
        let mut complaint = Complaint::default();
        assert_eq!([complaint.is_due(), complaint.is_due()], [true, false]);
        tokio::time::advance(EVERY).await;
        assert_eq!([complaint.is_due(), complaint.is_due()], [true, false]);
    }
}
