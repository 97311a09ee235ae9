//! Work of a whole compilation, done side by side on as many processors as may be had for it.
//!
//! While nobody is served yet, it has all of them. After that it leaves one to the answers: where threads that stand back have
//! each processor, an answer may wait until the kernel's next tick, some milliseconds.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::Past;

/// More threads than this would have nothing of it: a cluster has few zones.
const MOST: usize = 4;

/// How many processors a compilation after the `past` may have.
pub(super) fn processors(past: &Past) -> usize {
    let all = thread::available_parallelism().map_or(1, |count| count.get());
    let left = usize::from(!past.table.is_empty());
    all.saturating_sub(left).clamp(1, MOST)
}

/// What `make` makes of each of `all`, in their order, on so many threads. A panic goes on here.
pub(super) fn side_by_side<T: Sync, R: Send>(
    all: &[T],
    threads: usize,
    make: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut made = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(one) = all.get(place) else { return made };
            made.push((place, make(one)));
        }
    };
    let mut made: Vec<_> = thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(all.len())).map(|_| scope.spawn(work)).collect();
        let own = work();
        let joined =
            others.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        own.into_iter().chain(joined).collect()
    });
    made.sort_unstable_by_key(|(place, _)| *place);
    made.into_iter().map(|(_, made)| made).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_comes_in_order_whoever_makes_it() {
        let all: Vec<usize> = (0..100).collect();
        for threads in [0, 1, 3, 200] {
            assert_eq!(
                side_by_side(&all, threads, |one| one * 2),
                all.iter().map(|one| one * 2).collect::<Vec<_>>()
            );
        }
        assert!(side_by_side(&[] as &[usize], 3, |one| *one).is_empty());
    }

    #[test]
    fn a_processor_is_left_to_answers_once_there_are_some() {
        let first = processors(&Past::default());
        let later = processors(&Past::inherited("a: * -> <shunt>".into(), Default::default(), Vec::new()));
        assert!(later >= 1 && (later + 1 == first || first == 1 || first == MOST), "{first} {later}");
    }
}
