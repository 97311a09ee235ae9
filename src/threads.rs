//! The threads of everything but serving, and who of them stands back.
//!
//! What takes long (reading lists, compiling, compressing, hashing, writing to disk) runs as tokio's blocking work. Those
//! threads have a lower priority than all others: a compile takes what the answers, the election and replication leave
//! of the processors. In Linux each thread has a nice value of its own (sched(7)), which the threads that it starts inherit.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use tokio::runtime::{Builder, Runtime};

/// Against a thread that wants the same processor, a tenth of it (sched(7)): polls are not felt to wait, and a compile
/// still goes on where polls never end.
const STANDS_BACK: i32 = 10;

/// A runtime whose blocking work stands back.
///
/// # Errors
///
/// Where the system gives no threads.
pub fn runtime() -> io::Result<Runtime> {
    let workers = thread::available_parallelism().map_or(1, |count| count.get());
    let (begun, begins) = mpsc::channel();
    let threads = Arc::new(AtomicUsize::new(0));
    // Those of the workers begin with the runtime, all others later.
    let start = move || {
        if threads.fetch_add(1, Ordering::Relaxed) >= workers {
            stand_back();
        }
        let _ = begun.send(());
    };
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers).enable_all().thread_name("bellwether").on_thread_start(start);
    let runtime = builder.build()?;
    for _ in 0..workers {
        begins.recv().map_err(io::Error::other)?;
    }
    Ok(runtime)
}

fn stand_back() {
    // Without a process it is the thread that calls (setpriority(2)).
    if let Err(error) = rustix::process::setpriority_process(None, STANDS_BACK) {
        tracing::debug!(%error, "a thread cannot stand back");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nice() -> i32 {
        rustix::process::getpriority_process(None).expect("our own")
    }

    #[test]
    fn blocking_work_stands_back_and_what_it_starts_too() {
        let runtime = runtime().expect("threads");
        let ours = nice();
        let (worker, blocking, started) = runtime.block_on(async {
            let worker = tokio::spawn(async { nice() }).await.expect("joined");
            let both = || (nice(), thread::spawn(nice).join().expect("joined"));
            let (blocking, started) = tokio::task::spawn_blocking(both).await.expect("joined");
            (worker, blocking, started)
        });
        assert_eq!(worker, ours);
        assert_eq!((blocking, started), (ours.max(STANDS_BACK), ours.max(STANDS_BACK)));
    }
}
