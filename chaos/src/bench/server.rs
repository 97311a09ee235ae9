//! The three programs, as they are started here, and what all of them can be asked.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;
use tokio::time::Instant;

use super::cost;
use super::load::Load;
use crate::http::{Call, Reply};
use crate::peers::ROUTESRV;
use crate::ports;
use crate::process::Process;
use crate::stage::{Folder, program, until};

/// One of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Program {
    Bellwether,
    Routesrv,
    /// Serves the table as a file: the floor.
    Nginx,
}

/// Where their binaries are.
pub(super) struct Binaries {
    bellwether: PathBuf,
    routesrv: PathBuf,
    nginx: PathBuf,
}

/// A running one.
pub(super) struct Server {
    pub(super) program: Program,
    pub(super) process: Process,
    pub(super) serve: SocketAddr,
    /// Metrics.
    pub(super) support: SocketAddr,
    /// How long it took until it listened.
    pub(super) listening: Duration,
    started: Instant,
}

/// A table and its tag, encoded and not.
pub(super) struct Served {
    pub(super) gzip: (String, bytes::Bytes),
    pub(super) plain: (String, bytes::Bytes),
}

/// Until a first table of 20,000 objects, on a machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(180);

const LOOK: Duration = Duration::from_millis(2);

impl Program {
    pub(super) const ALL: [Self; 3] = [Self::Bellwether, Self::Routesrv, Self::Nginx];

    /// Those that make tables.
    pub(super) const MAKERS: [Self; 2] = [Self::Bellwether, Self::Routesrv];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Bellwether => "bellwether",
            Self::Routesrv => "routesrv",
            Self::Nginx => "nginx",
        }
    }

    const fn paths(self) -> (&'static str, &'static str) {
        match self {
            Self::Nginx => ("/gzip/routes", "/plain/routes"),
            _ => ("/routes", "/routes"),
        }
    }
}

impl Binaries {
    /// Finds them.
    ///
    /// # Errors
    ///
    /// Where one of them is not there; the message says how it comes there.
    pub(super) async fn find(bellwether: Option<PathBuf>) -> Result<Self> {
        let places = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"].map(PathBuf::from);
        let nginx = places.into_iter().find(|path| path.is_file());
        Ok(Self {
            nginx: nginx.context("nginx is not installed; on Debian: apt-get install nginx-light")?,
            routesrv: ROUTESRV.binary()?,
            bellwether: program::bellwether(bellwether).await?,
        })
    }

    pub(super) fn of(&self, program: Program) -> &Path {
        match program {
            Program::Bellwether => &self.bellwether,
            Program::Routesrv => &self.routesrv,
            Program::Nginx => &self.nginx,
        }
    }

    /// Starts `program`, as [`Server::start`] does.
    ///
    /// # Errors
    ///
    /// Where it does not start.
    pub(super) async fn start(
        &self,
        program: Program,
        upstream: &str,
        poll: Duration,
        folder: &Folder,
    ) -> Result<Server> {
        Server::start(program, self.of(program), upstream, poll, folder).await
    }
}

impl Server {
    /// Starts `program` from its `binary`, to read `upstream` each `poll`, and waits until it listens.
    ///
    /// # Errors
    ///
    /// Where it does not start.
    pub(super) async fn start(
        program: Program,
        binary: &Path,
        upstream: &str,
        poll: Duration,
        folder: &Folder,
    ) -> Result<Self> {
        let (serve, support) = (ports::free()?, ports::free()?);
        let mut args = vec![
            format!("-kubernetes-url={upstream}"),
            "-enable-kubernetes-endpointslices".to_owned(),
            format!("-address={serve}"),
            format!("-support-listener={support}"),
            format!("-source-poll-timeout={}", poll.as_millis()),
        ];
        match program {
            Program::Bellwether => {
                let state = tempfile::Builder::new().tempdir_in(folder.path())?.keep();
                args.splice(..0, ["serve".to_owned(), "--id=measured".to_owned()]);
                args.push(format!("--state-dir={}", state.display()));
                args.push(format!("--lease=file:{}", state.join("lease").display()));
                // It is all there is: who does not know whether it has peers waits for what they may have been granted.
                let replication = ports::free()?;
                args.push(format!("--replication-listener={replication}"));
                args.push(format!("--peers={replication}"));
            }
            Program::Routesrv => args.push("-kubernetes".to_owned()),
            Program::Nginx => args = nginx(serve, folder)?,
        }
        let mut command = Command::new(binary);
        command.args(args);
        let started = Instant::now();
        let mut process = Process::spawn(program.name(), command, &folder.sub("logs")?)?;
        let listens = until("it listens", PATIENCE, LOOK / 2, async || {
            if process.exited().is_some() {
                return Some(None);
            }
            tokio::net::TcpStream::connect(serve).await.ok().map(|_| Some(started.elapsed()))
        });
        let listening = listens.await?;
        let listening = listening.with_context(|| format!("it ended: {}", process.tail(5)))?;
        Ok(Self { program, process, serve, support, listening, started })
    }

