//! What each level of compression costs, and what it saves: `levels FILE`, where FILE is a table as text (`curl /routes`).
//!
//! The table is cut and compressed as replicas do it, but in blocks of even size.

use flate2::{Compress, Compression, FlushCompress};
use rustix::time::{ClockId, clock_gettime};

/// About the size of a block (`src/snapshot/cut.rs`).
const BLOCK: usize = 100 << 10;

/// Each level takes its turn so many times; the quickest counts.
const ROUNDS: usize = 5;

/// The processor's time of this process, in seconds.
fn processor() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(1).ok_or_else(|| anyhow::anyhow!("which file?"))?;
    let text = std::fs::read(path)?;
    println!("| level | ms | bytes of {} |\n| --- | --- | --- |", text.len());
    let mut best = [(f64::INFINITY, 0); 10];
    for _ in 0..ROUNDS {
        for level in 1..=9 {
            let start = processor();
            let mut bytes = 0;
            let mut deflate = Compress::new(Compression::new(level), false);
            for block in text.chunks(BLOCK) {
                let mut out = Vec::with_capacity(block.len() / 2 + 1024);
                deflate.compress_vec(block, &mut out, FlushCompress::Full)?;
                bytes += out.len();
                deflate.reset();
            }
            let (least, _) = best[level as usize];
            best[level as usize] = ((processor() - start).min(least), bytes);
        }
    }
    for (level, (seconds, bytes)) in best.iter().enumerate().skip(1) {
        println!("| {level} | {:.0} | {bytes} |", seconds * 1000.0);
    }
    Ok(())
}
