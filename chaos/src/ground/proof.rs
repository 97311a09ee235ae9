//! What this machine can do: each fault is done once, on a small scale, and looked at. `chaos ground` prints it.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use jiff::SignedDuration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::disk::Disk;
use super::group::Group;
use super::{Entered, Ground, Lacking, Place, WallClock, files, missing};
use crate::history::History;
use crate::http::Call;
use crate::process::Process;
use crate::stage::backend::Backend;
use crate::stage::vip::{Probe, Target, Vip};
use crate::stage::{Folder, until};

const SOON: Duration = Duration::from_secs(20);
const EVERY: Duration = Duration::from_millis(10);

/// The options of `ground`.
#[derive(Args, Debug)]
pub struct GroundArgs {}

impl GroundArgs {
    /// Prints what works here; whether everything does.
    ///
    /// # Errors
    ///
    /// Where not even that can be found out.
    pub async fn run(self) -> Result<bool> {
        let ground = match missing() {
            Some(missing) => {
                println!(
                    "Only loopback, on which the net does not break: places of their own need {missing}."
                );
                Ground::loopback()
            }
            None => match Ground::enter().await? {
                Entered::Inside(ground) => ground,
                Entered::Over(success) => return Ok(success),
            },
        };
        let folder = Folder::new()?;
        let outcomes = all(&ground, &folder).await;
        let good = outcomes.iter().all(|(_, outcome)| outcome.is_ok());
        for (what, outcome) in outcomes {
            let text = outcome.map_or_else(|error| format!("{error:#}"), |()| "works".to_owned());
            println!("{what:<42}{text}");
        }
        Ok(good)
    }
}

/// Every fault, and whether it works here. What the machine lacks is [`Lacking`].
pub async fn all(ground: &Ground, folder: &Folder) -> Vec<(&'static str, Result<()>)> {
    vec![
        ("a Service over places, and who answered", service(ground).await),
        ("packets lost without a word", cut(ground).await),
        ("bandwidth", bandwidth(ground).await),
        ("delay", delay(ground).await),
        ("open files", open_files(ground, folder).await),
        ("CPU", cpu(ground, folder).await),
        ("memory", memory(ground, folder).await),
        ("a disk that is full or read-only", disk(folder)),
        ("the wall clock of one process", clock(ground, folder).await),
    ]
}

async fn service(ground: &Ground) -> Result<()> {
    let place = ground.place("proof-service")?;
    let backend = Backend::start(&place)?;
    let at = backend.address();
    let target = Target { name: "one".to_owned(), serve: at, ready: (at, "/") };
    let vip = Vip::start(ground, vec![target], Probe::default(), History::default()).await?;
    vip.steady(SOON).await?;
    let (from, _) = call(vip.address(), SOON).await?;
    ensure!(vip.ledger().taken_by(from).is_some(), "nothing tells who answered");
    Ok(())
}

async fn cut(ground: &Ground) -> Result<()> {
    let (a, b) = pair(ground, "cut")?;
    let backend = Backend::start(&a)?;
    a.cut(&b)?;
    let connected =
        b.within(|| TcpStream::connect_timeout(&backend.address(), Duration::from_millis(300)))?;
    ground.heal()?;
    ensure!(connected.is_err_and(|error| error.kind() == std::io::ErrorKind::TimedOut), "they arrive");
    b.within(|| TcpStream::connect_timeout(&backend.address(), SOON))?.context("after it was healed")?;
    Ok(())
}

async fn bandwidth(ground: &Ground) -> Result<()> {
    let (a, b) = pair(ground, "bandwidth")?;
    a.limit(Some(100_000))?;
    let listener = a.listen(7001)?;
    let address = listener.local_addr()?;
    let sent = b.within(|| -> std::io::Result<_> {
        let stream = TcpStream::connect(address)?;
        stream.set_nonblocking(true)?;
        Ok(stream)
    })??;
    let (mut stream, (mut other, _)) = (tokio::net::TcpStream::from_std(sent)?, listener.accept().await?);
    let start = Instant::now();
    let send = async {
        AsyncWriteExt::write_all(&mut other, &[0; 100_000]).await?;
        drop(other);
        std::io::Result::Ok(())
    };
    let mut received = Vec::new();
    tokio::try_join!(send, AsyncReadExt::read_to_end(&mut stream, &mut received))?;
    a.heal()?;
    ensure!(start.elapsed() > Duration::from_millis(300), "100 kB at 100 kB/s took {:?}", start.elapsed());
    Ok(())
}

