//! What happens to the replicas meanwhile, one thing after the other, for as long as it is asked to.

use std::time::Duration;

use anyhow::Result;

use crate::stage::fleet::Fleet;

/// How long a replica may take to come back, and the fleet to be of one mind again.
pub const BACK: Duration = Duration::from_secs(40);

/// A pause that outlasts the Lease, every grant and every silence.
const PAUSE: Duration = Duration::from_secs(10);

/// How long all is well between two faults.
const WELL: Duration = Duration::from_millis(500);

#[derive(Clone, Copy)]
enum Fault {
    Kill,
    Stop,
    Pause,
}

/// The plan, in its order: to the leader or to a follower.
const PLAN: [(Fault, bool); 6] = [
    (Fault::Kill, true),
    (Fault::Pause, false),
    (Fault::Stop, true),
    (Fault::Pause, true),
    (Fault::Kill, false),
    (Fault::Stop, false),
];

pub struct Faults {
    fleet: Fleet,
    count: usize,
}

impl Faults {
    pub const fn new(fleet: Fleet) -> Self {
        Self { fleet, count: 0 }
    }

    /// How many there were.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Goes through the plan again and again.
    ///
    /// # Errors
    ///
    /// Where a replica does not come back.
    pub async fn run(&mut self) -> Result<std::convert::Infallible> {
        for (fault, leader) in PLAN.into_iter().cycle() {
            tokio::time::sleep(WELL).await;
            let leads = self.fleet.leader(BACK).await?;
            let victim = if leader { leads } else { (leads + 1) % self.fleet.replicas.len() };
            let replica = &mut self.fleet.replicas[victim];
            self.count += 1;
            match fault {
                Fault::Kill => {
                    replica.kill().await?;
                    tokio::time::sleep(WELL).await;
                    replica.start()?;
                }
                Fault::Stop => {
                    replica.terminate();
                    replica.ended(BACK).await?;
                    replica.start()?;
                }
                Fault::Pause => {
                    replica.pause();
                    tokio::time::sleep(PAUSE).await;
                    replica.resume();
                }
            }
            self.fleet.ready(BACK).await?;
        }
        anyhow::bail!("the plan is empty")
    }
}
