//! For tests: ordinary processes that serve HTTP, without any isolation.
//!
//! Proves that the seam suits containers that are reached over the network. The program prints the
//! port that it listens on as its first line.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use oxwhisk_entity::{ActivationId, ByteSize};
use rustix::process::{Pid, Signal};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::http::HttpRuntime;
use crate::log_buffer::LogBuffer;
use crate::{
    Container, ContainerError, ContainerFactory, ContainerId, ContainerSpec, CreateError,
    LogOutcome, Logs, Response, ResponseLimit, Stream,
};

/// Starts the command of a runtime as an ordinary process.
#[derive(Debug, Default)]
pub struct ProcessFactory;

#[async_trait]
impl ContainerFactory for ProcessFactory {
    async fn create(&self, spec: ContainerSpec) -> Result<Arc<dyn Container>, CreateError> {
        let id = spec.id.clone();
        let started = ProcessContainer::start(spec).await;
        let container = started.map_err(|source| CreateError::Step {
            id,
            step: "start the process".into(),
            source,
        })?;
        Ok(Arc::new(container))
    }

    async fn shutdown(&self) {}
}

#[derive(Debug)]
struct ProcessContainer {
    id: ContainerId,
    runtime: HttpRuntime,
    group: Pid,
    /// An async lock: it is held while the end of the process is waited for.
    child: tokio::sync::Mutex<Child>,
    log: Arc<Log>,
    readers: Vec<JoinHandle<()>>,
}

/// What the process printed.
#[derive(Debug)]
struct Log {
    /// A std lock: never held across an await.
    buffer: Mutex<LogBuffer>,
    grown: Notify,
}

impl ProcessContainer {
    async fn start(spec: ContainerSpec) -> io::Result<Self> {
        let missing = || io::Error::from(io::ErrorKind::InvalidInput);
        let (program, arguments) = spec.runtime.command.split_first().ok_or_else(missing)?;
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(
                spec.runtime
                    .environment
                    .iter()
                    .map(|(name, value)| (name, value)),
            )
            .envs(&spec.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(missing());
        };
        let group = child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?))
            .ok_or_else(missing)?;
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        stdout.read_line(&mut line).await?;
        let port: u16 = line
            .trim()
            .parse()
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        let log = Arc::new(Log {
            buffer: Mutex::new(LogBuffer::new(ByteSize::mib(10))),
            grown: Notify::new(),
        });
        let readers = vec![
            tokio::spawn(read_log(log.clone(), Stream::Stdout, stdout)),
            tokio::spawn(read_log(log.clone(), Stream::Stderr, stderr)),
        ];
        Ok(Self {
            id: spec.id,
            runtime: HttpRuntime::new(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
            group,
            child: tokio::sync::Mutex::new(child),
            log,
            readers,
        })
    }

    fn signal(&self, signal: Signal) -> Result<(), ContainerError> {
        rustix::process::kill_process_group(self.group, signal).map_err(|errno| {
            ContainerError::State {
                id: self.id.clone(),
                source: errno.into(),
            }
        })
    }
}

async fn read_log(log: Arc<Log>, stream: Stream, mut pipe: impl AsyncRead + Unpin) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = pipe.read(&mut bytes).await {
        let text = bytes.get(..count).unwrap_or_default();
        log.buffer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .feed(stream, text, SystemTime::now());
        log.grown.notify_waiters();
    }
}

#[async_trait]
impl Container for ProcessContainer {
    fn id(&self) -> &ContainerId {
        &self.id
    }

    async fn init(
        &self,
        body: Bytes,
        timeout: Duration,
        limit: ResponseLimit,
    ) -> Result<Response, ContainerError> {
        self.runtime.init(body, timeout, limit).await
    }

    async fn run(
        &self,
        _: ActivationId,
        body: Bytes,
        timeout: Duration,
        limit: ResponseLimit,
    ) -> Result<Response, ContainerError> {
        self.runtime.run(body, timeout, limit).await
    }

    async fn logs(&self, _: ActivationId, limit: ByteSize, wait: Duration) -> Logs {
        let ended = async {
            loop {
                let grown = self.log.grown.notified();
                if self
                    .log
                    .buffer
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .is_complete()
                {
                    break;
                }
                grown.await;
            }
        };
        // When time is up the outcome says so.
        let _ = tokio::time::timeout(wait, ended).await;
        let missing = if wait.is_zero() {
            LogOutcome::Complete
        } else {
            LogOutcome::Incomplete
        };
        self.log
            .buffer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(limit, missing)
    }

    async fn pause(&self) -> Result<(), ContainerError> {
        self.signal(Signal::STOP)
    }

    async fn resume(&self) -> Result<(), ContainerError> {
        self.signal(Signal::CONT)
    }

    async fn destroy(&self) {
        let mut child = self.child.lock().await;
        // A group whose leader was waited for may have a new owner.
        if child.id().is_some() {
            let _ = self.signal(Signal::KILL);
        }
        // It was killed: only its end is of interest.
        let _ = child.wait().await;
    }
}

impl Drop for ProcessContainer {
    fn drop(&mut self) {
        for reader in &self.readers {
            reader.abort();
        }
    }
}
