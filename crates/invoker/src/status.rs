//! What an invoker shows of itself.

use oxwhisk_container::ContainerId;
use tokio::sync::{mpsc, oneshot};

use crate::machine::StateName;

/// An invoker at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvokerStatus {
    /// Memory of the pool in MB.
    pub memory_mb: u64,
    /// Memory of all containers that are not gone, in MB.
    pub used_mb: u64,
    /// Activations without a container.
    pub waiting: usize,
    /// Activations that cannot go on because a store or the bus refuses; nothing new is begun meanwhile.
    pub stuck: usize,
    /// The containers that are not gone, oldest first.
    pub containers: Vec<ContainerStatus>,
}

/// A container at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerStatus {
    /// Its name.
    pub id: ContainerId,
    /// What it is doing.
    pub state: StateName,
    /// The runtime's kind.
    pub kind: String,
    /// Memory in MB.
    pub memory_mb: u64,
    /// The invoking namespace and the action that it belongs to, `ns` and `ns/[pkg/]name`, if it does.
    pub bound_to: Option<(String, String)>,
    /// Activations in it.
    pub active: u32,
}

impl InvokerStatus {
    /// Counts the containers in a state.
    #[must_use]
    pub fn count(&self, state: StateName) -> usize {
        self.containers
            .iter()
            .filter(|container| container.state == state)
            .count()
    }
}

pub(crate) type StatusQuery = oneshot::Sender<InvokerStatus>;

/// Asks an invoker about itself. Cheap to clone.
#[derive(Debug, Clone)]
pub struct InvokerHandle {
    queries: mpsc::Sender<StatusQuery>,
}

impl InvokerHandle {
    pub(crate) fn new(queries: mpsc::Sender<StatusQuery>) -> Self {
        Self { queries }
    }

    /// Returns the present status; `None` if the invoker has ended. Cancel-safe.
    pub async fn status(&self) -> Option<InvokerStatus> {
        let (reply, status) = oneshot::channel();
        self.queries.send(reply).await.ok()?;
        status.await.ok()
    }
}
