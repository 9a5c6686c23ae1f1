//! One sandboxed container as the invoker sees it.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use oxwhisk_entity::{ActivationId, ByteSize};
use rustix::process::Signal;
use tokio::sync::watch;
use tokio::time::timeout;

use super::cgroup::Version;
use super::config::ApiListeners;
use super::connection::{Connection, Ended};
use super::egress::traffic;
use super::wire::Order;
use crate::framed::{Framed, FramedError};
use crate::{
    Container, ContainerError, ContainerId, LogOutcome, Logs, Response, ResponseLimit, Traffic,
};

/// How long the end of killed processes may take. The kernel is only slower when it is stuck.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the helper may take to send a signal to all processes of a container.
const SIGNAL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the kernel may take by itself to kill everything after the first process was killed.
const KILL_PATIENCE: Duration = Duration::from_millis(100);

/// How often a freezer is asked again without waiting in between; a timer waits a millisecond or two.
const SOON: u32 = 50;

/// The file that stops and lets go on all processes of a container.
#[derive(Debug)]
pub(super) struct Freezer {
    pub(super) file: OwnedFd,
    pub(super) version: Version,
}

/// One process tree in its own namespaces.
pub(super) struct SandboxContainer {
    pub(super) id: ContainerId,
    pub(super) serial: u64,
    pub(super) framed: Framed,
    pub(super) pidfd: OwnedFd,
    pub(super) freezer: Option<Freezer>,
    /// Runs may overlap, so logs come in frames.
    pub(super) overlaps: bool,
    pub(super) end: watch::Receiver<Option<Ended>>,
    pub(super) connection: Arc<Connection>,
    pub(super) listeners: Option<Arc<dyn ApiListeners>>,
    /// The numbers of its traffic, if it has a way out.
    pub(super) traffic: Option<OwnedFd>,
}

impl fmt::Debug for SandboxContainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SandboxContainer")
            .field("id", &self.id)
            .field("serial", &self.serial)
            .finish_non_exhaustive()
    }
}

impl SandboxContainer {
    /// Waits until the launcher takes an init.
    pub(super) async fn ready(&self) -> Result<(), FramedError> {
        self.framed.ready().await
    }

    async fn answer(
        &self,
        asked: impl Future<Output = Result<Response, FramedError>>,
        limit: Duration,
    ) -> Result<Response, ContainerError> {
        if self.has_ended() {
            return Err(ContainerError::Unhealthy);
        }
        match timeout(limit, asked).await {
            Err(_) => Err(ContainerError::Timeout),
            Ok(Ok(response)) => Ok(response),
            Ok(Err(FramedError::NotTaken)) => Err(ContainerError::Unhealthy),
            // A container without its connection is of no use; and how it ends tells why it was lost.
            Ok(Err(FramedError::Lost | FramedError::Refused(_))) => {
                self.kill();
                match self.wait_end().await {
                    Some(Ended {
                        memory_exhausted: true,
                    }) => Err(ContainerError::MemoryExhausted),
                    Some(Ended {
                        memory_exhausted: false,
                    }) => Err(ContainerError::ConnectionLost),
                    // The helper died, and with it everything that it had started.
                    None => Err(ContainerError::PlatformLost),
                }
            }
        }
    }

    /// Tells whether nothing of the container is left, the helper's death included.
    fn has_ended(&self) -> bool {
        self.end.borrow().is_some() || self.end.has_changed().is_err()
    }

    /// Waits until nothing of the container is left; `None` if the helper ended and could not tell how.
    async fn wait_end(&self) -> Option<Ended> {
        let mut end = self.end.clone();
        let is_late = timeout(KILL_PATIENCE, end.wait_for(Option::is_some))
            .await
            .is_err();
        if is_late {
            // The first process kills the others when it ends, for which it may have to queue behind a thousand of them.
            let serial = self.serial;
            // Without a helper there are no containers.
            let _ = self.connection.order(&Order::Kill { serial }, &[]).await;
        }
        match timeout(END_TIMEOUT, end.wait_for(Option::is_some)).await {
            Ok(Ok(ended)) => *ended,
            // The helper has ended, and every container with it.
            Ok(Err(_)) => None,
            Err(_) => {
                tracing::error!(container_id = %self.id, "container did not end after it was killed");
                None
            }
        }
    }

    /// Kills the first process, and with it the kernel kills all others of the pid namespace.
    fn kill(&self) {
        // It may have ended already.
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
        if let Some(freezer) = &self.freezer {
            // Frozen processes of version 1 die when they are thawed. The group may be gone.
            let _ = freezer.write(Freeze::Thaw);
        }
    }

