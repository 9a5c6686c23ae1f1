//! Busy polling: while requests follow each other closely, the thread looks for events instead of going to sleep.
//!
//! A thread that sleeps takes tens of microseconds to be awake again, as much as a request takes itself. So, after
//! each event, the thread looks for the next one for a while if the one before came within that while, and sleeps
//! otherwise. It does so for one request at a time only: with more there is other work to do meanwhile, and for others.
//! Whether it is worth it is learnt for the time that a request is open (until its container answers) and for the time
//! between requests (until the client sends another) apart.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use oxwhisk_controller::RequestCount;

/// How long the thread looks for an event: about what falling asleep and waking up takes, for both sides.
const WINDOW: Duration = Duration::from_micros(100);
/// A look takes about a microsecond; when the next one comes so much later, others had the processor.
const TAKEN_AWAY: Duration = Duration::from_micros(200);
/// How long the processor is left to those others.
const REST: Duration = Duration::from_millis(50);

/// What is done when no task has anything to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Look,
    Sleep,
}

/// The time since the last change in the number of requests.
#[derive(Debug, Clone, Copy)]
struct Gap {
    begun: Instant,
    looked: Instant,
    /// Whether a request is open.
    is_open: bool,
    is_asleep: bool,
}

/// What the decision depends on.
#[derive(Debug, Default)]
struct Gaps {
    /// Requests that had begun and ended when the gap began.
    seen: (u64, u64),
    gap: Option<Gap>,
    /// Whether the last gap with an open request was short.
    open_is_short: bool,
    /// Whether the last gap between requests was short.
    idle_is_short: bool,
    rests_until: Option<Instant>,
}

impl Gaps {
    fn is_short(&mut self, is_open: bool) -> &mut bool {
        match is_open {
            true => &mut self.open_is_short,
            false => &mut self.idle_is_short,
        }
    }

    /// Decides what to do when there is nothing to do at the moment.
    fn next(&mut self, now: Instant, requests: (u64, u64)) -> Next {
        let open = requests.0.saturating_sub(requests.1);
        let mut gap = match self.gap {
            Some(gap) if self.seen == requests => gap,
            before => {
                if let Some(before) = before.filter(|before| !before.is_asleep) {
                    *self.is_short(before.is_open) = true;
                }
                self.seen = requests;
                Gap {
                    begun: now,
                    looked: now,
                    is_open: open > 0,
                    is_asleep: false,
                }
            }
        };
        if !gap.is_asleep && now.saturating_duration_since(gap.looked) > TAKEN_AWAY {
            self.rests_until = Some(now + REST);
        }
        gap.looked = now;
        let is_over = now.saturating_duration_since(gap.begun) >= WINDOW;
        let may_look = open <= 1
            && *self.is_short(gap.is_open)
            && self.rests_until.is_none_or(|end| now >= end);
        if may_look && is_over && !gap.is_asleep {
            *self.is_short(gap.is_open) = false;
        }
        gap.is_asleep = is_over || !may_look;
        self.gap = Some(gap);
        match gap.is_asleep {
            true => Next::Sleep,
            false => Next::Look,
        }
    }

    /// Learns from a sleep that is over.
    fn woken(&mut self, now: Instant) {
        if let Some(gap) = self.gap.filter(|gap| gap.is_asleep) {
            let is_short = now.saturating_duration_since(gap.begun) < WINDOW;
            *self.is_short(gap.is_open) |= is_short;
        }
    }
}

/// Keeps the thread of a runtime awake; does nothing before [`BusyPoll::keep_awake`] is told what to watch.
#[derive(Debug, Default)]
pub(crate) struct BusyPoll {
    /// A std lock: never held across an await, and only the thread itself takes it.
    gaps: Mutex<Gaps>,
    watched: OnceLock<(Arc<RequestCount>, Waker)>,
}

