//! How many requests there are.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the requests of all listeners.
#[derive(Debug, Default)]
pub struct RequestCount {
    begun: AtomicU64,
    ended: AtomicU64,
}

impl RequestCount {
    /// Returns how many requests have begun so far, and how many of them have ended.
    #[must_use]
    pub fn begun_and_ended(&self) -> (u64, u64) {
        // The one that is smaller comes first, so that no more have ended than have begun.
        let ended = self.ended.load(Ordering::Acquire);
        (self.begun.load(Ordering::Acquire), ended)
    }

    /// Counts a request, which ends when what is returned is dropped.
    pub(crate) fn begin(&self) -> OpenRequest<'_> {
        self.begun.fetch_add(1, Ordering::Release);
        OpenRequest(self)
    }
}

/// A request that has not ended.
#[derive(Debug)]
pub(crate) struct OpenRequest<'a>(&'a RequestCount);

impl Drop for OpenRequest<'_> {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_end_however_they_end() {
        let count = RequestCount::default();
        let first = count.begin();
        let second = count.begin();
        assert_eq!(count.begun_and_ended(), (2, 0));
        drop(first);
        assert_eq!(count.begun_and_ended(), (2, 1));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _open = count.begin();
            std::panic::panic_any("a handler's fault");
        }));
        assert!(panicked.is_err());
        drop(second);
        assert_eq!(count.begun_and_ended(), (3, 3));
    }
}
