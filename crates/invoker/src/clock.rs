//! Where time comes from.

use std::fmt;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

/// Tells the time and waits for it; handed in, so that tests can move it.
#[async_trait]
pub trait Clock: Send + Sync + fmt::Debug {
    /// Returns the present of the clock that never goes back; durations are measured with it.
    fn now(&self) -> Instant;

    /// Returns the milliseconds since the epoch; records and deadlines show them.
    fn epoch_ms(&self) -> u64;

    /// Waits until [`Clock::now`] has reached a time. Cancel-safe.
    async fn sleep_until(&self, time: Instant);
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn epoch_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
    }

    async fn sleep_until(&self, time: Instant) {
        tokio::time::sleep_until(time.into()).await;
    }
}
