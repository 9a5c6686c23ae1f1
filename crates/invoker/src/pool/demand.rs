//! What the pool is told, and what it decides.

use std::sync::Arc;
use std::time::{Duration, Instant};

use oxwhisk_entity::{EntityName, EntityPath};
use oxwhisk_store::{DocumentId, Revision};

use crate::machine::RunId;

/// Name of a container within one pool; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContainerKey(pub u64);

/// One state of one document.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Revised {
    /// The document.
    pub document: DocumentId,
    /// Its state.
    pub revision: Revision,
}

/// For whom a container is initialised: nobody else ever runs in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ActionKey {
    /// Namespace of the invoking identity.
    pub namespace: EntityName,
    /// The action, as it was when the container was initialised.
    pub code: Arc<Revised>,
    /// The binding through which the action is reached; its parameters may be part of the environment.
    pub binding: Option<EntityPath>,
}

/// What containers that can stand in for each other have in common before they are initialised.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Class {
    /// The runtime's kind.
    pub kind: Arc<str>,
    /// The image of a blackbox.
    pub image: Option<Arc<str>>,
    /// Memory in MB.
    pub memory_mb: u64,
    /// How many runs may overlap; at least 1.
    pub concurrency: u32,
}

/// An activation that wants a container.
#[derive(Debug, Clone)]
pub struct Demand {
    /// The activation. Smaller is older: queues are kept in this order.
    pub run: RunId,
    /// For whom the container must be.
    pub action: Arc<ActionKey>,
    /// What the container must be like.
    pub class: Arc<Class>,
    /// How many containers the action may use at most; 0 counts as 1.
    pub instances: Option<u32>,
    /// When it came in.
    pub since: Instant,
}

/// Stem cells that are to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StemTarget {
    /// What they are like.
    pub class: Arc<Class>,
    /// How many.
    pub count: u32,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum PoolEvent {
    /// An activation came in, or came back from a container that could not take it.
    Offered(Demand),
    /// A container's runtime is up.
    Started {
        /// The container.
        container: ContainerKey,
        /// How long it took.
        took: Duration,
    },
    /// A container could not be made.
    CreateFailed {
        /// The container.
        container: ContainerKey,
    },
    /// A container is initialised and takes as many runs as its limit allows.
    Initialized {
        /// The container.
        container: ContainerKey,
        /// How long it took.
        took: Duration,
    },
    /// A run has answered and only its log is being read: the slot is free in a moment.
    Answered {
        /// The container.
        container: ContainerKey,
    },
    /// A run ended; the container stays.
    Freed {
        /// The container.
        container: ContainerKey,
        /// How long the run held its slot.
        took: Duration,
    },
    /// A container takes no more runs.
    Leaving {
        /// The container.
        container: ContainerKey,
    },
    /// Nothing of a container is left; its memory is free.
    Gone {
        /// The container.
        container: ContainerKey,
    },
    /// An action has a new revision: what waits for older ones is to be run with the new one.
    Superseded(Arc<Revised>),
    /// Time passed; see [`Pool::next_wakeup`](super::Pool::next_wakeup).
    Woken,
    /// No more stem cells are wanted, and what waits is to be looked at again.
    Draining,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Make a container.
    Create {
        /// Its name.
        container: ContainerKey,
        /// What it must be like.
        class: Arc<Class>,
    },
    /// Send an activation to a container.
    Assign {
        /// The container.
        container: ContainerKey,
        /// The activation.
        run: RunId,
    },
    /// Remove a container that is idle or being made.
    Remove {
        /// The container.
        container: ContainerKey,
    },
    /// Give an activation up: no container of its size can ever be made here.
    Refuse {
        /// The activation.
        run: RunId,
    },
    /// Give an activation up: the container that was made for it failed.
    Fail {
        /// The activation.
        run: RunId,
        /// The container.
        container: ContainerKey,
    },
    /// Take an activation back that waits: its action has a newer state, or the pool is draining. It may be
    /// offered again.
    Release {
        /// The activation.
        run: RunId,
    },
}
