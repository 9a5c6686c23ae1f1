//! Every interleaving of a sender that persists and a receiver that runs.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::conformance::messages::{id, message};
use crate::embedded::MemoryJournal;

use super::*;

type Steps = Pin<Box<dyn Future<Output = ()>>>;

/// How the activation ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It is still running when the process crashes.
    Crash,
    /// Its record is stored.
    Record,
    /// It ends without a record.
    Finish,
}

/// Two ends that are polled in an order of choice.
struct Race {
    journal: MemoryJournal,
    end: End,
    persisting: Option<Steps>,
    running: Option<Steps>,
    persisted: bool,
}

impl Race {
    fn new(end: End) -> Self {
        let journal = MemoryJournal::default();
        let shipment = Arc::new(Shipment::new(
            message(1),
            Arc::new(journal.clone()),
            Journaled::No,
            false,
        ));
        let (sent, received) = (Sent(Arc::clone(&shipment)), Received(shipment));
        let recorder = journal.clone();
        Self {
            journal,
            end,
            persisting: Some(Box::pin(async move { sent.persist().await.unwrap() })),
            running: Some(Box::pin(async move {
                received.start().await.unwrap();
                match end {
                    End::Crash => {}
                    End::Record => {
                        recorder.record_stored(id(1));
                        received.recorded().await.unwrap();
                    }
                    End::Finish => received.finish().await.unwrap(),
                }
            })),
            persisted: false,
        }
    }

    /// Polls one of the two once, unless it has ended.
    fn poll(&mut self, sender: bool) {
        let end = if sender {
            &mut self.persisting
        } else {
            &mut self.running
        };
        let Some(steps) = end else {
            return;
        };
        let polled = steps.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if polled == Poll::Ready(()) {
            *end = None;
            self.persisted |= sender;
        }
    }

    /// Asserts what a crash at this moment must find.
    fn check(&self, schedule: &[bool]) {
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(Ok(entries)) = self.journal.unfinished().as_mut().poll(&mut context) else {
            panic!("the journal in memory has no reason to wait");
        };
        let running_ended = self.running.is_none();
        let entry = entries.first();
        if running_ended && self.persisting.is_none() {
            match self.end {
                End::Crash if self.persisted => {
                    assert!(entry.is_some_and(|entry| entry.started), "{schedule:?}");
                }
                // The sender gave up: the entry may be there or not, but not as one that never ran.
                End::Crash => assert!(entry.is_none_or(|entry| entry.started), "{schedule:?}"),
                End::Record | End::Finish => assert!(entry.is_none(), "{schedule:?}"),
            }
        } else if self.persisted && !running_ended && self.end == End::Crash {
            assert!(entry.is_some(), "{schedule:?}");
        }
    }
}

/// How many polls are chosen freely; the ends need fewer together.
const CHOICES: usize = 11;

/// Runs all schedules; `give_up_after` drops the sender's future after so many of its polls.
fn explore(end: End, give_up_after: Option<usize>) {
    // Each bit string is a schedule: which end is polled next. Polling an end that waits for the other is
    // allowed and does nothing.
    for bits in 0..1_u32 << CHOICES {
        let mut race = Race::new(end);
        let mut schedule = Vec::new();
        let mut sender_polls = 0;
        for step in 0.. {
            let sender = bits >> (step % CHOICES) & 1 == 1;
            let sender = if step < CHOICES {
                sender
            } else {
                step % 2 == 0
            };
            schedule.push(sender);
            race.poll(sender);
            sender_polls += usize::from(sender);
            if give_up_after.is_some_and(|polls| sender_polls >= polls) {
                race.persisting = None;
            }
            race.check(&schedule);
            if race.persisting.is_none() && race.running.is_none() {
                break;
            }
            assert!(step < 60, "a deadlock after {schedule:?}");
        }
    }
}

#[test]
fn no_interleaving_loses_or_leaves_a_message() {
    for end in [End::Crash, End::Record, End::Finish] {
        explore(end, None);
    }
}

#[test]
fn no_interleaving_is_spoilt_by_a_sender_that_goes_away() {
    for end in [End::Crash, End::Record, End::Finish] {
        for polls in 1..5 {
            explore(end, Some(polls));
        }
    }
}
