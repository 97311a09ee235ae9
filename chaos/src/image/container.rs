//! The image run as a node runs it: unpacked by its digests, as nobody, on a root that is read-only, with nothing else in it.
//!
//! In: a layout, as anybody would pull it. Out: whether what is in it starts, resolves a name, elects itself, reads the API
//! server, serves the table that every build of the commit serves, and ends when it is told. What can go wrong: the machine
//! has no namespaces; then it runs beside us, which says so.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;
use rustix::process::{Signal, getuid};
use serde_json::Value;
use tokio::process::Command;
use tokio::time::Instant;

use super::layout::{PROGRAM, USER, blob, digest};
use crate::fakeapi::FakeApi;
use crate::http::Call;
use crate::ports;
use crate::process::Process;
use crate::stage::{Folder, manifests, until};

/// From an empty disk to a first table, with an emulated processor too.
const SERVES: Duration = Duration::from_secs(60);

/// From SIGTERM to the end, at the drain that is given here.
const ENDS: Duration = Duration::from_secs(10);

const LOOK: Duration = Duration::from_millis(50);

/// What Kubernetes mounts, and what the name of the API server here is.
const HOSTS: &str = "127.0.0.1 localhost\n127.0.0.1 upstream.test\n";

/// Unpacks the image of `architecture` from the layout in `from`: the folder that is its root, and how many bytes were read.
///
/// # Errors
///
/// Where a blob is not what its digest says, or there is no such image.
pub fn unpack(from: &Path, architecture: &str, folder: &Folder) -> Result<(PathBuf, usize)> {
    let json = |bytes: Vec<u8>| -> Result<Value> { serde_json::from_slice(&bytes).context("read JSON") };
    let read = |descriptor: &Value| -> Result<Vec<u8>> {
        let named = descriptor["digest"].as_str().context("a descriptor has a digest")?;
        let path = from.join(blob(named));
        let bytes = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        ensure!(digest(&bytes) == named, "{} is not what it is called by", path.display());
        Ok(bytes)
    };
    let index = json(std::fs::read(from.join("index.json")).context("read index.json")?)?;
    let index = json(read(&index["manifests"][0])?)?;
    let images = index["manifests"].as_array().context("an index has manifests")?;
    let image = images.iter().find(|image| image["platform"]["architecture"] == architecture);
    let manifest = json(read(image.with_context(|| format!("there is no image for {architecture}"))?)?)?;
    let config = json(read(&manifest["config"])?)?;
    let user = config["config"]["User"].as_str().context("the image has a user")?;
    ensure!(user == format!("{USER}:{USER}"), "the image's user is {user}");
    ensure!(config["config"]["Entrypoint"][0] == format!("/{PROGRAM}"), "the image starts something else");
    let root = folder.sub(&format!("root-{architecture}"))?;
    let mut pulled = 0;
    for layer in manifest["layers"].as_array().context("a manifest has layers")? {
        let bytes = read(layer)?;
        pulled += bytes.len();
        let mut archive = tar::Archive::new(GzDecoder::new(&bytes[..]));
        archive.unpack(&root).context("unpack a layer")?;
    }
    Ok((root, pulled))
}

/// Runs what is in `root`, through `emulator` where there is one, and has it serve.
///
/// # Errors
///
/// What it did not do.
pub async fn serve(root: &Path, emulator: Option<&Path>, folder: &Folder) -> Result<()> {
    let api = FakeApi::start(&[manifests::marker(1)]).await?;
    let upstream: SocketAddr =
        api.url().trim_start_matches("http://").parse().context("the API server's address")?;
    let [serve, support, replication] = [ports::free()?, ports::free()?, ports::free()?];
    let etc = root.join("etc");
    std::fs::create_dir_all(&etc).context("make etc")?;
    std::fs::write(etc.join("hosts"), HOSTS).context("write hosts")?;
    for mounted in ["state", "dev"] {
        std::fs::create_dir_all(root.join(mounted)).context("make a place for what is mounted")?;
    }
    for device in ["null", "random", "urandom"] {
        std::fs::write(root.join("dev").join(device), "").context("make a place for a device")?;
    }
    let volume = folder.sub("volume")?;
    std::fs::set_permissions(&volume, PermissionsExt::from_mode(0o777))
        .context("open the volume to nobody")?;
    if let Some(emulator) = emulator {
        std::fs::copy(emulator, root.join("emulator")).context("lay the emulator into the root")?;
    }
    let program = format!("/{PROGRAM}");
    let start = if emulator.is_some() { vec!["/emulator".to_owned(), program] } else { vec![program] };
    let flags = [
        "serve".to_owned(),
        "--source=kubernetes".to_owned(),
        // By name: a static program still has to find the resolver's files.
        format!("-kubernetes-url=http://upstream.test:{}", upstream.port()),
        "--lease=kubernetes:default/bellwether".to_owned(),
        "--state-dir=/state".to_owned(),
        "--id=image".to_owned(),
        "-wait-for-healthcheck-interval=1s".to_owned(),
        format!("-address={serve}"),
        format!("-support-listener={support}"),
        format!("--replication-listener={replication}"),
    ];
    let mut command = contained(root, &volume);
    command.args(start).args(flags);
    let mut process = Process::spawn("image", command, &folder.sub("logs")?)?;
    let served = until("a table from the image", SERVES, LOOK, async || {
        let (_, reply) = Call::get(serve, "/routes").send().await.ok()?;
        (reply.status == 200).then_some(reply.body)
    });
    let table = served.await.map_err(|error| process.blame(&error))?;
    ensure!(String::from_utf8_lossy(&table).contains("generation 1"), "the table has not what there is");
    let started = Instant::now();
    process.signal(Signal::TERM);
    let status = process.wait(ENDS).await.map_err(|error| process.blame(&error))?;
    ensure!(status.success(), "it ended with {status} after {:?}: {}", started.elapsed(), process.tail(5));
    Ok(())
}

/// A command in `root`: as nobody, with a read-only root; `volume` is mounted at `/state`, and the devices are there that the
/// runtime specification of the OCI has every container have, as far as anybody asks for them.
fn contained(root: &Path, volume: &Path) -> Command {
    let mut command = Command::new("unshare");
    let script = r#"set -e; root=$1 volume=$2 user=$3; shift 3
        mount --bind "$root" "$root"; mount --bind "$volume" "$root/state"
        for device in null random urandom; do mount --bind "/dev/$device" "$root/dev/$device"; done
        mount -o remount,bind,ro "$root"
        exec unshare --root="$root" --wd=/ --setuid="$user" --setgid="$user" "$@""#;
    command.args(["--mount", "sh", "-c", script, "sh"]);
    command.arg(root).arg(volume).arg(USER.to_string());
    command
}

/// Whether this machine can run it as a node does.
pub fn can() -> bool {
    getuid().is_root()
}