async fn delay(ground: &Ground) -> Result<()> {
    let (a, b) = pair(ground, "delay")?;
    let backend = Backend::start(&a)?;
    let slow = a.slow(&b, backend.address().port()).await?;
    let way = Duration::from_millis(150);
    let mut took = Vec::new();
    for delay in [Duration::ZERO, way] {
        slow.delay(delay);
        let (b, to, start) = (b.clone(), backend.address(), Instant::now());
        // It waits for the harness, which carries it.
        let asked = tokio::task::spawn_blocking(move || b.within(|| ask(to))).await???;
        ensure!(asked.contains("200 OK"), "{asked}");
        took.push(start.elapsed());
    }
    ensure!(took[1] >= way * 2, "there and back took {took:?}, with {way:?} each way the second time");
    Ok(())
}

/// One request, by means of the thread that calls.
fn ask(to: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(to)?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    std::io::read_to_string(stream)
}

async fn open_files(ground: &Ground, folder: &Folder) -> Result<()> {
    let place = ground.place("proof-a")?;
    // It opens one file more each time that it is told, and says whether it could.
    let script = "while :; do if (exec 9</dev/null) 2>/dev/null; then echo could; else echo could not; fi; sleep 0.02; done";
    let process = shell(&place, "open-files", script, folder)?;
    until("a file that opens", SOON, EVERY, async || (process.tail(1) == "could").then_some(())).await?;
    files::limit(process.pid(), Some(3))?;
    until("a file that does not open", SOON, EVERY, async || (process.tail(1) == "could not").then_some(()))
        .await?;
    files::limit(process.pid(), None)?;
    until("a file that opens again", SOON, EVERY, async || (process.tail(1) == "could").then_some(())).await
}

async fn cpu(ground: &Ground, folder: &Folder) -> Result<()> {
    let group = Group::new("proof-cpu")?;
    group.limit_cpu(Some(5))?;
    let process = shell(&ground.place("proof-a")?, "cpu", "while :; do :; done", folder)?;
    group.add(process.pid())?;
    let throttled = until("a process that is held back", SOON, EVERY, async || {
        group.throttled().ok().filter(|times| *times > 0)
    });
    throttled.await.map(drop)
}

async fn memory(ground: &Ground, folder: &Folder) -> Result<()> {
    let group = Group::new("proof-memory")?;
    group.limit_memory(Some(16 << 20))?;
    // tail keeps a line until it ends.
    let script = "sleep 0.3; head -c 100000000 /dev/zero | tail -n 1 | wc -c";
    let mut process = shell(&ground.place("proof-a")?, "memory", script, folder)?;
    group.add(process.pid())?;
    process.wait(SOON).await?;
    let got = process.tail(1);
    ensure!(got.trim() != "100000000", "a process got 100 MB where 16 MiB were allowed");
    Ok(())
}

fn disk(folder: &Folder) -> Result<()> {
    let path = folder.sub("proof-disk")?;
    let disk = Disk::mount(&path, 64 << 10)?;
    let write = |bytes: usize| std::fs::write(path.join("file"), vec![1; bytes]);
    write(8192)?;
    disk.fill()?;
    ensure!(write(16_384).is_err(), "there is room on a full disk");
    disk.free()?;
    write(16_384)?;
    disk.read_only(true)?;
    ensure!(write(1).is_err(), "a disk that is read-only was written to");
    disk.read_only(false)?;
    write(1)?;
    Ok(())
}

async fn clock(ground: &Ground, folder: &Folder) -> Result<()> {
    let clock = WallClock::new(&folder.sub("proof-clock")?)?;
    let place = ground.place("proof-a")?;
    for hours in [0, 1000, -1000] {
        clock.shift(SignedDuration::from_hours(hours))?;
        let output = place.command("date").arg("+%s").envs(clock.env()).output().await?;
        let said: i64 =
            String::from_utf8_lossy(&output.stdout).trim().parse().context("date prints a number")?;
        let off = said - jiff::Timestamp::now().as_second() - hours * 3600;
        if off.abs() > 60 {
            bail!("{hours} hours ahead, date is {off} s off");
        }
    }
    Ok(())
}

/// Two places whose net can break. Others for each fault: what served there may still be about to end.
fn pair(ground: &Ground, fault: &str) -> Result<(Place, Place)> {
    if !ground.has_places() {
        return Err(Lacking::new("places of their own, and so root").into());
    }
    Ok((ground.place(&format!("{fault}-a"))?, ground.place(&format!("{fault}-b"))?))
}

fn shell(place: &Place, name: &str, script: &str, folder: &Folder) -> Result<Process> {
    let mut command = place.command("sh");
    command.args(["-c", script]);
    Process::spawn(name, command, &folder.sub("logs")?)
}

async fn call(to: SocketAddr, deadline: Duration) -> Result<(SocketAddr, crate::http::Reply)> {
    let sent = Call { deadline, ..Call::get(to, "/") }.send().await;
    sent.map_err(|failure| anyhow::anyhow!(failure.cause))
}
