//! `bellwether dump`: what goes with a report, in one file.
//!
//! In: what one replica answers. Out: a `.tar.gz`. What a replica does not answer is in it with the reason; that the replica does
//! not answer at all is an error.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Parser;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::StatusCode;

use super::client::Client;
use super::whom::{Whom, token};
use super::{CliError, block_on, print};

/// How long a replica may take to answer one question: to look around takes longest.
const DEADLINE: Duration = Duration::from_secs(30);

/// What is asked for, and the file that the answer is kept in. The page of a browser is not among it, for it is made of these.
const ASKED: [(&str, &str); 9] = [
    ("/status", "status.json"),
    ("/fleet", "fleet.json"),
    ("/metrics", "metrics.txt"),
    ("/snapshots", "snapshots.json"),
    ("/config", "config.json"),
    ("/doctor", "doctor.json"),
    ("/log", "log-level.txt"),
    ("/readyz", "readyz.txt"),
    ("/livez", "livez.txt"),
];

/// Collect what goes with a report into one file.
#[derive(Debug, Parser)]
#[command(
    after_help = "In it: status (orders, guard, quarantine), fleet (replicas, clients, publications), metrics, the tables that are \
                  kept, the flags less their secrets, what `bellwether doctor` asks, the log's level. No table, no log line, no secret; \
                  ids of routes, names of objects and addresses of clients are in it.\n\n\
                  From a pod: kubectl exec POD -- /bellwether dump --into=- > dump.tar.gz"
)]
pub(super) struct DumpOptions {
    #[command(flatten)]
    whom: Whom,
    /// The file, or - for standard output
    #[arg(long, value_name = "PATH", default_value = "bellwether-dump.tar.gz")]
    into: PathBuf,
}

/// One file of the dump.
struct Kept {
    name: &'static str,
    text: Vec<u8>,
}

/// Asks and writes.
///
/// # Errors
///
/// Where the replica does not answer, or the file cannot be written.
pub(super) fn run(options: &DumpOptions) -> Result<(), CliError> {
    let token = token(options.whom.token_file.as_deref())?;
    let kept = block_on(ask(&options.whom.server, token.as_deref()))??;
    let packed = packed(&kept).map_err(|error| CliError::Failed(format!("cannot be packed: {error}")))?;
    if options.into.as_os_str() == "-" {
        let mut out = io::stdout().lock();
        return out.write_all(&packed).and_then(|()| out.flush()).map_err(|_| CliError::Closed);
    }
    let path = options.into.display();
    std::fs::write(&options.into, &packed).map_err(|error| CliError::Failed(format!("{path}: {error}")))?;
    print(&format!("{path}: {} files, {} bytes\n", kept.len(), packed.len()))
}

async fn ask(server: &str, token: Option<&str>) -> Result<Vec<Kept>, CliError> {
    let client = Client::new(DEADLINE);
    let about = format!("bellwether {} asked {server}\n", env!("CARGO_PKG_VERSION"));
    let mut kept = vec![Kept { name: "about.txt", text: about.into_bytes() }];
    for (path, name) in ASKED {
        let text = match client.answer_to(server, path, token).await {
            // A probe's answer is worth as much where it says no.
            Ok((status, body)) if status == StatusCode::OK || path.ends_with('z') => body.to_vec(),
            Ok((status, body)) => {
                format!("{path} answers {status}: {}\n", String::from_utf8_lossy(&body).trim()).into_bytes()
            }
            Err(error) if path == ASKED[0].0 => return Err(CliError::Failed(error.to_string())),
            Err(error) => format!("{error}\n").into_bytes(),
        };
        kept.push(Kept { name, text });
    }
    Ok(kept)
}

fn packed(kept: &[Kept]) -> io::Result<Vec<u8>> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for Kept { name, text } in kept {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(now.as_secs());
        archive.append_data(&mut header, format!("bellwether-dump/{name}"), text.as_slice())?;
    }
    archive.into_inner()?.finish()
}
