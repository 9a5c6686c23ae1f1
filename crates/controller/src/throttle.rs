//! How many requests a namespace may make in a minute.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

const MINUTE_MS: u64 = 60_000;

/// Counts requests by namespace in calendar minutes. Source: invocation §8.
///
/// Every attempt counts, refused ones too.
#[derive(Debug, Default)]
pub(crate) struct RateThrottle {
    /// A std lock: held for a few instructions, never across an await.
    counts: Mutex<Minute>,
}

#[derive(Debug, Default)]
struct Minute {
    number: u64,
    counts: HashMap<String, u64>,
}

impl RateThrottle {
    /// Counts one request; returns how many there were in this minute, this one included.
    pub(crate) fn count(&self, namespace_uuid: &str, now_ms: u64) -> u64 {
        let mut minute = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if minute.number != now_ms / MINUTE_MS {
            minute.number = now_ms / MINUTE_MS;
            minute.counts.clear();
        }
        if let Some(count) = minute.counts.get_mut(namespace_uuid) {
            *count += 1;
            return *count;
        }
        minute.counts.insert(namespace_uuid.to_owned(), 1);
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_start_anew_each_minute() {
        let throttle = RateThrottle::default();
        assert_eq!(
            (
                throttle.count("a", 59_998),
                throttle.count("a", 59_999),
                throttle.count("b", 59_999)
            ),
            (1, 2, 1)
        );
        assert_eq!(throttle.count("a", 60_000), 1);
    }
}
