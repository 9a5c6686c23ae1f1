//! Waiting for a condition instead of sleeping.

use std::future::Future;
use std::time::{Duration, Instant};

const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Reports that a condition did not hold in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("condition did not hold within {waited:?}")]
pub struct DeadlinePassed {
    /// How long it was waited for.
    pub waited: Duration,
}

/// Asks again and again, ever more slowly, until `condition` gives a value; it is asked at least
/// once, and once more when the deadline has come.
///
/// # Errors
/// [`DeadlinePassed`] if it gave none within `deadline`.
pub async fn eventually<T, F>(
    deadline: Duration,
    mut condition: impl FnMut() -> F,
) -> Result<T, DeadlinePassed>
where
    F: Future<Output = Option<T>>,
{
    let mut pauses = Pauses::until(deadline);
    loop {
        if let Some(found) = condition().await {
            return Ok(found);
        }
        tokio::time::sleep(pauses.next().ok_or(DeadlinePassed { waited: deadline })?).await;
    }
}

/// Does what [`eventually`] does, for tests without an async runtime.
///
/// # Errors
/// [`DeadlinePassed`] if the condition gave no value within `deadline`.
pub fn eventually_blocking<T>(
    deadline: Duration,
    mut condition: impl FnMut() -> Option<T>,
) -> Result<T, DeadlinePassed> {
    let mut pauses = Pauses::until(deadline);
    loop {
        if let Some(found) = condition() {
            return Ok(found);
        }
        std::thread::sleep(pauses.next().ok_or(DeadlinePassed { waited: deadline })?);
    }
}

/// Pauses that grow by half each time; the last one ends at the deadline.
#[derive(Debug)]
struct Pauses {
    end: Instant,
    pause: Duration,
}

impl Pauses {
    fn until(deadline: Duration) -> Self {
        Self {
            end: Instant::now() + deadline,
            pause: FIRST_PAUSE,
        }
    }
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        let pause = self.pause.min(left);
        self.pause = (self.pause * 3 / 2).min(LONGEST_PAUSE);
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_value_ends_the_wait() {
        let mut asked = 0;
        let found = eventually_blocking(Duration::from_secs(10), || {
            asked += 1;
            (asked == 3).then_some(asked)
        });
        assert_eq!(found, Ok(3));
    }

    #[tokio::test]
    async fn condition_that_never_holds_is_an_error_after_the_deadline() {
        let deadline = Duration::from_millis(20);
        let started = Instant::now();
        let found = eventually(deadline, || async { None::<()> }).await;
        assert_eq!(found, Err(DeadlinePassed { waited: deadline }));
        assert!(started.elapsed() >= deadline);
    }

    #[test]
    fn condition_is_asked_even_without_time() {
        assert_eq!(eventually_blocking(Duration::ZERO, || Some(1)), Ok(1));
    }
}
