//! The bounded way to the writer.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, oneshot};

use crate::StoreError;

use super::request::{Done, Operation, Request};

/// One permit stands for so many bytes; every change takes at least one.
const BYTES_PER_PERMIT: usize = 4096;

/// Bound of the queue: 8192 small changes, or 32 MiB. Callers wait while it is full.
const PERMITS: u32 = 8192;

/// With so many permits taken the writer waits for no more changes.
const ENOUGH: usize = PERMITS as usize / 2;

/// Changes on their way to the writer thread.
#[derive(Debug)]
pub(super) struct Queue {
    /// Locked for a push or a swap only, never across an await, so a blocking lock.
    state: Mutex<State>,
    arrived: Condvar,
    space: Semaphore,
}

#[derive(Debug, Default)]
struct State {
    requests: Vec<Request>,
    /// Whether somebody waits who is not to be kept waiting.
    urgent: bool,
    closed: bool,
    permits: usize,
}

/// What the writer finds.
#[derive(Debug)]
pub(super) enum Taken {
    /// Work.
    Requests(Vec<Request>),
    /// None within the time.
    Idle,
    /// None, and none will come.
    Closed,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::default(),
            arrived: Condvar::new(),
            space: Semaphore::new(PERMITS as usize),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that may panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a change over and waits for its end. Dropped after the change was taken it is done all the same.
    pub(super) async fn call(&self, operation: Operation) -> Result<Done, StoreError> {
        self.submit(operation).await?.await.map_err(|_| stopped())?
    }

    /// Hands a change over.
    pub(super) async fn submit(
        &self,
        operation: Operation,
    ) -> Result<oneshot::Receiver<Result<Done, StoreError>>, StoreError> {
        let permits = 1 + operation.size() / BYTES_PER_PERMIT;
        let permits = u32::try_from(permits).map_or(PERMITS, |permits| permits.min(PERMITS));
        self.space
            .acquire_many(permits)
            .await
            .map_err(|_| stopped())?
            .forget();
        let (reply, answer) = oneshot::channel();
        let urgent = !operation.may_wait();
        let wake = {
            let mut state = self.state();
            if state.closed {
                return Err(stopped());
            }
            let wake = state.requests.is_empty() || (urgent && !state.urgent);
            state.requests.push(Request { operation, reply });
            state.urgent |= urgent;
            state.permits += permits as usize;
            wake || state.permits >= ENOUGH
        };
        if wake {
            self.arrived.notify_one();
        }
        Ok(answer)
    }

    /// Waits for changes, at most `idle` for the first. Those that may wait are left to gather until `ready`.
    pub(super) fn take(&self, idle: Duration, ready: Instant) -> Taken {
        let nothing = |state: &mut State| state.requests.is_empty() && !state.closed;
        let (mut state, _) = self
            .arrived
            .wait_timeout_while(self.state(), idle, nothing)
            .unwrap_or_else(PoisonError::into_inner);
        let window = ready.saturating_duration_since(Instant::now());
        if !window.is_zero() && !state.requests.is_empty() {
            let group =
                |state: &mut State| !state.urgent && !state.closed && state.permits < ENOUGH;
            (state, _) = self
                .arrived
                .wait_timeout_while(state, window, group)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let requests = std::mem::take(&mut state.requests);
        let permits = std::mem::take(&mut state.permits);
        state.urgent = false;
        let closed = state.closed;
        drop(state);
        self.space.add_permits(permits);
        match (requests.is_empty(), closed) {
            (false, _) => Taken::Requests(requests),
            (true, false) => Taken::Idle,
            (true, true) => Taken::Closed,
        }
    }

    /// Takes no more changes and drops those that wait, so that their callers are told.
    pub(super) fn abandon(&self) {
        self.close();
        let left = std::mem::take(&mut self.state().requests);
        drop(left);
    }

    /// Takes no more changes; those that were taken are still done.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.space.close();
        self.arrived.notify_one();
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the store was closed".into())
}