    fn failed(&self, source: io::Error) -> ContainerError {
        ContainerError::State {
            id: self.id.clone(),
            source,
        }
    }

    /// Has the helper stop all processes by signals, or let them go on.
    async fn signal_all(&self, stopped: bool) -> io::Result<()> {
        let done = self.connection.expect_stopped(self.serial);
        let order = Order::Stop {
            serial: self.serial,
            stopped,
        };
        let answered = tokio::time::timeout(SIGNAL_TIMEOUT, async {
            self.connection.order(&order, &[]).await?;
            done.await
                .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
        });
        match answered.await.map_err(|_| io::ErrorKind::TimedOut)?? {
            None => Ok(()),
            Some(errno) => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    fn close_listener(&self) {
        if let Some(listeners) = &self.listeners {
            listeners.closed(&self.id);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Freeze {
    Freeze,
    Thaw,
}

impl Freezer {
    fn write(&self, what: Freeze) -> rustix::io::Result<()> {
        let text: &[u8] = match (self.version, what) {
            (Version::V1, Freeze::Freeze) => b"FROZEN",
            (Version::V1, Freeze::Thaw) => b"THAWED",
            (Version::V2, Freeze::Freeze) => b"1",
            (Version::V2, Freeze::Thaw) => b"0",
        };
        rustix::io::pwrite(&self.file, text, 0).map(drop)
    }

    fn is_frozen(&self) -> rustix::io::Result<bool> {
        let mut state = [0; 16];
        let count = rustix::io::pread(&self.file, &mut state, 0)?;
        Ok(state
            .get(..count)
            .is_some_and(|text| text.starts_with(b"FROZEN")))
    }

    /// Freezes and waits until no process runs any more.
    async fn freeze(&self) -> io::Result<()> {
        self.write(Freeze::Freeze)?;
        if self.version == Version::V2 {
            // It freezes on its own in the end; until then processes only run kernel code.
            return Ok(());
        }
        // Version 1 may need to be asked again: a process that was just running stops a moment later.
        for attempt in 0.. {
            if self.is_frozen()? {
                break;
            }
            if attempt < SOON {
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            self.write(Freeze::Freeze)?;
        }
        Ok(())
    }
}

#[async_trait]
impl Container for SandboxContainer {
    fn id(&self) -> &ContainerId {
        &self.id
    }

    async fn init(
        &self,
        body: Bytes,
        timeout: Duration,
        limit: ResponseLimit,
    ) -> Result<Response, ContainerError> {
        self.answer(self.framed.init(body, limit), timeout).await
    }

    async fn run(
        &self,
        id: ActivationId,
        body: Bytes,
        timeout: Duration,
        limit: ResponseLimit,
    ) -> Result<Response, ContainerError> {
        self.answer(self.framed.run(id, body, limit), timeout).await
    }

    async fn logs(&self, id: ActivationId, limit: ByteSize, wait: Duration) -> Logs {
        if self.overlaps {
            return self.framed.take_frames(id, limit);
        }
        if wait.is_zero() {
            return self.framed.take_log(limit, LogOutcome::Complete);
        }
        // When time is up the outcome says so.
        let _ = timeout(wait, self.framed.log_ended()).await;
        self.framed.take_log(limit, LogOutcome::Incomplete)
    }

    fn traffic(&self) -> Option<Traffic> {
        let read = traffic::read(self.traffic.as_ref()?);
        read.inspect_err(
            |error| tracing::warn!(container_id = %self.id, %error, "traffic cannot be read"),
        )
        .ok()
    }

    async fn pause(&self) -> Result<(), ContainerError> {
        let paused = match &self.freezer {
            Some(freezer) => timeout(END_TIMEOUT, freezer.freeze())
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
            None => self.signal_all(true).await,
        };
        paused.map_err(|source| self.failed(source))
    }

    async fn resume(&self) -> Result<(), ContainerError> {
        let resumed = match &self.freezer {
            Some(freezer) => freezer.write(Freeze::Thaw).map_err(io::Error::from),
            None => self.signal_all(false).await,
        };
        resumed.map_err(|source| self.failed(source))
    }

    async fn destroy(&self) {
        self.kill();
        self.framed.fail();
        self.wait_end().await;
        self.close_listener();
        if let Some(traffic) = self.traffic() {
            let Traffic {
                sent,
                received,
                connections,
            } = traffic;
            tracing::debug!(container_id = %self.id, sent, received, connections, "container used its way out");
        }
    }
}

impl Drop for SandboxContainer {
    fn drop(&mut self) {
        if !self.has_ended() {
            self.kill();
        }
        self.close_listener();
    }
}
