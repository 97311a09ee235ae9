//! What every play asks of its set: who leads, a change, and that all is mended and well again.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::time::Instant;

use super::path::Path;
use super::{START, Server, Set};
use crate::http::Call;
use crate::observe::traffic::ask;
use crate::scenario::say;
use crate::stage::{manifests, until};

/// How often states are asked for while waiting for one.
const LOOK: Duration = Duration::from_millis(20);

/// In how many of its polls a client must have had one good answer.
const POLLS: u32 = 6;

impl Set {
    /// The replica that leads; the first one where nobody does by design.
    ///
    /// # Errors
    ///
    /// Where nobody comes to lead in time.
    pub async fn leader(&self) -> Result<usize> {
        match self.server {
            Server::Bellwether => self.fleet.leader(START).await,
            Server::Routesrv => Ok(0),
        }
    }

    /// A replica that does not lead.
    ///
    /// # Errors
    ///
    /// Where nobody comes to lead in time.
    pub async fn follower(&self) -> Result<usize> {
        Ok((self.leader().await? + 1) % self.fleet.replicas.len())
    }

    /// The name of the replica `index`.
    pub fn name(&self, index: usize) -> String {
        self.fleet.replicas[index].name().to_owned()
    }

    /// Writes down that `what` is broken from now on, for the replicas `on`, until [`Set::heal`].
    pub fn begin(&mut self, what: &str, on: &[usize]) {
        let names: Vec<_> = on.iter().map(|index| self.name(*index)).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        self.open.push(self.history.fault(what, &names));
    }

    /// Stops the replica `index` in the middle of whatever it does, until [`Set::heal`].
    pub fn pause(&mut self, index: usize) {
        self.begin("SIGSTOP", &[index]);
        self.fleet.replicas[index].pause();
        self.paused.push(index);
        say(&self.history, format!("{} is stopped", self.name(index)));
    }

    /// Nothing passes any more between the replica `index` and the others; on loopback, nothing that they begin.
    ///
    /// # Errors
    ///
    /// Where nft refuses.
    pub fn part_from_others(&self, index: usize) -> Result<()> {
        let own = &self.places[index];
        if !own.can_break() {
            return self.to_replica.get(index).map_or(Ok(()), Path::silence);
        }
        let others = self.places.iter().filter(|place| place.address() != own.address());
        others.into_iter().try_for_each(|other| own.part(other))
    }

    /// Kills the replica `index`. Returns once it is gone.
    ///
    /// # Errors
    ///
    /// Where it survives that.
    pub async fn kill(&mut self, index: usize) -> Result<()> {
        let name = self.name(index);
        self.fleet.replicas[index].kill_now();
        self.history.struck("kill -9", &[&name]);
        self.fleet.replicas[index].ended(START).await?;
        say(&self.history, format!("{name} is killed"));
        Ok(())
    }

    /// Changes the upstream: the next table has the marker of this generation.
    ///
    /// # Errors
    ///
    /// Where the API server refuses it.
    pub async fn change(&mut self) -> Result<u64> {
        self.generation += 1;
        self.upstream.put(&[manifests::marker(self.generation)]).await?;
        self.history.change(self.generation);
        Ok(self.generation)
    }

    /// Changes the upstream, and waits until clients have the change.
    ///
    /// # Errors
    ///
    /// Where they have not within `deadline`.
    pub async fn change_arrives(&mut self, deadline: Duration) -> Result<Duration> {
        let (generation, start) = (self.change().await?, Instant::now());
        self.arrives(generation, deadline).await?;
        let took = start.elapsed();
        say(&self.history, format!("generation {generation} is served after {:.3} s", took.as_secs_f64()));
        Ok(took)
    }

    /// Waits until the Service serves `generation`.
    ///
    /// # Errors
    ///
    /// Where it does not within `deadline`.
    pub async fn arrives(&self, generation: u64, deadline: Duration) -> Result<()> {
        until(&format!("generation {generation} at the Service"), deadline, LOOK, async || {
            let seen = self.clients.held().into_iter().filter_map(|held| held.generation).max();
            (seen >= Some(generation)).then_some(())
        })
        .await
    }

    /// Undoes everything that a play may have done, as far as the harness did it.
    ///
    /// # Errors
    ///
    /// Where a replica or the API server does not start again.
    pub async fn heal(&mut self) -> Result<()> {
        self.ground.heal()?;
        self.to_api.iter().chain(&self.to_replica).for_each(Path::open);
        for index in std::mem::take(&mut self.paused) {
            self.fleet.replicas[index].resume();
        }
        // An API server may answer a moment before the harness knows that it is back.
        for fault in std::mem::take(&mut self.open) {
            self.history.healed(&fault);
        }
        self.upstream.restore().await?;
        for index in 0..self.fleet.replicas.len() {
            if self.fleet.replicas[index].gone() {
                self.launch(index)?;
            }
        }
        if !self.deleted.is_empty() {
            let deleted = std::mem::take(&mut self.deleted);
            self.upstream.put(&deleted).await?;
        }
        Ok(())
    }