impl BusyPoll {
    /// To be called when the thread is about to sleep: gives it a task to do instead, or lets it.
    pub(crate) fn before_sleep(&self) {
        let Some((requests, waker)) = self.watched.get() else {
            return;
        };
        let next = self.gaps().next(Instant::now(), requests.begun_and_ended());
        if next == Next::Look {
            waker.wake_by_ref();
        }
    }

    /// To be called when the thread has slept, or would have.
    pub(crate) fn after_sleep(&self) {
        if self.watched.get().is_some() {
            self.gaps().woken(Instant::now());
        }
    }

    /// Is the task that the thread gets; never ends.
    pub(crate) async fn keep_awake(self: Arc<Self>, requests: Arc<RequestCount>) {
        std::future::poll_fn(|context| {
            self.watched
                .get_or_init(|| (Arc::clone(&requests), context.waker().clone()));
            Poll::<()>::Pending
        })
        .await;
    }

    fn gaps(&self) -> MutexGuard<'_, Gaps> {
        self.gaps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thread whose clock the test moves.
    struct Thread {
        gaps: Gaps,
        now: Instant,
        requests: (u64, u64),
    }

    impl Thread {
        fn new() -> Self {
            Self {
                gaps: Gaps::default(),
                now: Instant::now(),
                requests: (0, 0),
            }
        }

        /// Nothing happens for so many microseconds; returns for how many of them the thread looked for events.
        fn gap(&mut self, us: u64) -> u64 {
            for looked in 0..us {
                if self.gaps.next(self.now, self.requests) == Next::Sleep {
                    self.now += Duration::from_micros(us - looked);
                    self.gaps.woken(self.now);
                    return looked;
                }
                self.now += Duration::from_micros(1);
            }
            us
        }

        /// A request, which its container answers after so long, and the client's pause after it.
        fn request(&mut self, answer: u64, pause: u64) -> (u64, u64) {
            self.requests.0 += 1;
            let looked = self.gap(answer);
            self.requests.1 += 1;
            (looked, self.gap(pause))
        }
    }

    #[test]
    fn requests_that_follow_closely_are_looked_for() {
        let mut thread = Thread::new();
        assert_eq!(thread.request(40, 30), (0, 0), "nothing is known yet");
        assert_eq!(thread.request(40, 30), (40, 30));
        assert_eq!(thread.request(60, 90), (60, 90));
    }

    #[test]
    fn long_gaps_cost_one_window_and_no_more() {
        let mut thread = Thread::new();
        thread.request(40, 30);
        assert_eq!(thread.request(40, 5000), (40, 100));
        assert_eq!(thread.request(40, 5000), (40, 0));
        assert_eq!(thread.request(40, 30), (40, 0), "it is short again");
        assert_eq!(thread.request(40, 30), (40, 30));
    }

    #[test]
    fn long_runs_and_short_pauses_are_told_apart() {
        let mut thread = Thread::new();
        thread.request(2000, 30);
        assert_eq!(thread.request(2000, 30), (0, 30));
        assert_eq!(thread.request(2000, 30), (0, 30));
    }

    #[test]
    fn several_requests_at_once_are_slept_for() {
        let mut thread = Thread::new();
        thread.request(40, 30);
        thread.requests.0 += 1;
        assert_eq!(thread.gap(40), 40);
        thread.requests.0 += 1;
        assert_eq!(thread.gap(40), 0);
        thread.requests.1 += 1;
        assert_eq!(thread.gap(40), 40);
    }

    #[test]
    fn processor_is_left_to_others_who_want_it() {
        let mut thread = Thread::new();
        thread.request(40, 30);
        assert_eq!(thread.request(40, 30), (40, 30));
        thread.requests.0 += 1;
        assert_eq!(thread.gaps.next(thread.now, thread.requests), Next::Look);
        thread.now += Duration::from_millis(1);
        assert_eq!(thread.gaps.next(thread.now, thread.requests), Next::Sleep);
        thread.requests.1 += 1;
        assert_eq!(thread.gap(30), 0);
        assert_eq!(thread.request(40, 30), (0, 0));
        thread.now += REST;
        assert_eq!(thread.request(40, 30), (40, 30));
    }
}
