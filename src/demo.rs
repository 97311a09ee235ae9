//! `bellwether demo`: three replicas as processes of this machine, and a running account of what they do.
//!
//! In: a folder of manifests. Out: lines on standard output. What can go wrong: no free ports, a replica that does not
//! start. However it ends, the replicas are stopped first and the temporary folder is removed after them.

mod events;
mod manifests;
mod ports;
mod replica;
mod status;
mod stop;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use futures::future::join_all;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::cli::client::Client;
use crate::flags;

use events::{Event, Watch};
use replica::{Replica, Setting};
use status::Status;
use stop::Stop;

const REPLICAS: usize = 3;
/// How often the replicas are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long one look may wait for an answer.
const ANSWER: Duration = Duration::from_millis(500);
/// How long a replica that died stays away: longer than the others wait for a dead leader, since one that is back
/// before would lead again.
const RESTART: Duration = Duration::from_secs(4);

/// Watch three replicas on this machine elect a leader, publish a table and fail over.
#[derive(Debug, Parser)]
pub struct DemoOptions {
    /// The folder of manifests [default: examples/manifests, or a copy of them]
    #[arg(long, value_name = "DIR")]
    manifests: Option<PathBuf>,
    /// Kill the leader again and again, as `kill -9` does; it is started again a moment later
    #[arg(long, value_name = "DURATION", value_parser = flags::duration)]
    kill_leader_every: Option<Duration>,
    /// Stop after this time instead of on Ctrl-C
    #[arg(long = "for", value_name = "DURATION", value_parser = flags::duration)]
    length: Option<Duration>,
}

/// Why the demo ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The folder of manifests is not there.
    #[error("--manifests: {} cannot be read: {cause}", .folder.display())]
    Manifests {
        /// The folder.
        folder: PathBuf,
        /// The system's reason.
        cause: io::Error,
    },
    /// The system lacks something that the demo needs.
    #[error("{what}: {cause}")]
    System {
        /// What was being done.
        what: &'static str,
        /// The system's reason.
        cause: io::Error,
    },
    /// A replica ended before it had answered once.
    #[error("r{number} did not start; its log ends with:\n{log}")]
    Start {
        /// The replica's number.
        number: usize,
        /// The last lines of its log.
        log: String,
    },
    /// Nobody reads the account any more.
    #[error("standard output is closed")]
    Closed,
}

/// The replicas, and what was seen of them.
struct Stage {
    setting: Setting,
    client: Client,
    replicas: Vec<Replica>,
    answered: [bool; REPLICAS],
    /// When a replica that died starts again.
    restarts: [Option<Instant>; REPLICAS],
    watch: Watch,
    since: Instant,
}

/// Runs the demo until it is told to stop.
///
/// # Errors
///
/// Where it cannot start, or nobody reads it any more.
pub fn run(options: &DemoOptions) -> Result<(), DemoError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(system("no threads or timers"))?.block_on(demo(options))
}

async fn demo(options: &DemoOptions) -> Result<(), DemoError> {
    // Before anything is started: a signal that comes early must not leave a process behind.
    let mut stop = Stop::new(options.length).map_err(system("no handler of signals"))?;
    let scratch = tempfile::Builder::new().prefix("bellwether-demo-").tempdir();
    let scratch = scratch.map_err(system("no temporary folder"))?;
    let mut stage = Stage::new(options, scratch.path())?;
    let ending = stage.play(options, &mut stop).await;
    join_all(stage.replicas.iter_mut().map(Replica::stop)).await;
    scratch.close().map_err(system("the temporary folder cannot be removed"))?;
    ending?;
    say("\nstopped; no process and no file is left")
}

impl Stage {
    fn new(options: &DemoOptions, scratch: &Path) -> Result<Self, DemoError> {
        let asked = options.manifests.as_deref();
        let manifests = manifests::folder(asked, scratch)
            .map_err(|cause| DemoError::Manifests { folder: asked.unwrap_or(scratch).to_owned(), cause })?;
        let setting = Setting {
            program: std::env::current_exe().map_err(system("this program cannot be found"))?,
            manifests,
            scratch: scratch.to_owned(),
            ports: ports::choose(REPLICAS).map_err(system("no free ports on 127.0.0.1"))?,
        };
        Ok(Self {
            setting,
            client: Client::new(ANSWER),
            replicas: (0..REPLICAS).map(Replica::new).collect(),
            answered: [false; REPLICAS],
            restarts: [None; REPLICAS],
            watch: Watch::default(),
            since: Instant::now(),
        })
    }

