//! A history as JSON lines: written while the run goes on, read back to be judged again.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use super::Record;

/// What may wait in memory, in bytes.
const BUFFER: usize = 64 << 10;

/// How long it may wait there while records come.
const WAIT: Duration = Duration::from_secs(1);

/// Why a history cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file.
    #[error("cannot read the history")]
    Io(#[from] io::Error),
    /// A line of it. The last one may be half there: the run may have been ended in the middle of it.
    #[error("line {line} is no record: {reason}")]
    Line {
        /// From one.
        line: usize,
        /// Why not.
        reason: serde_json::Error,
    },
}

/// The file of a run.
pub(super) struct Log {
    out: BufWriter<File>,
    flushed: Instant,
    failed: Option<io::Error>,
}

impl Log {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let out = BufWriter::with_capacity(BUFFER, File::create(path)?);
        Ok(Self { out, flushed: Instant::now(), failed: None })
    }

    /// Appends `line`. A disk that is full must not end the run: the error comes with the next [`Log::flush`].
    pub(super) fn append(&mut self, line: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        let mut written = self.out.write_all(line);
        if self.flushed.elapsed() >= WAIT {
            self.flushed = Instant::now();
            written = written.and_then(|()| self.out.flush());
        }
        self.failed = written.err();
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self.failed.take() {
            Some(error) => Err(error),
            None => self.out.flush(),
        }
    }
}

/// A record as a line.
pub(super) fn line(record: &Record) -> Vec<u8> {
    let mut line = serde_json::to_vec(record).expect("records are plain values");
    line.push(b'\n');
    line
}

/// Every record in the file at `path`.
///
/// # Errors
///
/// Where it cannot be read, or a line is no record; a last line that is not complete is left out.
pub fn read(path: &Path) -> Result<Vec<Record>, ReadError> {
    let mut input = BufReader::new(File::open(path)?);
    let (mut records, mut line, mut number) = (Vec::new(), Vec::new(), 0);
    loop {
        line.clear();
        number += 1;
        input.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            return Ok(records);
        }
        let record =
            serde_json::from_slice(&line).map_err(|reason| ReadError::Line { line: number, reason })?;
        records.push(record);
    }
}
