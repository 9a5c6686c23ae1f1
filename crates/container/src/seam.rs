//! The traits that every kind of container implements.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use oxwhisk_entity::{ActivationId, ByteSize};

use crate::{Logs, Runtime};

/// Name of a container, unique on the machine while the invoker lives: letters, digits, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContainerId(String);

impl ContainerId {
    /// Wraps a name that consists of letters, digits, `_` and `-`.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a new container must be like.
#[derive(Debug, Clone)]
pub struct ContainerSpec {
    /// Its name.
    pub id: ContainerId,
    /// The runtime to start in it.
    pub runtime: Arc<Runtime>,
    /// Memory that everything in it may use together.
    pub memory: ByteSize,
    /// How many runs may overlap (`limits.concurrency`); 1 for most.
    pub concurrency: u32,
    /// Environment at start (`__OW_API_HOST`, `__OW_ALLOW_CONCURRENT` …); nothing else is inherited.
    pub environment: BTreeMap<String, String>,
}

/// How much of a runtime's answer is kept.
#[derive(Debug, Clone, Copy)]
pub struct ResponseLimit {
    /// Answers up to this many bytes are kept whole.
    pub max: ByteSize,
    /// Of a longer answer, this many bytes are kept.
    pub truncation: ByteSize,
}

/// A runtime's answer to `/init` or `/run`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// HTTP status code, or what stands for it in the framed protocol.
    pub status: u16,
    /// The entity; only its first bytes if `full_length` says that there were more.
    pub entity: Bytes,
    /// Length in bytes of an answer over the limit; `None` if `entity` is whole.
    pub full_length: Option<u64>,
}

/// Bytes and connections of a container since its start, names included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes that the container has sent, without headers.
    pub sent: u64,
    /// Bytes that it was sent.
    pub received: u64,
    /// Connections and datagram conversations that were opened, refused ones not counted.
    pub connections: u64,
}

/// Why a container gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// The time limit passed. The container must be destroyed.
    #[error("the runtime did not answer in time")]
    Timeout,
    /// The runtime ended or closed its connection, or answered what is not an answer.
    #[error("the connection to the runtime was lost")]
    ConnectionLost,
    /// A process of the container was killed because it reached the memory limit.
    #[error("the container exhausted its memory")]
    MemoryExhausted,
    /// The container was already gone, or said that it is leaving (503), before it took the
    /// request: the same request may go to another container.
    #[error("the container is not healthy")]
    Unhealthy,
    /// The platform lost the container, whatever the runtime did: what runs it, or drives it, has ended.
    #[error("the platform lost the container")]
    PlatformLost,
    /// The platform could not pause or resume the container.
    #[error("could not change the state of container `{id}`")]
    State {
        /// The container.
        id: ContainerId,
        /// What the system answered.
        #[source]
        source: std::io::Error,
    },
}

/// Why a container could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The image of a user's action could not be fetched.
    #[error("could not pull image `{image}`")]
    Pull {
        /// The image as the user named it.
        image: String,
    },
    /// No backend serves this runtime, for example an image without a container engine.
    #[error("no backend runs `{kind}` here")]
    Unsupported {
        /// The runtime's kind.
        kind: String,
    },
    /// The system refused one step of making it.
    #[error("could not {step} for container `{id}`")]
    Step {
        /// The container.
        id: ContainerId,
        /// What was tried: `create the namespaces`, `mount the root` …
        step: Cow<'static, str>,
        /// What the system answered.
        #[source]
        source: std::io::Error,
    },
}

/// Makes containers of one kind.
#[async_trait]
pub trait ContainerFactory: Send + Sync + fmt::Debug {
    /// Starts a container and returns once its runtime can take `/init`.
    ///
    /// Dropping the future leaves nothing behind.
    ///
    /// # Errors
    /// See [`CreateError`]; nothing is left behind then.
    async fn create(&self, spec: ContainerSpec) -> Result<Arc<dyn Container>, CreateError>;

    /// Ends what the factory keeps running for itself and waits for it. Containers are destroyed before.
    async fn shutdown(&self);
}

/// One isolated runtime.
///
/// The caller sends `/init` once and before any `/run`, never more runs at once than the spec's
/// `concurrency`, and calls [`Container::destroy`] in the end. Dropping the last handle destroys too, without waiting.
#[async_trait]
pub trait Container: Send + Sync + fmt::Debug {
    /// Returns its name.
    fn id(&self) -> &ContainerId;

    /// Sends the body of `/init` (`{"value":{…}}`, compact JSON) and waits for the answer.
    ///
    /// # Errors
    /// [`ContainerError::Timeout`], `ConnectionLost`, `MemoryExhausted`, `Unhealthy` or `PlatformLost`.
    async fn init(
        &self,
        body: Bytes,
        timeout: Duration,
        limit: ResponseLimit,
    ) -> Result<Response, ContainerError>;

    /// Sends the body of `/run` (compact JSON whose `activation_id` is `id`) and waits for the answer.
    ///
    /// # Errors
    /// [`ContainerError::Timeout`], `ConnectionLost`, `MemoryExhausted`, `Unhealthy` or `PlatformLost`.
    async fn run(
        &self,
        id: ActivationId,
        body: Bytes,
        timeout: Duration,
        limit: ResponseLimit,
    ) -> Result<Response, ContainerError>;

    /// Takes the log lines since the last call (of this activation only, if runs may overlap).
    ///
    /// Waits for both end marks, but not longer than `wait`; a zero `wait` takes what is there (after
    /// a developer error the runtime may be dead). Lines beyond `limit` bytes are dropped and the
    /// outcome says so; a zero limit keeps none. A line counts its text and one byte for its end
    /// (OpenWhisk counts the JSON that Docker wraps around each line as well).
    async fn logs(&self, id: ActivationId, limit: ByteSize, wait: Duration) -> Logs;

    /// Returns what the container has exchanged beyond the machine since its start, while it lives and
    /// after; nothing if it has no such way out, or if nobody counts.
    fn traffic(&self) -> Option<Traffic> {
        None
    }

    /// Stops all processes of the container where they are.
    ///
    /// # Errors
    /// [`ContainerError::State`] if the system refuses.
    async fn pause(&self) -> Result<(), ContainerError>;

    /// Lets the processes of a paused container go on.
    ///
    /// # Errors
    /// [`ContainerError::State`] if the system refuses.
    async fn resume(&self) -> Result<(), ContainerError>;

    /// Kills everything in the container and returns when nothing of it is left. May be called twice.
    async fn destroy(&self);
}
