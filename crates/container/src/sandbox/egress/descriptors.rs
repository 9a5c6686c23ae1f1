//! How many descriptors the process may still open, over all containers.
//!
//! A full table of descriptors would be everybody's: no new container could be taken over. So
//! connections are refused before that, and containers have some that no connection gets.

use std::cell::Cell;
use std::rc::Rc;

/// Kept for what is opened now and then: the runtime's own, resolver lists.
const OWN: usize = 64;
/// One in so many is for containers only.
const FOR_CONTAINERS: usize = 8;

/// The descriptors that are left.
#[derive(Debug)]
pub(super) struct Descriptors {
    left: Rc<Cell<usize>>,
    kept: usize,
}

/// Some descriptors that somebody may open, given back when this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    left: Rc<Cell<usize>>,
    count: usize,
}

impl Descriptors {
    /// `limit` is the process's; nothing if there is none.
    pub(super) fn within(limit: Option<u64>) -> Self {
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        let left = limit.unwrap_or(usize::MAX).saturating_sub(OWN);
        Self {
            left: Rc::new(Cell::new(left)),
            kept: left / FOR_CONTAINERS,
        }
    }

    /// Takes some for a container itself.
    pub(super) fn for_container(&self, count: usize) -> Option<Share> {
        self.take(count, 0)
    }

    /// Takes some for what a container asks for.
    pub(super) fn for_connection(&self, count: usize) -> Option<Share> {
        self.take(count, self.kept)
    }

    fn take(&self, count: usize, kept: usize) -> Option<Share> {
        let left = self.left.get().checked_sub(count)?;
        if left < kept {
            return None;
        }
        self.left.set(left);
        Some(Share {
            left: self.left.clone(),
            count,
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.left.set(self.left.get() + self.count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_some_for_containers_and_give_theirs_back() {
        let descriptors = Descriptors::within(Some(64 + 16));
        let mut shares: Vec<_> = (0..14).map(|_| descriptors.for_connection(1)).collect();
        assert!(shares.iter().all(Option::is_some));
        assert!(descriptors.for_connection(1).is_none());
        let container = descriptors.for_container(2);
        assert!(container.is_some());
        assert!(descriptors.for_container(1).is_none());
        shares.truncate(13);
        assert!(descriptors.for_connection(1).is_none(), "containers first");
        drop(container);
        assert!(descriptors.for_connection(1).is_some());
    }

    #[test]
    fn nothing_is_left_of_a_small_limit() {
        assert!(Descriptors::within(Some(10)).for_container(1).is_none());
        assert!(Descriptors::within(None).for_connection(3).is_some());
    }
}
