//! Drives one container's socket and log pipes from within the calls that wait for them.
//!
//! ```text
//! call ── registers what it waits for ──┬─ nobody drives: becomes the driver, polls the descriptors,
//!                                       │  hands answers to the calls they belong to and wakes them
//!                                       └─ somebody drives: sleeps until woken
//! driver ends or is dropped ── wakes one sleeper, which drives on
//! ```
//! While no call waits, nothing is read: an idle action that prints fills its pipe and waits there
//! until the next call.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use foldhash::{HashMap, HashMapExt};
use oxwhisk_entity::{ActivationId, ByteSize};
use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, Ready};

use super::FramedError;
use super::answers::{AnswerReader, Fill, Key, Line};
use super::descriptors::{Pipes, READS_PER_TURN, Turn, one_line, read_log, write_vectored};
use super::log_frames::LogFrames;
use crate::log_buffer::LogBuffer;
use crate::watched::watch;
use crate::{LogOutcome, Logs, Response, ResponseLimit, Stream};

#[derive(Debug)]
struct Pending {
    limit: ResponseLimit,
    slot: u64,
    response: Option<Response>,
}

#[derive(Debug)]
struct State {
    outbox: VecDeque<Bytes>,
    /// The socket, watched for writing as long as the outbox holds something.
    full: Option<AsyncFd<OwnedFd>>,
    answers: AnswerReader,
    pending: HashMap<Key, Pending>,
    ready: bool,
    log: LogBuffer,
    frames: LogFrames,
    failure: Option<FramedError>,
    open: Open,
    driver: Option<u64>,
    sleepers: Vec<(u64, Waker)>,
    next_slot: u64,
}

/// Which descriptors have not ended yet.
#[derive(Debug)]
struct Open {
    stdout: bool,
    stderr: bool,
}

/// The connection to one launcher.
#[derive(Debug)]
pub(crate) struct Framed {
    /// Watched for reading only: whenever the launcher takes a request off it, it becomes writable anew, and
    /// the platform would be woken for nothing.
    socket: AsyncFd<OwnedFd>,
    stdout: AsyncFd<OwnedFd>,
    stderr: AsyncFd<OwnedFd>,
    /// A std lock: it is only held within one poll, never across an await.
    state: Mutex<State>,
}

/// A waiting call's place among the sleepers; hands the driving over when the call ends.
struct Slot<'a> {
    framed: &'a Framed,
    id: u64,
    /// What the call is registered for, to be forgotten with it.
    key: Option<Key>,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut state = self.framed.state();
        if let Some(key) = self.key {
            state.pending.remove(&key);
        }
        state.sleepers.retain(|(slot, _)| *slot != self.id);
        if state.driver == Some(self.id) {
            state.driver = None;
        }
        // Also when a call ends that was woken to drive and never did.
        if state.driver.is_none()
            && let Some((_, waker)) = state.sleepers.pop()
        {
            waker.wake();
        }
    }
}

impl Framed {
    /// Takes over the descriptors; must be called within a runtime with I/O.
    ///
    /// # Errors
    /// What the system answers when the descriptors cannot be watched.
    pub(crate) fn new(pipes: Pipes, log_capacity: ByteSize) -> io::Result<Self> {
        Ok(Self {
            socket: watch(pipes.socket, Interest::READABLE)?,
            stdout: watch(pipes.stdout, Interest::READABLE)?,
            stderr: watch(pipes.stderr, Interest::READABLE)?,
            state: Mutex::new(State {
                outbox: VecDeque::new(),
                full: None,
                answers: AnswerReader::new(),
                pending: HashMap::new(),
                ready: false,
                log: LogBuffer::new(log_capacity),
                frames: LogFrames::new(log_capacity),
                failure: None,
                open: Open {
                    stdout: true,
                    stderr: true,
                },
                driver: None,
                sleepers: Vec::new(),
                next_slot: 0,
            }),
        })
    }

    /// Waits until the launcher takes an init.
    pub(crate) async fn ready(&self) -> Result<(), FramedError> {
        let slot = self.slot(None);
        self.wait(&slot, |state| match (&state.failure, state.ready) {
            (_, true) => Some(Ok(())),
            (Some(failure), false) => Some(Err(failure.clone())),
            (None, false) => None,
        })
        .await
    }

    /// Sends an init and waits for the answer.
    pub(crate) async fn init(
        &self,
        body: Bytes,
        limit: ResponseLimit,
    ) -> Result<Response, FramedError> {
        self.ask(Key::Init, &[b"{\"init\":", &one_line(body), b"}\n"], limit)
            .await
    }

    /// Sends a run and waits for its answer.
    pub(crate) async fn run(
        &self,
        id: ActivationId,
        body: Bytes,
        limit: ResponseLimit,
    ) -> Result<Response, FramedError> {
        self.ask(Key::Run(id), &[&one_line(body), b"\n"], limit)
            .await
    }

