//! Busy polling: while requests follow each other closely, the thread looks for events instead of going to sleep.
//!
//! A thread that sleeps takes tens of microseconds to be awake again, as much as a request takes itself. On a machine
//! that is busy it is the other way round: whoever stays awake keeps the others from what is waited for. So both are
//! tried and what was quicker is done, for the time that a request is open (until its container answers) and for the
//! time between requests (until the client sends another) apart. With more than one request open the thread always
//! sleeps: there is work for others meanwhile.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use oxwhisk_controller::RequestCount;

/// How long the thread looks for an event: about what falling asleep and waking up takes, for both sides.
const WINDOW: Duration = Duration::from_micros(100);
/// A longer gap counts as one of this length: staying awake does not shorten it.
const LONG: Duration = Duration::from_micros(400);
/// One in so many gaps tries what is not done otherwise.
const TRIAL: u32 = 16;

/// What is done when no task has anything to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Look,
    Sleep,
}

/// How long gaps of one kind are, averaged over the last few; zero before the first.
#[derive(Debug, Default)]
struct Lengths {
    looking_ns: u32,
    sleeping_ns: u32,
    count: u32,
}

impl Lengths {
    /// Chooses for the next gap.
    fn choose(&mut self) -> Next {
        self.count = self.count.wrapping_add(1);
        // A tenth less at least: looking costs processor time.
        let looks = self.looking_ns < self.sleeping_ns / 10 * 9;
        let tries_the_other = self.count.is_multiple_of(TRIAL);
        match looks != tries_the_other {
            true => Next::Look,
            false => Next::Sleep,
        }
    }

    fn learn(&mut self, choice: Next, length: Duration) {
        let length_ns = u32::try_from(length.min(LONG).as_nanos()).unwrap_or(u32::MAX);
        let average = match choice {
            Next::Look => &mut self.looking_ns,
            Next::Sleep => &mut self.sleeping_ns,
        };
        *average = match *average {
            0 => length_ns,
            before => before - before / 8 + length_ns / 8,
        };
    }
}

/// The time since the last change in the number of requests.
#[derive(Debug, Clone, Copy)]
struct Gap {
    begun: Instant,
    /// How many requests are open.
    open: u64,
    choice: Next,
}

/// What the decision depends on.
#[derive(Debug, Default)]
struct Gaps {
    /// Requests that had begun and ended when the gap began.
    seen: (u64, u64),
    gap: Option<Gap>,
    /// When the thread last went on: what it has done since is not part of the gap.
    woken: Option<Instant>,
    open: Lengths,
    idle: Lengths,
}

impl Gaps {
    /// The gaps of a kind, if there is anything to choose.
    fn lengths(&mut self, open: u64) -> Option<&mut Lengths> {
        match open {
            0 => Some(&mut self.idle),
            1 => Some(&mut self.open),
            _ => None,
        }
    }

    /// Decides what to do when there is nothing to do at the moment.
    fn next(&mut self, now: Instant, requests: (u64, u64)) -> Next {
        let gap = match self.gap {
            Some(gap) if self.seen == requests => gap,
            before => {
                let woken = self.woken.unwrap_or(now);
                if let Some(before) = before
                    && let Some(lengths) = self.lengths(before.open)
                {
                    let length = woken.saturating_duration_since(before.begun);
                    lengths.learn(before.choice, length);
                }
                let open = requests.0.saturating_sub(requests.1);
                let choice = self.lengths(open).map_or(Next::Sleep, Lengths::choose);
                self.seen = requests;
                *self.gap.insert(Gap {
                    begun: now,
                    open,
                    choice,
                })
            }
        };
        match now.saturating_duration_since(gap.begun) < WINDOW {
            true => gap.choice,
            false => Next::Sleep,
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
            self.gaps().woken = Some(Instant::now());
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

    /// A thread on a machine where waking up takes so many microseconds, and staying awake delays the others by so many.
    struct Thread {
        gaps: Gaps,
        now: Instant,
        requests: (u64, u64),
        wakes_up: u64,
        delays: u64,
    }

    impl Thread {
        fn new(wakes_up: u64, delays: u64) -> Self {
            Self {
                gaps: Gaps::default(),
                now: Instant::now(),
                requests: (0, 0),
                wakes_up,
                delays,
            }
        }

        /// Nothing happens for so many microseconds; returns for how many of them the thread looked for events.
        fn gap(&mut self, us: u64) -> u64 {
            let mut looked = 0;
            while looked < us + self.delays {
                if self.gaps.next(self.now, self.requests) == Next::Sleep {
                    let left = us.saturating_sub(looked) + self.wakes_up;
                    return self.work(left, looked);
                }
                looked += 1;
                self.now += Duration::from_micros(1);
            }
            self.work(0, looked)
        }

        /// Goes on after so many microseconds, with what takes longer than all the rest.
        fn work(&mut self, left: u64, looked: u64) -> u64 {
            self.now += Duration::from_micros(left);
            self.gaps.woken = Some(self.now);
            self.now += Duration::from_micros(500);
            looked
        }

        /// Requests, which the container answers after so long, and the client's pauses after them; returns for how
        /// many microseconds of each the thread looked on the average.
        fn requests(&mut self, answer: u64, pause: u64) -> (u64, u64) {
            let mut looked = (0, 0);
            let count = u64::from(TRIAL) * 100;
            for _ in 0..count {
                self.requests.0 += 1;
                looked.0 += self.gap(answer);
                self.requests.1 += 1;
                looked.1 += self.gap(pause);
            }
            (looked.0 / count, looked.1 / count)
        }
    }

    #[test]
    fn requests_that_follow_closely_are_looked_for() {
        let (answer, pause) = Thread::new(40, 0).requests(50, 30);
        assert!((45..=50).contains(&answer), "{answer}");
        assert!((25..=30).contains(&pause), "{pause}");
    }

    #[test]
    fn long_gaps_are_slept_through() {
        let (answer, pause) = Thread::new(40, 0).requests(2000, 5000);
        assert!(answer < 10, "{answer}");
        assert!(pause < 10, "{pause}");
    }

    #[test]
    fn long_runs_and_short_pauses_are_told_apart() {
        let (answer, pause) = Thread::new(40, 0).requests(2000, 30);
        assert!(answer < 10, "{answer}");
        assert!((25..=30).contains(&pause), "{pause}");
    }

    #[test]
    fn processor_is_left_to_others_who_want_it() {
        let (answer, pause) = Thread::new(5, 30).requests(30, 30);
        assert!(answer < 6, "{answer}");
        assert!(pause < 6, "{pause}");
    }

    #[test]
    fn machine_that_becomes_busy_is_noticed() {
        let mut thread = Thread::new(40, 0);
        thread.requests(50, 30);
        (thread.wakes_up, thread.delays) = (5, 40);
        thread.requests(50, 30);
        let (answer, pause) = thread.requests(50, 30);
        assert!(answer < 10, "{answer}");
        assert!(pause < 10, "{pause}");
    }

    #[test]
    fn several_requests_at_once_are_slept_for() {
        let mut thread = Thread::new(40, 0);
        thread.requests(50, 30);
        thread.requests.0 += 2;
        for _ in 0..100 {
            thread.requests = (thread.requests.0 + 1, thread.requests.1 + 1);
            assert_eq!(thread.gap(40), 0);
        }
    }
}
