//! Lists that share their memory as Go's slices do.
//!
//! The peer copies a custom route for each path of an Ingress, and the copies share the memory behind their predicates.
//! Appending to one writes into the room that is left there, and so over what was appended to another: of the paths
//! that the copies had, they all end with the last one. That changes bytes; hence it is done here likewise.

use std::cell::RefCell;
use std::rc::Rc;

/// A list; its clones share its memory.
#[derive(Clone, Debug)]
pub(super) struct SharedList<T> {
    memory: Rc<RefCell<Vec<T>>>,
    len: usize,
    capacity: usize,
}

impl<T: Clone> SharedList<T> {
    /// A list of `items`, as it is after they were appended one by one: Go then has room for a power of two.
    pub(super) fn appended(items: Vec<T>) -> Self {
        let capacity = if items.is_empty() { 0 } else { items.len().next_power_of_two() };
        Self { len: items.len(), memory: Rc::new(RefCell::new(items)), capacity }
    }

    /// A list of `items` with no room left.
    pub(super) fn exactly(items: Vec<T>) -> Self {
        Self { len: items.len(), capacity: items.len(), memory: Rc::new(RefCell::new(items)) }
    }

    /// Appends `items`: into the shared memory if there is room for all of them, else to a copy.
    pub(super) fn append(&mut self, items: &[T]) {
        if self.len + items.len() > self.capacity {
            let mut longer = self.to_vec();
            longer.extend_from_slice(items);
            *self = Self::exactly(longer);
            return;
        }
        let mut memory = self.memory.borrow_mut();
        let overwritten = memory.len().min(self.len + items.len());
        memory.splice(self.len..overwritten, items.iter().cloned());
        self.len += items.len();
    }

    /// What the list holds now.
    pub(super) fn to_vec(&self) -> Vec<T> {
        self.memory.borrow()[..self.len].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_write_over_each_other_where_there_is_room() {
        let list = SharedList::appended(vec![1, 2, 3]);
        let (mut a, mut b) = (list.clone(), list.clone());
        a.append(&[4]);
        b.append(&[5]);
        assert_eq!(
            (a.to_vec(), b.to_vec(), list.to_vec()),
            (vec![1, 2, 3, 5], vec![1, 2, 3, 5], vec![1, 2, 3])
        );
    }

    #[test]
    fn copies_part_where_there_is_none() {
        let list = SharedList::appended(vec![1, 2]);
        let (mut a, mut b) = (list.clone(), list);
        a.append(&[4]);
        b.append(&[5]);
        assert_eq!((a.to_vec(), b.to_vec()), (vec![1, 2, 4], vec![1, 2, 5]));
    }

    #[test]
    fn what_stands_behind_the_end_of_a_copy_stays() {
        let list = SharedList::appended(vec![1, 2, 3, 4, 5]);
        let (mut a, mut b) = (list.clone(), list);
        a.append(&[6, 7]);
        b.append(&[8]);
        assert_eq!((a.to_vec(), b.to_vec()), (vec![1, 2, 3, 4, 5, 8, 7], vec![1, 2, 3, 4, 5, 8]));
    }
}