    /// Starts the replicas, and tells what they do until it is time to stop.
    async fn play(&mut self, options: &DemoOptions, stop: &mut Stop) -> Result<(), DemoError> {
        say(&self.introduction())?;
        for replica in &mut self.replicas {
            replica.start(&self.setting).map_err(system("a replica cannot be started"))?;
        }
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut next_kill = options.kill_leader_every.map(|every| Instant::now() + every);
        loop {
            tokio::select! {
                () = stop.wait() => return Ok(()),
                _ = look.tick() => {}
            }
            self.mind()?;
            self.look().await?;
            if let Some(every) = options.kill_leader_every
                && next_kill.is_some_and(|at| at <= Instant::now())
            {
                next_kill = Some(Instant::now() + every);
                self.kill_leader()?;
            }
        }
    }

    /// Notices who died, and starts again who has been away long enough.
    fn mind(&mut self) -> Result<(), DemoError> {
        for number in 0..REPLICAS {
            if let Some(status) = self.replicas[number].ended() {
                if !self.answered[number] {
                    let log = replica::last_lines(&self.setting.log(number));
                    return Err(DemoError::Start { number, log });
                }
                self.tell(&format!("r{number} died ({status}); it starts again in {} s", RESTART.as_secs()))?;
                self.restarts[number] = Some(Instant::now() + RESTART);
            }
            if self.restarts[number].take_if(|at| *at <= Instant::now()).is_some() {
                self.replicas[number].start(&self.setting).map_err(system("a replica cannot be started"))?;
                self.tell(&format!("r{number} starts again"))?;
            }
        }
        Ok(())
    }

    /// Looks at all replicas at once, and tells what is new.
    async fn look(&mut self) -> Result<(), DemoError> {
        let urls: Vec<String> =
            self.setting.ports.iter().map(|ports| format!("http://{}", ports.support)).collect();
        let asked = urls.iter().map(|url| self.client.get(url, "/status"));
        let statuses: Vec<Option<Status>> =
            join_all(asked).await.into_iter().map(|body| serde_json::from_slice(&body.ok()?).ok()).collect();
        for (answered, status) in self.answered.iter_mut().zip(&statuses) {
            *answered |= status.is_some();
        }
        for event in self.watch.look(self.since.elapsed(), &statuses) {
            match (&event, self.leader_pid()) {
                (Event::Leads { .. }, Some(pid)) => self.tell(&format!("{event}  (kill -9 {pid})"))?,
                _ => self.tell(&event.to_string())?,
            }
        }
        Ok(())
    }

    fn kill_leader(&self) -> Result<(), DemoError> {
        let Some((leader, pid)) = self.watch.leader().zip(self.leader_pid()) else { return Ok(()) };
        self.tell(&format!("kill -9 {pid}: r{leader}, the leader"))?;
        self.replicas[leader].kill();
        Ok(())
    }

    fn leader_pid(&self) -> Option<u32> {
        self.replicas[self.watch.leader()?].pid()
    }

    fn tell(&self, what: &str) -> Result<(), DemoError> {
        say(&format!("{:7.1}s  {what}", self.since.elapsed().as_secs_f64()))
    }

    fn introduction(&self) -> String {
        let ports = &self.setting.ports;
        let status: Vec<String> = ports.iter().map(|ports| format!("http://{}", ports.support)).collect();
        let mut text = String::from(
            "Three replicas on this machine elect a leader through a lease file and serve one table.\n\n",
        );
        for (number, ports) in ports.iter().enumerate() {
            text +=
                &format!("  r{number}  http://{}/routes  http://{}/status\n", ports.routes, ports.support);
        }
        text += &format!("\n  read the table    curl http://{}/routes\n", ports[0].routes);
        text += &format!("  change it         edit a file in {}\n", self.setting.manifests.display());
        text += "  kill the leader   kill -9 PID, with the PID that stands beside it below\n";
        text += &format!(
            "  ask everyone      {} status --server={}\n",
            self.setting.program.display(),
            status.join(",")
        );
        text + "  stop              Ctrl-C\n"
    }
}

fn say(text: &str) -> Result<(), DemoError> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|_| DemoError::Closed)
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> DemoError {
    move |cause| DemoError::System { what, cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_replica_that_does_not_start_ends_the_demo() {
        let scratch = tempfile::tempdir().unwrap();
        let options = DemoOptions::parse_from(["demo", "--manifests", scratch.path().to_str().unwrap()]);
        let mut stage = Stage::new(&options, scratch.path()).unwrap();
        stage.setting.program = "/bin/false".into();
        let mut stop = Stop::new(None).unwrap();
        let ending = stage.play(&options, &mut stop).await;
        assert!(matches!(ending, Err(DemoError::Start { .. })), "{ending:?}");
        join_all(stage.replicas.iter_mut().map(Replica::stop)).await;
        assert!(stage.replicas.iter().all(|replica| replica.pid().is_none()));
    }
}
