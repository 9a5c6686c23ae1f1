use std::sync::Mutex;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use oxwhisk_invoker::Clock;
use tokio::sync::watch;

/// Where the clock stands at first, milliseconds since the epoch.
pub const START_MS: u64 = 1_800_000_000_000;

/// A clock that moves when it is told to.
#[derive(Debug)]
pub struct ManualClock {
    start: Instant,
    elapsed: Mutex<Duration>,
    moved: watch::Sender<()>,
}

impl ManualClock {
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            elapsed: Mutex::new(Duration::ZERO),
            moved: watch::Sender::new(()),
        }
    }

    pub fn advance(&self, time: Duration) {
        *self.elapsed.lock().unwrap() += time;
        self.moved.send_replace(());
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Instant {
        self.start + *self.elapsed.lock().unwrap()
    }

    fn epoch_ms(&self) -> u64 {
        START_MS + u64::try_from(self.elapsed.lock().unwrap().as_millis()).unwrap()
    }

    async fn sleep_until(&self, time: Instant) {
        let mut moved = self.moved.subscribe();
        while self.now() < time {
            moved.changed().await.unwrap();
        }
    }
}