    async fn ask(
        &self,
        key: Key,
        request: &[&[u8]],
        limit: ResponseLimit,
    ) -> Result<Response, FramedError> {
        let slot = self.slot(Some((key, limit)));
        self.send(request)?;
        self.wait(&slot, |state| {
            match state
                .pending
                .get_mut(&key)
                .and_then(|pending| pending.response.take())
            {
                Some(response) => Some(Ok(response)),
                None => state.failure.clone().map(Err),
            }
        })
        .await
    }

    /// Waits until both streams hold an end mark, or have ended.
    pub(crate) async fn log_ended(&self) {
        let slot = self.slot(None);
        self.wait(&slot, |state| {
            let closed = !state.open.stdout && !state.open.stderr;
            (state.log.is_complete() || closed).then_some(())
        })
        .await;
    }

    /// Takes the log lines that both pipes hold up to their end marks.
    pub(crate) fn take_log(&self, limit: ByteSize, missing_end: LogOutcome) -> Logs {
        let mut state = self.state();
        self.read_now(&mut state);
        state.log.take(limit, missing_end)
    }

    /// Takes the log frames of one of several runs that may overlap, and what else was printed.
    pub(crate) fn take_frames(&self, id: ActivationId, limit: ByteSize) -> Logs {
        let mut state = self.state();
        self.read_now(&mut state);
        let mut logs = state.frames.take(&id, limit);
        let used: u64 = logs
            .lines
            .iter()
            .map(|line| line.text.len() as u64 + 1)
            .sum();
        let left = ByteSize::bytes(limit.as_bytes().saturating_sub(used));
        let others = state.log.take(left, LogOutcome::Complete);
        logs.lines.extend(others.lines);
        if others.outcome != LogOutcome::Complete && limit.as_bytes() > 0 {
            logs.outcome = others.outcome;
        }
        logs
    }

    /// Lets all waiting calls fail, since the container has ended.
    pub(crate) fn fail(&self) {
        let mut state = self.state();
        state.failure.get_or_insert(FramedError::Lost);
        state.wake_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, key: Option<(Key, ResponseLimit)>) -> Slot<'_> {
        let mut state = self.state();
        let id = state.next_slot;
        state.next_slot += 1;
        if let Some((key, limit)) = key {
            state.pending.insert(
                key,
                Pending {
                    limit,
                    slot: id,
                    response: None,
                },
            );
        }
        Slot {
            framed: self,
            id,
            key: key.map(|(key, _)| key),
        }
    }

    async fn wait<T>(&self, slot: &Slot<'_>, mut done: impl FnMut(&mut State) -> Option<T>) -> T {
        poll_fn(|cx| {
            let mut state = self.state();
            loop {
                if let Some(value) = done(&mut state) {
                    return Poll::Ready(value);
                }
                let driver = *state.driver.get_or_insert(slot.id);
                if driver != slot.id {
                    state.sleep(slot.id, cx.waker());
                    return Poll::Pending;
                }
                match self.drive(&mut state, cx) {
                    Turn::Progress => {}
                    Turn::Idle => return Poll::Pending,
                    Turn::Busy => {
                        cx.waker().wake_by_ref();
                        return match done(&mut state) {
                            Some(value) => Poll::Ready(value),
                            None => Poll::Pending,
                        };
                    }
                }
            }
        })
        .await
    }

    /// Writes the request at once as far as the socket takes it; the driver writes the rest.
    fn send(&self, request: &[&[u8]]) -> Result<(), FramedError> {
        let mut state = self.state();
        if state.failure.is_some() {
            return Err(FramedError::NotTaken);
        }
        let mut written = 0;
        if state.outbox.is_empty() {
            match write_vectored(self.socket.get_ref(), request) {
                Ok(count) => written = count,
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                Err(_) => {
                    state.failure = Some(FramedError::Lost);
                    state.wake_all();
                    return Err(FramedError::NotTaken);
                }
            }
        }
        for part in request {
            let skipped = written.min(part.len());
            written -= skipped;
            if let Some(rest) = part.get(skipped..).filter(|rest| !rest.is_empty()) {
                state.outbox.push_back(Bytes::copy_from_slice(rest));
            }
        }
        Ok(())
    }

    fn drive(&self, state: &mut State, cx: &mut Context<'_>) -> Turn {
        let mut turn = self.read_answers(state, cx);
        if turn != Turn::Idle {
            return turn;
        }
        turn = turn.max(self.write_outbox(state, cx));
        let State { log, open, .. } = state;
        turn = turn.max(read_log(
            &self.stdout,
            Stream::Stdout,
            &mut open.stdout,
            log,
            cx,
        ));
        turn.max(read_log(
            &self.stderr,
            Stream::Stderr,
            &mut open.stderr,
            log,
            cx,
        ))
    }

    fn read_answers(&self, state: &mut State, cx: &mut Context<'_>) -> Turn {
        let mut turn = Turn::Idle;
        for _ in 0..READS_PER_TURN {
            if state.failure.is_some() {
                return turn;
            }
            let Poll::Ready(guard) = self.socket.poll_read_ready(cx) else {
                return turn;
            };
            let Ok(mut guard) = guard else {
                return state.lose();
            };
            turn = Turn::Progress;
            match state.answers.fill(self.socket.get_ref()) {
                Ok(Fill::End) => return state.lose(),
                Ok(Fill::Drained) => {
                    guard.clear_ready_matching(Ready::READABLE);
                    state.understand();
                    return turn;
                }
                Ok(Fill::More) => state.understand(),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => {
                    guard.clear_ready_matching(Ready::READABLE);
                    return turn;
                }
                Err(_) => return state.lose(),
            }
        }
        Turn::Busy
    }

    fn write_outbox(&self, state: &mut State, cx: &mut Context<'_>) -> Turn {
        let State {
            outbox,
            full,
            failure: None,
            ..
        } = state
        else {
            return Turn::Idle;
        };
        let Some(part) = outbox.front_mut() else {
            *full = None;
            return Turn::Idle;
        };
        let writable = match full {
            Some(socket) => socket,
            None => match self.watch_writable() {
                Ok(socket) => full.insert(socket),
                Err(_) => return state.lose(),
            },
        };
        let Poll::Ready(guard) = writable.poll_write_ready(cx) else {
            return Turn::Idle;
        };
        let Ok(mut guard) = guard else {
            return state.lose();
        };
        match write_vectored(self.socket.get_ref(), &[part]) {
            Ok(count) if count < part.len() => part.advance(count),
            Ok(_) => drop(outbox.pop_front()),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => guard.clear_ready_matching(Ready::WRITABLE),
            Err(_) => return state.lose(),
        }
        Turn::Progress
    }

    fn watch_writable(&self) -> io::Result<AsyncFd<OwnedFd>> {
        watch(self.socket.get_ref().try_clone()?, Interest::WRITABLE)
    }

    /// Reads what the pipes hold now, up to a bound, without waiting.
    fn read_now(&self, state: &mut State) {
        let mut cx = Context::from_waker(Waker::noop());
        // A driver's waker must stay registered: then the driver has read, or will.
        if state.driver.is_none() {
            let State { log, open, .. } = state;
            read_log(&self.stdout, Stream::Stdout, &mut open.stdout, log, &mut cx);
            read_log(&self.stderr, Stream::Stderr, &mut open.stderr, log, &mut cx);
        }
    }
}

