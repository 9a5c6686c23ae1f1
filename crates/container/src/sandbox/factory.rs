//! Makes sandboxed containers.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use oxwhisk_entity::ByteSize;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::pipe::PipeFlags;
use tokio::task::JoinHandle;

use super::cgroup::{self, CgroupLayout, CgroupLocks, Controller};
use super::config::{NetworkMode, SandboxConfig};
use super::connection::{Connection, Creation, borrow};
use super::container::{Freezer, SandboxContainer};
use super::probe::{Finding, assess};
use super::wire::{Abilities, CreateOrder, Limits, Order, RuntimeOrder, Start};
use crate::framed::{Framed, FramedError, Pipes};
use crate::{Container, ContainerFactory, ContainerSpec, CreateError, Runtime};

/// Why the sandbox cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The helper could not be started.
    #[error("could not start the sandbox helper")]
    Start(#[source] io::Error),
    /// The helper ended before it could take orders: namespaces are refused here.
    #[error("the sandbox helper could not set itself up")]
    Refused,
}

/// Makes containers out of Linux namespaces.
#[derive(Debug)]
pub struct SandboxFactory {
    config: SandboxConfig,
    connection: Arc<Connection>,
    reader: Mutex<Option<JoinHandle<()>>>,
    abilities: Abilities,
    layout: CgroupLayout,
    _locks: CgroupLocks,
    next_serial: AtomicU64,
    /// Runtimes that the helper knows, by their number.
    runtimes: Mutex<Vec<Arc<Runtime>>>,
}

impl SandboxFactory {
    /// Starts the helper and waits until it takes orders. Must be called within a runtime with I/O and time.
    ///
    /// # Errors
    /// [`StartError`] if the helper cannot be started or the system refuses it its namespaces.
    pub async fn start(config: SandboxConfig) -> Result<Self, StartError> {
        let (layout, locks) = if config.cgroups {
            cgroup::prepare(rustix::process::geteuid().is_root())
        } else {
            (CgroupLayout::default(), CgroupLocks::none())
        };
        let connection = Connection::start(&config.helper.0).map_err(StartError::Start)?;
        let started = connection.expect_started();
        let reader = tokio::spawn(connection.clone().read());
        let api_port = match &config.network {
            NetworkMode::Api { port, .. } => Some(*port),
            NetworkMode::Host => None,
        };
        let first = Order::Start(Start {
            cgroups: layout.clone(),
            api_port,
            network_pool: config.network_pool,
        });
        connection
            .order(&first, &[])
            .await
            .map_err(StartError::Start)?;
        let abilities = started.await.map_err(|_| StartError::Refused)?;
        Ok(Self {
            config,
            connection,
            reader: Mutex::new(Some(reader)),
            abilities,
            layout,
            _locks: locks,
            next_serial: AtomicU64::new(1),
            runtimes: Mutex::default(),
        })
    }