    pub(super) fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// The CPU time that it has used.
    pub(super) fn cpu(&self) -> Result<Duration> {
        cost::cpu(self.pid())
    }

    /// Waits until it has a table; how long that took from its start, and how much CPU time.
    pub(super) async fn first_table(&self) -> Result<(Duration, Duration)> {
        let ready = until("a first table", PATIENCE, LOOK, async || {
            let (_, reply) = Call::get(self.serve, "/health").send().await.ok()?;
            reply.status.is_success().then_some(())
        });
        ready.await.map_err(|error| self.process.blame(&error))?;
        let reply = self.get(true).await?;
        ensure!(reply.status == 200, "it is healthy but answers {}", reply.status);
        Ok((self.started.elapsed(), self.cpu()?))
    }

    /// The table, in both encodings.
    pub(super) async fn served(&self) -> Result<Served> {
        let of = |reply: &Reply| (reply.header("etag").to_owned(), reply.body.clone());
        let served = Served { gzip: of(&self.get(true).await?), plain: of(&self.get(false).await?) };
        ensure!(served.gzip.1.len() * 2 < served.plain.1.len(), "{} has no gzip", self.program.name());
        Ok(served)
    }

    /// Waits until it serves another table than that of `tag`, and gives the tag of that one.
    pub(super) async fn after(&self, tag: &str) -> Result<String> {
        let headers = [(http::header::ACCEPT_ENCODING, "gzip"), (http::header::IF_NONE_MATCH, tag)];
        let call = Call { headers: &headers, deadline: PATIENCE, ..Call::get(self.serve, "/routes") };
        let changed = until("another table", PATIENCE, LOOK, async || {
            let (_, reply) = call.send().await.ok()?;
            (reply.status == 200).then(|| reply.header("etag").to_owned())
        });
        changed.await.map_err(|error| self.process.blame(&error))
    }

    async fn get(&self, gzip: bool) -> Result<Reply> {
        let headers = [(http::header::ACCEPT_ENCODING, if gzip { "gzip" } else { "identity" })];
        let (gzipped, plain) = self.program.paths();
        let path = if gzip { gzipped } else { plain };
        let call = Call { headers: &headers, deadline: PATIENCE, ..Call::get(self.serve, path) };
        let (_, reply) = call.send().await.map_err(|failure| anyhow::anyhow!("{}", failure.cause))?;
        Ok(reply)
    }

    /// Clients that ask for its table, and get 304 where `etag` is given.
    pub(super) fn load(&self, etag: Option<&str>, gzip: bool, close: bool) -> Load {
        let (gzipped, plain) = self.program.paths();
        Load {
            to: self.serve,
            path: if gzip { gzipped } else { plain },
            etag: etag.map(str::to_owned),
            gzip,
            status: if etag.is_some() { 304 } else { 200 },
            close,
        }
    }
}

/// A single process, whose CPU time is that of serving.
fn nginx(serve: SocketAddr, folder: &Folder) -> Result<Vec<String>> {
    let at = folder.sub("nginx")?;
    let config = format!(
        "daemon off; master_process off; pid nginx.pid; error_log error.log;
         events {{ worker_connections 2048; }}
         http {{
             access_log off; default_type text/plain; sendfile on; keepalive_requests 1000000000; etag on;
             client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
             server {{
                 listen {serve};
                 root {};
                 location /gzip/ {{ add_header Content-Encoding gzip always; }}
                 location /plain/ {{ }}
             }}
         }}",
        at.display()
    );
    std::fs::write(at.join("nginx.conf"), config)?;
    let text = |text: &str| text.to_owned();
    Ok(vec![
        text("-p"),
        at.display().to_string(),
        text("-c"),
        text("nginx.conf"),
        text("-e"),
        text("error.log"),
    ])
}

/// Puts the table where nginx serves it from.
///
/// # Errors
///
/// Where the folder cannot be written.
pub(super) fn give_nginx(served: &Served, folder: &Folder) -> Result<()> {
    for (name, bytes) in [("gzip", &served.gzip.1), ("plain", &served.plain.1)] {
        let at = folder.sub(&format!("nginx/{name}"))?.join("routes");
        std::fs::write(&at, bytes).with_context(|| format!("write {}", at.display()))?;
    }
    Ok(())
}