impl State {
    fn lose(&mut self) -> Turn {
        self.failure.get_or_insert(FramedError::Lost);
        self.wake_all();
        Turn::Progress
    }

    fn wake_all(&mut self) {
        for (_, waker) in self.sleepers.drain(..) {
            waker.wake();
        }
    }

    fn sleep(&mut self, slot: u64, waker: &Waker) {
        match self.sleepers.iter_mut().find(|(other, _)| *other == slot) {
            Some((_, known)) => known.clone_from(waker),
            None => self.sleepers.push((slot, waker.clone())),
        }
    }

    fn wake(&mut self, slot: u64) {
        if let Some(at) = self.sleepers.iter().position(|(other, _)| *other == slot) {
            self.sleepers.swap_remove(at).1.wake();
        }
    }

    /// Handles all whole lines that were read.
    fn understand(&mut self) {
        loop {
            let pending = &self.pending;
            let line = self
                .answers
                .next(|key| pending.get(&key).map(|pending| pending.limit));
            match line {
                None => return,
                Some(Line::Answer { key, response }) => self.deliver(key, response),
                // Said twice it is not the launcher that speaks.
                Some(Line::Ready | Line::Refused(_)) if self.ready => {
                    self.lose();
                    return;
                }
                Some(Line::Ready) => {
                    self.ready = true;
                    self.wake_all();
                }
                Some(Line::Refused(refusal)) => {
                    self.failure.get_or_insert(FramedError::Refused(refusal));
                    self.wake_all();
                }
                Some(Line::Log { id, stream, text }) => self.keep(id, stream, Some(&text)),
                Some(Line::LogDropped { id: Some(id) }) => self.keep(id, Stream::Stdout, None),
                Some(Line::LogDropped { id: None }) => {}
                Some(Line::Malformed) => {
                    self.lose();
                    return;
                }
            }
        }
    }

    /// Keeps a line of an activation's log, or notes that one was dropped.
    fn keep(&mut self, id: ActivationId, stream: Stream, text: Option<&str>) {
        let is_running = self.pending.contains_key(&Key::Run(id));
        self.frames.keep(id, is_running, stream, text);
    }

    /// Hands an answer to its call. The answer of a call that has given up is dropped.
    fn deliver(&mut self, key: Key, response: Response) {
        if let Some(pending) = self.pending.get_mut(&key) {
            pending.response = Some(response);
            let slot = pending.slot;
            self.wake(slot);
        }
    }
}
