//! Permits that can become fewer while they are taken: then what comes back is kept until there are as few as there should be.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// A number of permits.
#[derive(Debug)]
pub(super) struct Budget {
    free: Arc<Semaphore>,
    size: Mutex<Size>,
}

#[derive(Debug)]
struct Size {
    total: u32,
    /// Taken permits that are too many.
    owed: usize,
}

/// Some of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    permit: OwnedSemaphorePermit,
    budget: Arc<Budget>,
}

impl Budget {
    pub(super) fn new(total: u32) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(total as usize)),
            size: Mutex::new(Size { total, owed: 0 }),
        })
    }

    /// How many there should be.
    pub(super) fn total(&self) -> u32 {
        self.size.lock().total
    }

    /// How many are taken, those that are too many too.
    pub(super) fn taken(&self) -> u32 {
        let size = self.size.lock();
        let free = u32::try_from(self.free.available_permits()).unwrap_or(u32::MAX);
        let owed = u32::try_from(size.owed).unwrap_or(u32::MAX);
        size.total.saturating_add(owed).saturating_sub(free)
    }

    /// From now on there are `total`, as soon as what is taken beyond that has come back.
    pub(super) fn resize(&self, total: u32) {
        let mut size = self.size.lock();
        let before = std::mem::replace(&mut size.total, total);
        if total < before {
            let surplus = (before - total) as usize;
            size.owed += surplus - self.free.forget_permits(surplus);
        } else {
            let more = (total - before) as usize;
            let kept = more.min(size.owed);
            size.owed -= kept;
            self.free.add_permits(more - kept);
        }
    }

    /// `count` of them, if they are free.
    pub(super) fn try_take(self: &Arc<Self>, count: u32) -> Option<Share> {
        let permit = Arc::clone(&self.free).try_acquire_many_owned(count).ok()?;
        Some(Share { permit, budget: Arc::clone(self) })
    }

    /// `count` of them, once they are free and whoever came before has its own.
    pub(super) async fn take(self: &Arc<Self>, count: u32) -> Result<Share, AcquireError> {
        let permit = Arc::clone(&self.free).acquire_many_owned(count).await?;
        Ok(Share { permit, budget: Arc::clone(self) })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut size = self.budget.size.lock();
        let kept = size.owed.min(self.permit.num_permits());
        if let Some(permit) = self.permit.split(kept).filter(|_| kept > 0) {
            permit.forget();
            size.owed -= kept;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(budget: &Arc<Budget>) -> usize {
        budget.free.available_permits()
    }

    #[test]
    fn what_is_free_goes_at_once_and_what_is_taken_when_it_comes_back() {
        let budget = Budget::new(10);
        let (six, two) = (budget.try_take(6).unwrap(), budget.try_take(2).unwrap());
        budget.resize(3);
        assert_eq!((free(&budget), budget.total(), budget.taken()), (0, 3, 8));
        assert!(budget.try_take(1).is_none());
        drop(six);
        assert_eq!((free(&budget), budget.taken()), (1, 2));
        drop(two);
        assert_eq!(free(&budget), 3);
    }

    #[test]
    fn what_is_given_again_is_taken_from_what_was_owed_first() {
        let budget = Budget::new(10);
        let all = budget.try_take(10).unwrap();
        budget.resize(2);
        budget.resize(7);
        assert_eq!(free(&budget), 0);
        drop(all);
        assert_eq!(free(&budget), 7);
        budget.resize(9);
        assert_eq!(free(&budget), 9);
    }

    #[tokio::test]
    async fn who_waits_is_woken_by_more_of_them() {
        let budget = Budget::new(1);
        let _one = budget.try_take(1).unwrap();
        let waiter = Arc::clone(&budget);
        let waiting = tokio::spawn(async move { waiter.take(2).await.is_ok() });
        tokio::task::yield_now().await;
        budget.resize(3);
        assert!(waiting.await.unwrap());
    }
}
