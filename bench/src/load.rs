//! A load generator: one thread, one epoll, connections that stay open.
//!
//! It runs on the machine that is measured and its CPU counts; the server must do with what is left.
//! One answer costs it three system calls (`write`, `epoll_wait`, `read`).

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use crate::http::{Answer, Requests, parse};

/// How long one answer may take; far more than anything measured here.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of one read.
const READ: usize = 16 * 1024;

/// What came of a round.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// Time from request to answer, in the order of the answers.
    pub(crate) latencies: Vec<Duration>,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
}

impl Round {
    /// Returns answers a second.
    pub(crate) fn rate(&self) -> f64 {
        let count = u32::try_from(self.latencies.len()).unwrap_or(u32::MAX);
        f64::from(count) / self.elapsed.as_secs_f64()
    }
}

/// One connection and the answer that is coming in.
#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Bytes of `buffer` that have come in.
    filled: usize,
    sent: Instant,
}

/// Connections to one server.
#[derive(Debug)]
pub(crate) struct Load {
    connections: Vec<Connection>,
    epoll: OwnedFd,
}

impl Load {
    /// Opens connections.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn connect(requests: &Requests, count: usize) -> Result<Self> {
        let epoll =
            epoll::create(epoll::CreateFlags::CLOEXEC).context("could not make an epoll")?;
        let mut connections = Vec::new();
        for index in 0..count {
            let stream = TcpStream::connect(requests.authority())
                .context("could not connect to the server")?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let data = epoll::EventData::new_u64(index as u64);
            epoll::add(&epoll, &stream, data, epoll::EventFlags::IN)?;
            connections.push(Connection {
                stream,
                buffer: vec![0; READ],
                filled: 0,
                sent: Instant::now(),
            });
        }
        Ok(Self { connections, epoll })
    }

    /// Sends one request on the first connection and returns status and body of its answer.
    ///
    /// # Errors
    /// A connection that fails, or an answer that is none.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> Result<(u16, Vec<u8>)> {
        let mut found = None;
        self.round(request, 1, Duration::ZERO, |answer| {
            found = Some((answer.status, answer.body.to_vec()));
            Ok(())
        })?;
        found.context("no answer")
    }

    /// Sends the request over and over on the first `width` connections for a time, and waits for
    /// the answers that are still due then; each connection sends at least once.
    ///
    /// # Errors
    /// A connection that fails, an answer that is none, or what `answered` says.
    pub(crate) fn round(
        &mut self,
        request: &[u8],
        width: usize,
        duration: Duration,
        mut answered: impl FnMut(Answer<'_>) -> Result<()>,
    ) -> Result<Round> {
        let mut round = Round::default();
        let begin = Instant::now();
        let mut due = 0;
        for connection in self.connections.iter_mut().take(width) {
            connection.send(request)?;
            due += 1;
        }
        let mut events = Vec::with_capacity(width.max(1));
        while due > 0 {
            events.clear();
            let patience = Timespec::try_from(PATIENCE).ok();
            epoll::wait(&self.epoll, spare_capacity(&mut events), patience.as_ref())
                .context("could not wait for answers")?;
            if events.is_empty() {
                bail!("no answer within {PATIENCE:?}");
            }
            for event in &events {
                let index = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
                let Some(connection) = self.connections.get_mut(index) else {
                    continue;
                };
                if !connection.receive(&mut answered)? {
                    continue;
                }
                let now = Instant::now();
                round.latencies.push(now - connection.sent);
                if now - begin < duration {
                    connection.send(request)?;
                } else {
                    due -= 1;
                }
            }
        }
        round.elapsed = begin.elapsed();
        Ok(round)
    }
}

impl Connection {
    fn send(&mut self, request: &[u8]) -> Result<()> {
        self.sent = Instant::now();
        let mut rest = request;
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(error) => return Err(error).context("could not send a request"),
            }
        }
        Ok(())
    }

    /// Reads what is there; true once the answer is whole.
    fn receive(&mut self, answered: &mut impl FnMut(Answer<'_>) -> Result<()>) -> Result<bool> {
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.filled + READ, 0);
        }
        let free = self.buffer.get_mut(self.filled..).unwrap_or_default();
        match self.stream.read(free) {
            Ok(0) => bail!("the server closed a connection"),
            Ok(count) => self.filled += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error).context("could not read an answer"),
        }
        let incoming = self.buffer.get(..self.filled).unwrap_or_default();
        let Some(answer) = parse(incoming)? else {
            return Ok(false);
        };
        answered(answer)?;
        self.filled = 0;
        Ok(true)
    }
}
