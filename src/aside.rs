//! Work that computes for long, or waits for a disk, is done aside: off the threads that serve.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinHandle;

/// Does `work` on a thread for such work. A runtime of a single thread does it as a task of its own: nothing else can
/// then come between at another place each time, which simulation counts on.
pub fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        tokio::spawn(async move { work() })
    } else {
        tokio::task::spawn_blocking(work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn threads_that_serve_are_left_alone() {
        let here = std::thread::current().id();
        assert_ne!(aside(|| std::thread::current().id()).await.unwrap(), here);
    }

    #[tokio::test]
    async fn one_thread_does_everything_in_order() {
        let here = std::thread::current().id();
        assert_eq!(aside(|| std::thread::current().id()).await.unwrap(), here);
    }
}
