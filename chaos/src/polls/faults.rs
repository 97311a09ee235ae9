//! What happens to the replicas meanwhile, one thing after the other, for as long as it is asked to.

use std::time::Duration;

use anyhow::Result;

use crate::ground::Place;
use crate::stage::fleet::Fleet;

/// How long a replica may take to come back, and the fleet to be of one mind again.
pub const BACK: Duration = Duration::from_secs(40);

/// A pause or a partition that outlasts the Lease, every grant and every silence.
const LONG: Duration = Duration::from_secs(10);

/// One that outlasts the Lease.
const SHORT: Duration = Duration::from_secs(5);

/// How long all is well between two faults.
const WELL: Duration = Duration::from_millis(500);

#[derive(Clone, Copy)]
enum Fault {
    Kill(Whom),
    Stop(Whom),
    Pause(Whom),
    /// The leader's net is cut.
    Cut(From, Way),
}

#[derive(Clone, Copy)]
enum Whom {
    Leader,
    Follower,
}

/// Whom the leader is cut off from.
#[derive(Clone, Copy)]
enum From {
    OneFollower,
    Followers,
    /// Its Lease, and what it reads.
    Api,
}

/// Which packets are lost.
#[derive(Clone, Copy)]
enum Way {
    /// The leader's own.
    Out,
    /// Those to the leader.
    In,
    Both,
}

const PROCESSES: [Fault; 6] = [
    Fault::Kill(Whom::Leader),
    Fault::Pause(Whom::Follower),
    Fault::Stop(Whom::Leader),
    Fault::Pause(Whom::Leader),
    Fault::Kill(Whom::Follower),
    Fault::Stop(Whom::Follower),
];

const PARTITIONS: [Fault; 9] = [
    Fault::Cut(From::Followers, Way::Both),
    Fault::Cut(From::Api, Way::Out),
    Fault::Cut(From::OneFollower, Way::Both),
    Fault::Cut(From::Followers, Way::Out),
    Fault::Cut(From::Api, Way::Both),
    Fault::Cut(From::OneFollower, Way::In),
    Fault::Cut(From::Followers, Way::In),
    Fault::Cut(From::Api, Way::In),
    Fault::Cut(From::OneFollower, Way::Out),
];

pub struct Faults {
    fleet: Fleet,
    api: Place,
    plan: Vec<Fault>,
    partition: Duration,
    count: usize,
}

impl Faults {
    /// The net breaks only where it can. `short`: in two ways.
    pub fn new(fleet: Fleet, api: Place, short: bool) -> Self {
        let partitions = match (api.can_break(), short) {
            (false, _) => 0,
            (true, true) => 2,
            (true, false) => PARTITIONS.len(),
        };
        let plan = [&PROCESSES, &PARTITIONS[..partitions]].concat();
        Self { fleet, api, plan, partition: if short { SHORT } else { LONG }, count: 0 }
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
        for fault in self.plan.clone().into_iter().cycle() {
            tokio::time::sleep(WELL).await;
            let leader = self.fleet.leader(BACK).await?;
            self.count += 1;
            match fault {
                Fault::Kill(whom) => {
                    let replica = &mut self.fleet.replicas[whom.index(leader)];
                    replica.kill().await?;
                    tokio::time::sleep(WELL).await;
                    replica.start()?;
                }
                Fault::Stop(whom) => {
                    let replica = &mut self.fleet.replicas[whom.index(leader)];
                    replica.terminate();
                    replica.ended(BACK).await?;
                    replica.start()?;
                }
                Fault::Pause(whom) => {
                    let replica = &mut self.fleet.replicas[whom.index(leader)];
                    replica.pause();
                    tokio::time::sleep(LONG).await;
                    replica.resume();
                }
                Fault::Cut(from, way) => {
                    let place = self.fleet.replicas[leader].place();
                    for other in self.others(from, leader) {
                        match way {
                            Way::Out => other.cut(place)?,
                            Way::In => place.cut(other)?,
                            Way::Both => place.part(other)?,
                        }
                    }
                    tokio::time::sleep(self.partition).await;
                    place.heal()?;
                }
            }
            self.fleet.ready(BACK).await?;
        }
        anyhow::bail!("the plan is empty")
    }

    fn others(&self, from: From, leader: usize) -> Vec<&Place> {
        let count = self.fleet.replicas.len();
        let followers = (1..count).map(|step| self.fleet.replicas[(leader + step) % count].place());
        match from {
            From::OneFollower => followers.take(1).collect(),
            From::Followers => followers.collect(),
            From::Api => vec![&self.api],
        }
    }
}

impl Whom {
    /// The number of that replica among three.
    const fn index(self, leader: usize) -> usize {
        match self {
            Self::Leader => leader,
            Self::Follower => (leader + 1) % 3,
        }
    }
}
