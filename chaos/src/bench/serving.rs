//! What it costs to serve: three processes side by side with the same table, one after the other asked the same.

use std::time::Duration;

use anyhow::Result;

use super::figures::{Figures, Row};
use super::making::{millis, p99};
use super::server::{Binaries, Program, Served, Server, give_nginx};
use super::upstream::Upstream;
use crate::stage::Folder;

/// Nothing is read while it is measured.
const NEVER: Duration = Duration::from_secs(3600);

/// How many clients ask at once.
const CLIENTS: usize = 50;

/// How long each thing is done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lengths {
    /// Clients ask as fast as they are answered.
    pub(super) full: Duration,
    /// Clients ask at a rate.
    pub(super) rated: Duration,
}

/// The three, each with the table.
pub(super) struct Field(Vec<(Server, Served)>);

impl Field {
    /// Starts them.
    ///
    /// # Errors
    ///
    /// Where one of them does not start, or has another table.
    pub(super) async fn start(binaries: &Binaries, upstream: &Upstream, folder: &Folder) -> Result<Self> {
        let mut field = Vec::new();
        for program in Program::MAKERS {
            let server = binaries.start(program, &upstream.url(), NEVER, folder).await?;
            server.first_table().await?;
            let served = server.served().await?;
            field.push((server, served));
        }
        give_nginx(&field[0].1, folder)?;
        let nginx = binaries.start(Program::Nginx, "", NEVER, folder).await?;
        let served = nginx.served().await?;
        field.push((nginx, served));
        let same = |(_, served): &(Server, Served)| served.plain.1 == field[0].1.plain.1;
        anyhow::ensure!(field.iter().all(same), "they do not serve the same table");
        Ok(Self(field))
    }

    /// One round: each row for each program, the programs in turn.
    ///
    /// # Errors
    ///
    /// Where one of them answers what it should not.
    pub(super) async fn round(&self, objects: usize, lengths: Lengths, figures: &mut Figures) -> Result<()> {
        for row in [Row::KeepAlive304, Row::Connection304, Row::Plain304, Row::Gzip200] {
            for (server, Served { gzip, plain }) in &self.0 {
                let load = match row {
                    Row::KeepAlive304 => server.load(Some(&gzip.0), true, false),
                    Row::Connection304 => server.load(Some(&gzip.0), true, true),
                    Row::Plain304 => server.load(Some(&plain.0), false, false),
                    _ => server.load(None, true, false),
                };
                let before = server.cpu()?;
                let answers = load.as_fast_as_answered(CLIENTS, lengths.full).await?;
                let used = server.cpu()? - before;
                figures.add(objects, row, server.program, millis(used) * 1e3 / answers.max(1) as f64);
            }
        }
        for (server, Served { gzip, .. }) in &self.0 {
            let load = server.load(Some(&gzip.0), true, false);
            let p99 = p99(load.at_rate(1_000, CLIENTS as u32, lengths.rated)).await?;
            figures.add(objects, Row::QuietP99, server.program, p99);
        }
        Ok(())
    }
}