    /// Waits until all replicas run and agree, the rotation is whole, and every client has what they serve; returns the
    /// digest of that.
    ///
    /// # Errors
    ///
    /// Where that does not come in time.
    pub async fn settle(&mut self) -> Result<String> {
        self.fleet.ready(START).await?;
        self.vip.whole(START).await?;
        let patience = START + self.sizes.poll * POLLS;
        let end = Instant::now() + patience;
        loop {
            let digest = self.agreed().await?;
            // The table may change once more while clients fetch this one.
            let fetched =
                until("every client with the replicas' table", self.sizes.poll * POLLS, LOOK, async || {
                    self.clients.all_have(&digest).then_some(())
                });
            match fetched.await {
                Ok(()) => {
                    self.skippers_have(self.generation).await?;
                    return Ok(digest);
                }
                Err(error) if Instant::now() > end => return Err(error),
                Err(_) => {}
            }
        }
    }

    /// The digest of the one table that all replicas serve, which has the newest change.
    ///
    /// # Errors
    ///
    /// Where they do not come to one in time.
    pub async fn agreed(&self) -> Result<String> {
        if self.server == Server::Bellwether {
            self.fleet.settled(START).await?;
        }
        until("one table at all replicas", START, LOOK * 10, async || {
            let mut all = Vec::new();
            for replica in &self.fleet.replicas {
                let (_, reply) = Call::get(replica.serve(), "/routes").send().await.ok()?;
                let text = String::from_utf8_lossy(&reply.body);
                let newest = crate::observe::generation(&text) == Some(self.generation);
                all.push(newest.then(|| reply.header("etag").trim_matches('"').to_owned())?);
            }
            all.windows(2).all(|pair| pair[0] == pair[1]).then(|| all.pop()).flatten()
        })
        .await
    }

    async fn skippers_have(&self, generation: u64) -> Result<()> {
        for skipper in &self.skippers {
            until(&format!("generation {generation} through Skipper"), START, LOOK, async || {
                (ask(skipper.address(), "marker.test").await == Ok(Some(generation))).then_some(())
            })
            .await?;
        }
        Ok(())
    }

    /// Starts the replica `index`, which has ended, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// Where it cannot be started, or is not ready in time.
    pub async fn start(&mut self, index: usize) -> Result<()> {
        ensure!(self.fleet.replicas[index].gone(), "{} still runs", self.name(index));
        self.launch(index)?;
        self.fleet.ready(START).await?;
        say(&self.history, format!("{} is back", self.name(index)));
        Ok(())
    }

    /// Asks the replica `index` to stop, as a pod is: its endpoint leaves at the same time.
    pub fn terminate(&mut self, index: usize) {
        self.vip.leaving(&self.name(index), true);
        self.fleet.replicas[index].terminate();
    }

    /// Starts the replica `index`, which has ended.
    ///
    /// # Errors
    ///
    /// Where it cannot be started.
    pub fn launch(&mut self, index: usize) -> Result<()> {
        self.vip.leaving(&self.name(index), false);
        self.fleet.replicas[index].start()
    }

    /// Deletes `objects`, until [`Set::heal`].
    ///
    /// # Errors
    ///
    /// Where one is not there.
    pub async fn delete(&mut self, objects: Vec<Value>) -> Result<()> {
        self.upstream.delete(&objects).await?;
        self.deleted.extend(objects);
        Ok(())
    }

    /// Puts every object where it was, whatever the API server has become; what is there already is no write.
    ///
    /// # Errors
    ///
    /// Where it refuses one.
    pub async fn put_back(&self) -> Result<()> {
        self.upstream.put(&self.objects).await
    }

    /// Waits until the leader's `/status` is as `wanted` has it.
    ///
    /// # Errors
    ///
    /// Where it is not within `deadline`; or there is no `/status`, as with the peer.
    pub async fn leader_says(
        &self,
        what: &str,
        deadline: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<()> {
        if self.server == Server::Routesrv {
            bail!("routesrv says nothing of itself");
        }
        until(&format!("the leader to say: {what}"), deadline, LOOK, async || {
            for replica in &self.fleet.replicas {
                let accept = [(http::header::ACCEPT, "application/json")];
                let call = Call { headers: &accept, ..Call::get(replica.support(), "/status") };
                let Ok((_, reply)) = call.send().await else { continue };
                let status: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
                if status["role"] == "leader" && wanted(&status) {
                    return Some(());
                }
            }
            None
        })
        .await
        .context("/status")
    }
}