    /// Reports how well each mechanism of isolation works here.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        assess(&self.abilities, &self.layout, &self.config.network)
    }

    /// Returns the runtime's number, and whether the helper does not know it yet.
    fn number_of(&self, runtime: &Arc<Runtime>) -> (u32, bool) {
        let mut runtimes = self.runtimes.lock().unwrap_or_else(PoisonError::into_inner);
        let known = runtimes
            .iter()
            .position(|known| Arc::ptr_eq(known, runtime) || known == runtime);
        let number = known.unwrap_or_else(|| {
            runtimes.push(runtime.clone());
            runtimes.len() - 1
        });
        (u32::try_from(number).unwrap_or(u32::MAX), known.is_none())
    }

    /// Prepares the root of a runtime, so that its first container does not wait for that.
    ///
    /// # Errors
    /// What the system answers when the helper cannot be reached.
    pub async fn prepare(&self, runtime: &Arc<Runtime>) -> io::Result<u32> {
        let (number, new) = self.number_of(runtime);
        if new {
            let order = Order::Runtime(RuntimeOrder {
                number,
                command: runtime.command.clone(),
                readable: runtime.readable.clone(),
                environment: runtime.environment.clone(),
            });
            self.connection.order(&order, &[]).await?;
        }
        Ok(number)
    }

    fn limits(&self, memory: ByteSize) -> Limits {
        let tmp = self.config.tmp.as_bytes().min(memory.as_bytes() / 2);
        Limits {
            memory: memory.as_bytes(),
            pids: self.config.pids,
            open_files: self.config.open_files,
            tmp,
            // One file for each 16 KiB: enough for any package, and bounded where files are empty.
            tmp_files: (tmp / (16 * 1024)).max(1024),
        }
    }

    /// Asks the helper for a container; on return its runtime has been started, or was refused.
    async fn spawn(
        &self,
        spec: &ContainerSpec,
        pipes: Pipes,
        theirs: Vec<OwnedFd>,
    ) -> Result<SandboxContainer, CreateError> {
        let failed = |step: &'static str| {
            let id = spec.id.clone();
            move |source: io::Error| CreateError::Step {
                id,
                step: step.into(),
                source,
            }
        };
        let serial = self.next_serial.fetch_add(1, Ordering::Relaxed);
        let runtime = self
            .prepare(&spec.runtime)
            .await
            .map_err(failed("reach the sandbox helper"))?;
        let framed =
            Framed::new(pipes, self.config.log_buffer).map_err(failed("watch the descriptors"))?;
        let (creation, end) = self.connection.expect_container(serial);
        let order = Order::Create(CreateOrder {
            serial,
            name: spec.id.as_str().to_owned(),
            runtime,
            environment: environment(spec),
            limits: self.limits(spec.memory),
        });
        self.connection
            .order(&order, &borrow(&theirs))
            .await
            .map_err(failed("reach the sandbox helper"))?;
        drop(theirs);
        match creation.await {
            Err(_) => Err(failed("reach the sandbox helper")(
                io::ErrorKind::BrokenPipe.into(),
            )),
            Ok(Creation::Refused { step, errno }) => Err(refused(spec, &step, errno)),
            Ok(Creation::Created {
                process,
                freezer,
                listener,
            }) => {
                let Some(pidfd) = process.claim() else {
                    return Err(failed("take over the container")(
                        io::ErrorKind::NotFound.into(),
                    ));
                };
                let listeners = match (&self.config.network, listener) {
                    (NetworkMode::Api { listeners, .. }, Some(listener)) => {
                        listeners.opened(&spec.id, listener.into());
                        Some(listeners.clone())
                    }
                    _ => None,
                };
                let version = self.layout.version_of(Controller::Freezer);
                Ok(SandboxContainer {
                    id: spec.id.clone(),
                    serial,
                    framed,
                    pidfd,
                    freezer: freezer
                        .zip(version)
                        .map(|(file, version)| Freezer { file, version }),
                    overlaps: spec.concurrency > 1,
                    end,
                    connection: self.connection.clone(),
                    listeners,
                })
            }
        }
    }
}

fn refused(spec: &ContainerSpec, step: &str, errno: i32) -> CreateError {
    CreateError::Step {
        id: spec.id.clone(),
        step: step.to_owned().into(),
        source: io::Error::from_raw_os_error(errno),
    }
}

fn environment(spec: &ContainerSpec) -> Vec<(String, String)> {
    let given = |name: &str| {
        spec.environment.contains_key(name)
            || spec
                .runtime
                .environment
                .iter()
                .any(|(known, _)| known == name)
    };
    let defaults = [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HOME", "/tmp")];
    let defaults = defaults
        .into_iter()
        .filter(|(name, _)| !given(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    defaults.chain(spec.environment.clone()).collect()
}

/// Makes the three channels of a container; returns the platform's ends and the container's.
fn channels() -> io::Result<(Pipes, Vec<OwnedFd>)> {
    let (socket, inner) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let (stdout, stdout_inner) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    let (stderr, stderr_inner) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    for fd in [&socket, &stdout, &stderr] {
        rustix::io::ioctl_fionbio(fd, true)?;
    }
    Ok((
        Pipes {
            socket,
            stdout,
            stderr,
        },
        vec![inner, stdout_inner, stderr_inner],
    ))
}

#[async_trait]
impl ContainerFactory for SandboxFactory {
    async fn create(&self, spec: ContainerSpec) -> Result<Arc<dyn Container>, CreateError> {
        let failed = |step: &'static str| {
            let id = spec.id.clone();
            move |source: io::Error| CreateError::Step {
                id,
                step: step.into(),
                source,
            }
        };
        if self.connection.is_closed() {
            return Err(failed("reach the sandbox helper")(
                io::ErrorKind::BrokenPipe.into(),
            ));
        }
        let (pipes, theirs) = channels().map_err(failed("open the channels"))?;
        let container = self.spawn(&spec, pipes, theirs).await?;
        let ready = tokio::time::timeout(self.config.start_timeout, container.ready()).await;
        let problem = match ready {
            Ok(Ok(())) => return Ok(Arc::new(container)),
            Ok(Err(FramedError::Refused(refusal))) => refused(&spec, &refusal.step, refusal.errno),
            Ok(Err(FramedError::Lost | FramedError::NotTaken)) => {
                failed("start the runtime")(io::ErrorKind::UnexpectedEof.into())
            }
            Err(_) => failed("start the runtime")(io::ErrorKind::TimedOut.into()),
        };
        container.destroy().await;
        Err(problem)
    }

    async fn shutdown(&self) {
        self.connection.close();
        let reader = self
            .reader
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(reader) = reader {
            // The reader ends when the helper has; it does not panic.
            let _ = reader.await;
        }
    }
}
