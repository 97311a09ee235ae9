//! How long a Lease lasts, and for how much of that its holder trusts it.
//!
//! In: a preset's name, or four durations. Out: a [`Timing`] that satisfies both inequalities. What can go wrong:
//! one of them does not hold; the error says which, with both numbers.

use std::str::FromStr;
use std::time::Duration;

/// How far the clocks of two machines may drift from each other: NTP slews by at most 500 ppm on each.
const DRIFT: f64 = 0.001;

/// How late a holder may notice that its validity is over: one period of the kernel's CPU quota.
const STOP: Duration = Duration::from_millis(100);

/// The longest pause before an attempt is repeated.
pub(in crate::election) const RETRY: Duration = Duration::from_millis(100);

/// The longest lease: what another replica publishes is never waited for longer.
pub(in crate::election) const LONGEST: Duration = Duration::from_secs(60);

/// The four durations of an election. Every replica of a fleet has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    lease: Duration,
    valid: Duration,
    renew: Duration,
    attempt: Duration,
}

/// Why four durations make no safe election.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimingError {
    /// Two replicas could lead at once.
    #[error(
        "a leader that trusts its lease for {valid:?} may stop only {stops:?} after its renewal, and others may start \
         {starts:?} after it: lengthen the lease or shorten the validity"
    )]
    Unsafe {
        /// The validity as configured.
        valid: Duration,
        /// The latest moment at which the leader stops: validity, drift and the time it takes to notice.
        stops: Duration,
        /// The earliest moment at which another may start: the lease, less the drift.
        starts: Duration,
    },
    /// One lost renewal would cost the lease.
    #[error(
        "two attempts to renew need {needs:?}, the lease is trusted for {valid:?}: renew earlier, cut attempts \
         shorter or lengthen the validity"
    )]
    Fragile {
        /// The interval, two attempts and the pause between them.
        needs: Duration,
        /// The validity as configured.
        valid: Duration,
    },
    /// One of them is zero, or the lease is longer than a minute.
    #[error("{0:?} is no duration for an election: each is more than zero, the lease at most {LONGEST:?}")]
    Range(Duration),
    /// No preset has this name.
    #[error("no election timing is named {0:?}; there are bench, default, standard and careful")]
    Unknown(String),
}

impl Timing {
    /// For measurements on one machine: failover within 2.2 s. Each write must take less than 0.5 s.
    pub const BENCH: Self = Self::millis(2_000, 1_600, 500, 500);

    /// The rule: failover within 3.3 s. Writes must take less than 0.7 s.
    pub const DEFAULT: Self = Self::millis(3_000, 2_400, 800, 700);

    /// For an API server that only just meets its objectives: failover within 6.3 s.
    pub const STANDARD: Self = Self::millis(6_000, 4_800, 1_600, 1_500);

    /// client-go's lease duration: failover within 15.3 s.
    pub const CAREFUL: Self = Self::millis(15_000, 12_000, 4_000, 3_900);

    /// Without a check: for the presets, and for tests of what the inequalities are for.
    pub(in crate::election) const fn millis(lease: u64, valid: u64, renew: u64, attempt: u64) -> Self {
        Self {
            lease: Duration::from_millis(lease),
            valid: Duration::from_millis(valid),
            renew: Duration::from_millis(renew),
            attempt: Duration::from_millis(attempt),
        }
    }

    /// A timing of one's own: the `lease`'s duration, for how much of it from the sending of a renewal the holder
    /// trusts it, the interval of renewals, and how long one attempt may take.
    ///
    /// # Errors
    ///
    /// Where two replicas could lead at once, where one lost renewal would cost the lease, or out of range.
    pub fn new(
        lease: Duration,
        valid: Duration,
        renew: Duration,
        attempt: Duration,
    ) -> Result<Self, TimingError> {
        let range = [lease, valid, renew, attempt].into_iter().find(|d| d.is_zero() || *d > LONGEST);
        if let Some(wrong) = range {
            return Err(TimingError::Range(wrong));
        }
        let stops = valid.mul_f64(1.0 + DRIFT) + STOP;
        let starts = lease.mul_f64(1.0 - DRIFT);
        if stops >= starts {
            return Err(TimingError::Unsafe { valid, stops, starts });
        }
        let needs = renew + 2 * attempt + RETRY;
        if needs > valid {
            return Err(TimingError::Fragile { needs, valid });
        }
        Ok(Self { lease, valid, renew, attempt })
    }

    /// L: how long others wait after the last change that they saw.
    pub const fn lease(&self) -> Duration {
        self.lease
    }

    /// D: how long the holder trusts a write, from the moment at which it was sent.
    pub const fn valid(&self) -> Duration {
        self.valid
    }

    /// R: from the sending of one renewal to that of the next.
    pub const fn renew(&self) -> Duration {
        self.renew
    }

    /// A: how long one request may take.
    pub const fn attempt(&self) -> Duration {
        self.attempt
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl FromStr for Timing {
    type Err = TimingError;

    fn from_str(name: &str) -> Result<Self, TimingError> {
        match name {
            "bench" => Ok(Self::BENCH),
            "default" => Ok(Self::DEFAULT),
            "standard" => Ok(Self::STANDARD),
            "careful" => Ok(Self::CAREFUL),
            other => Err(TimingError::Unknown(other.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn every_preset_satisfies_both_inequalities() {
        for name in ["bench", "default", "standard", "careful"] {
            let t: Timing = name.parse().unwrap();
            assert_eq!(Timing::new(t.lease, t.valid, t.renew, t.attempt), Ok(t), "{name}");
        }
        assert_eq!("fast".parse::<Timing>(), Err(TimingError::Unknown("fast".into())));
    }

    #[test]
    fn refuses_what_lets_two_lead_and_names_both_numbers() {
        let error = Timing::new(ms(3000), ms(2900), ms(800), ms(700)).unwrap_err();
        assert!(matches!(error, TimingError::Unsafe { .. }));
        let text = error.to_string();
        assert!(text.contains("3.0029s") && text.contains("2.997s"), "{text}");
    }

    #[test]
    fn refuses_what_one_lost_renewal_costs() {
        let error = Timing::new(ms(3000), ms(2400), ms(1000), ms(700)).unwrap_err();
        assert_eq!(error, TimingError::Fragile { needs: ms(2500), valid: ms(2400) });
        assert!(error.to_string().contains("2.5s") && error.to_string().contains("2.4s"));
    }

    #[test]
    fn refuses_zero_and_more_than_a_minute() {
        assert_eq!(Timing::new(ms(3000), ms(2400), ms(0), ms(700)), Err(TimingError::Range(ms(0))));
        let long = Duration::from_secs(61);
        assert_eq!(Timing::new(long, ms(2400), ms(800), ms(700)), Err(TimingError::Range(long)));
    }
}
