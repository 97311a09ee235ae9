//! Go's `sort.Slice`: a pattern-defeating quicksort (Peters, arXiv:2106.05123) that leaves equal elements in an order
//! of its own beyond twelve elements. That order is visible in Skipper's canonical routes, so each step is done here
//! as Go does it: insertion sort for short ranges, median or ninther as the pivot, at most five repairs in what looks
//! sorted, three swaps by xorshift after an unbalanced partition, heapsort when that was too often.

/// Sorts `items` by `less` into the order that Go's `sort.Slice` gives them.
pub(super) fn sort<T>(items: &mut [T], less: impl Fn(&T, &T) -> bool) {
    let end = items.len();
    let patience = usize::BITS - end.leading_zeros();
    Sorter { items, less }.sort(0, end, patience);
}

/// Ranges are half open; positions are those of the whole, for a partition looks at the element before it.
struct Sorter<'a, T, L> {
    items: &'a mut [T],
    less: L,
}

/// What the choice of a pivot tells of a range.
#[derive(PartialEq, Eq)]
enum Looks {
    Ascending,
    Descending,
    Unsorted,
}

impl<T, L: Fn(&T, &T) -> bool> Sorter<'_, T, L> {
    fn less(&self, a: usize, b: usize) -> bool {
        (self.less)(&self.items[a], &self.items[b])
    }

    fn sort(&mut self, mut begin: usize, mut end: usize, mut patience: u32) {
        const SHORT: usize = 12;
        let (mut was_balanced, mut was_partitioned) = (true, true);
        while end - begin > SHORT {
            let length = end - begin;
            if patience == 0 {
                return self.heap_sort(begin, end);
            }
            if !was_balanced {
                self.scatter(begin, end);
                patience -= 1;
            }
            let (mut pivot, mut looks) = self.choose_pivot(begin, end);
            if looks == Looks::Descending {
                self.items[begin..end].reverse();
                pivot = end - 1 - (pivot - begin);
                looks = Looks::Ascending;
            }
            let hopeful = was_balanced && was_partitioned && looks == Looks::Ascending;
            if hopeful && self.repair(begin, end) {
                return;
            }
            if begin > 0 && !self.less(begin - 1, pivot) {
                begin = self.partition_equal(begin, end, pivot);
                continue;
            }
            let (middle, partitioned) = self.partition(begin, end, pivot);
            was_partitioned = partitioned;
            let (left, right) = (middle - begin, end - middle);
            was_balanced = left.min(right) >= length / 8;
            if left < right {
                self.sort(begin, middle, patience);
                begin = middle + 1;
            } else {
                self.sort(middle + 1, end, patience);
                end = middle;
            }
        }
        self.insertion_sort(begin, end);
    }

    fn insertion_sort(&mut self, begin: usize, end: usize) {
        for last in begin + 1..end {
            let mut at = last;
            while at > begin && self.less(at, at - 1) {
                self.items.swap(at, at - 1);
                at -= 1;
            }
        }
    }

    fn heap_sort(&mut self, begin: usize, end: usize) {
        let length = end - begin;
        for root in (0..=(length - 1) / 2).rev() {
            self.sift_down(begin, root, length);
        }
        for last in (0..length).rev() {
            self.items.swap(begin, begin + last);
            self.sift_down(begin, 0, last);
        }
    }

    fn sift_down(&mut self, begin: usize, mut root: usize, length: usize) {
        loop {
            let mut child = 2 * root + 1;
            if child >= length {
                return;
            }
            if child + 1 < length && self.less(begin + child, begin + child + 1) {
                child += 1;
            }
            if !self.less(begin + root, begin + child) {
                return;
            }
            self.items.swap(begin + root, begin + child);
            root = child;
        }
    }

    /// Moves smaller elements before the pivot and all others behind it. Gives where the pivot is then, and whether
    /// nothing had to be moved.
    fn partition(&mut self, begin: usize, end: usize, pivot: usize) -> (usize, bool) {
        self.items.swap(begin, pivot);
        let (mut low, mut high) = (begin + 1, end - 1);
        let mut swapped = false;
        loop {
            while low <= high && self.less(low, begin) {
                low += 1;
            }
            while low <= high && !self.less(high, begin) {
                high -= 1;
            }
            if low > high {
                self.items.swap(high, begin);
                return (high, !swapped);
            }
            self.items.swap(low, high);
            swapped = true;
            low += 1;
            high -= 1;
        }
    }

    /// Moves what equals the pivot to the front of a range that has nothing smaller; gives where the rest begins.
    fn partition_equal(&mut self, begin: usize, end: usize, pivot: usize) -> usize {
        self.items.swap(begin, pivot);
        let (mut low, mut high) = (begin + 1, end - 1);
        loop {
            while low <= high && !self.less(begin, low) {
                low += 1;
            }
            while low <= high && self.less(begin, high) {
                high -= 1;
            }
            if low > high {
                return low;
            }
            self.items.swap(low, high);
            low += 1;
            high -= 1;
        }
    }

    /// Puts up to five elements in their place. Gives whether the range is sorted then; short ones are not touched.
    fn repair(&mut self, begin: usize, end: usize) -> bool {
        const REPAIRS: usize = 5;
        const WORTH_IT: usize = 50;
        let mut at = begin + 1;
        for _ in 0..REPAIRS {
            while at < end && !self.less(at, at - 1) {
                at += 1;
            }
            if at == end {
                return true;
            }
            if end - begin < WORTH_IT {
                return false;
            }
            self.items.swap(at, at - 1);
            if at - begin >= 2 {
                let mut left = at - 1;
                while left >= 1 && self.less(left, left - 1) {
                    self.items.swap(left, left - 1);
                    left -= 1;
                }
            }
            if end - at >= 2 {
                let mut right = at + 1;
                while right < end && self.less(right, right - 1) {
                    self.items.swap(right, right - 1);
                    right += 1;
                }
            }
        }
        false
    }

    /// Swaps three elements in the middle with others, to break a pattern that makes bad pivots.
    fn scatter(&mut self, begin: usize, end: usize) {
        let length = end - begin;
        let mut random = length as u64;
        let mask = (1_usize << (usize::BITS - length.leading_zeros())) - 1;
        let middle = begin + length / 4 * 2;
        for at in middle - 1..=middle + 1 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let mut other = random as usize & mask;
            if other >= length {
                other -= length;
            }
            self.items.swap(at, begin + other);
        }
    }

    fn choose_pivot(&self, begin: usize, end: usize) -> (usize, Looks) {
        const LONG: usize = 50;
        const ALL_SWAPPED: usize = 12;
        let quarter = (end - begin) / 4;
        let mut swaps = 0;
        let mut candidates = [1, 2, 3].map(|quarters| begin + quarter * quarters);
        if end - begin >= LONG {
            candidates = candidates.map(|at| self.median([at - 1, at, at + 1], &mut swaps));
        }
        let pivot = self.median(candidates, &mut swaps);
        let looks = match swaps {
            0 => Looks::Ascending,
            ALL_SWAPPED => Looks::Descending,
            _ => Looks::Unsorted,
        };
        (pivot, looks)
    }

    fn median(&self, [mut a, mut b, mut c]: [usize; 3], swaps: &mut usize) -> usize {
        let mut order = |low: &mut usize, high: &mut usize| {
            if self.less(*high, *low) {
                std::mem::swap(low, high);
                *swaps += 1;
            }
        };
        order(&mut a, &mut b);
        order(&mut b, &mut c);
        order(&mut a, &mut b);
        b
    }
}

#[cfg(test)]
mod tests;
