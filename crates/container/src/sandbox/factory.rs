//! Makes sandboxed containers.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use oxwhisk_entity::ByteSize;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::pipe::PipeFlags;

use super::cgroup::Controller;
use super::config::SandboxConfig;
use super::connection::{Creation, borrow};
use super::container::{Freezer, SandboxContainer};
use super::probe::{Finding, assess, refusal};
use super::running::RunningHelper;
use super::wire::{CreateOrder, EgressAbility, Limits, Order};
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
    /// A std lock: never held across an await. Nothing after the shutdown.
    helper: Mutex<Option<Arc<RunningHelper>>>,
    /// An async lock: of several creations that find the helper dead, one starts another.
    restart: tokio::sync::Mutex<()>,
    next_serial: AtomicU64,
}

impl SandboxFactory {
    /// Starts the helper and waits until it takes orders. Must be called within a runtime with I/O and time.
    ///
    /// # Errors
    /// [`StartError`] if the helper cannot be started or the system refuses it its namespaces.
    pub async fn start(config: SandboxConfig) -> Result<Self, StartError> {
        let helper = RunningHelper::start(&config).await?;
        Ok(Self {
            config,
            helper: Mutex::new(Some(Arc::new(helper))),
            restart: tokio::sync::Mutex::new(()),
            next_serial: AtomicU64::new(1),
        })
    }

    /// Reports how well each mechanism of isolation works here; nothing after the shutdown.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let helper = self.current();
        helper.map_or_else(Vec::new, |helper| {
            assess(&helper.abilities, &helper.layout, &self.config.network)
        })
    }

    /// Tells why containers reach nothing but the API although they should, if so.
    #[must_use]
    pub fn egress_refusal(&self) -> Option<String> {
        egress_refusal(&*self.current()?)
    }

    /// Prepares the root of a runtime, so that its first container does not wait for that.
    ///
    /// # Errors
    /// What the system answers when the helper cannot be reached.
    pub async fn prepare(&self, runtime: &Arc<Runtime>) -> io::Result<()> {
        self.running().await?.number_of(runtime).await.map(drop)
    }

    fn current(&self) -> Option<Arc<RunningHelper>> {
        self.helper
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Returns the helper, starting another one if it has ended: something must have killed it, and
    /// with it all containers, but new ones can be made.
    async fn running(&self) -> io::Result<Arc<RunningHelper>> {
        let alive = |helper: &Arc<RunningHelper>| !helper.connection.is_closed();
        if let Some(helper) = self.current().filter(alive) {
            return Ok(helper);
        }
        let _one_at_a_time = self.restart.lock().await;
        let gone = || io::Error::from(io::ErrorKind::NotConnected);
        let ended = self.current().ok_or_else(gone)?;
        if alive(&ended) {
            return Ok(ended);
        }
        ended.release();
        tracing::warn!(
            "the sandbox helper has ended, and all containers with it; starting another"
        );
        let helper = Arc::new(
            RunningHelper::start(&self.config)
                .await
                .map_err(io::Error::other)?,
        );
        if let Some(refusal) = egress_refusal(&helper) {
            tracing::warn!(refusal, "new containers reach nothing but the API");
        }
        let mut current = self.helper.lock().unwrap_or_else(PoisonError::into_inner);
        // After a shutdown meanwhile, the new one ends when it is dropped here.
        current
            .as_mut()
            .map(|current| *current = helper.clone())
            .ok_or_else(gone)?;
        Ok(helper)
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
        let unreachable = "reach the sandbox helper";
        let serial = self.next_serial.fetch_add(1, Ordering::Relaxed);
        let helper = self.running().await.map_err(failed(unreachable))?;
        let runtime = helper
            .number_of(&spec.runtime)
            .await
            .map_err(failed(unreachable))?;
        let framed =
            Framed::new(pipes, self.config.log_buffer).map_err(failed("watch the descriptors"))?;
        let (creation, end) = helper.connection.expect_container(serial);
        let order = Order::Create(CreateOrder {
            serial,
            name: spec.id.as_str().to_owned(),
            runtime,
            environment: environment(spec),
            limits: self.limits(spec.memory),
        });
        let sent = helper.connection.order(&order, &borrow(&theirs)).await;
        sent.map_err(failed(unreachable))?;
        drop(theirs);
        match creation.await {
            Err(_) => Err(failed(unreachable)(io::ErrorKind::BrokenPipe.into())),
            Ok(Creation::Refused { step, errno }) => Err(refused(spec, &step, errno)),
            Ok(Creation::Created {
                process,
                freezer,
                listener,
                traffic,
            }) => {
                let Some(pidfd) = process.claim() else {
                    return Err(failed("take over the container")(
                        io::ErrorKind::NotFound.into(),
                    ));
                };
                let listeners = match (self.config.network.api(), listener) {
                    (Some((_, listeners)), Some(listener)) => {
                        listeners.opened(&spec.id, listener.into());
                        Some(listeners.clone())
                    }
                    _ => None,
                };
                let version = helper.layout.version_of(Controller::Freezer);
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
                    connection: helper.connection.clone(),
                    listeners,
                    traffic,
                })
            }
        }
    }
}

fn egress_refusal(helper: &RunningHelper) -> Option<String> {
    match &helper.abilities.egress {
        Some(EgressAbility::Refused { step, errno }) => Some(refusal(step, *errno)),
        Some(EgressAbility::Works) | None => None,
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
        let (pipes, theirs) = channels().map_err(failed("open the channels"))?;
        let end = tokio::time::Instant::now() + self.config.start_timeout;
        // What a helper answers that was not waited for is let go, and with that it ends.
        let container = tokio::time::timeout_at(end, self.spawn(&spec, pipes, theirs))
            .await
            .map_err(|_| {
                failed("hear from the sandbox helper")(io::ErrorKind::TimedOut.into())
            })??;
        let ready = tokio::time::timeout_at(end, container.ready()).await;
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
        let helper = self
            .helper
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(helper) = helper {
            helper.end().await;
        }
    }
}
