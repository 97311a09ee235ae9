//! Choices, all from one seed.

/// A source of choices.
pub(super) struct Dice(fastrand::Rng);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// True in so many of a hundred cases.
    pub(super) fn chance(&mut self, percent: u8) -> bool {
        self.0.u8(0..100) < percent
    }

    /// 0 to `most`.
    pub(super) fn up_to(&mut self, most: usize) -> usize {
        self.0.usize(0..=most)
    }

    /// One of them.
    pub(super) fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.0.usize(0..all.len())]
    }

    /// `number` of them, with repetitions.
    pub(super) fn several<T: Copy>(&mut self, number: usize, all: &[T]) -> Vec<T> {
        (0..number).map(|_| self.pick(all)).collect()
    }

    /// Puts them into another order.
    pub(super) fn shuffle<T>(&mut self, all: &mut [T]) {
        self.0.shuffle(all);
    }
}
