//! What all tasks of one invoker share.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use oxwhisk_bus::{Acknowledgement, BusError, ControllerId, MessageBus};
use oxwhisk_container::{ContainerFactory, Runtime};
use oxwhisk_entity::EntityName;
use oxwhisk_store::{ActivationStore, ArtifactStore};
use tokio::sync::watch;

use crate::backlog::Backlog;
use crate::{Clock, InvokerConfig};

/// Pauses between attempts at what must succeed.
const RETRY: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// How often an acknowledgement is tried.
const ACK_ATTEMPTS: u32 = 3;

/// What an invoker works with.
#[derive(Debug, Clone)]
pub struct InvokerDeps {
    /// Brings activations and takes acknowledgements.
    pub bus: Arc<dyn MessageBus>,
    /// Holds the actions.
    pub artifacts: Arc<dyn ArtifactStore>,
    /// Takes the records.
    pub activations: Arc<dyn ActivationStore>,
    /// Makes containers of all kinds. It is not shut down by the invoker, since others may use it.
    pub factory: Arc<dyn ContainerFactory>,
    /// How the kinds are started; of equal kinds the last counts. An action of another kind fails with a
    /// whisk internal error, or, if it names an image, as if that could not be pulled.
    pub runtimes: Vec<Arc<Runtime>>,
    /// The table of kinds: stem cells, and whether logs end with a mark.
    pub manifest: Arc<oxwhisk_entity::ExecManifest>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) config: InvokerConfig,
    pub(crate) bus: Arc<dyn MessageBus>,
    pub(crate) artifacts: Arc<dyn ArtifactStore>,
    pub(crate) activations: Arc<dyn ActivationStore>,
    pub(crate) factory: Arc<dyn ContainerFactory>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) runtimes: HashMap<String, Arc<Runtime>>,
    /// Kinds whose logs have no end marks.
    unmarked_kinds: Vec<String>,
    /// Records that are not written yet.
    pub(crate) backlog: Backlog,
    /// How many activations cannot go on because a store or the bus refuses; intake rests meanwhile.
    stuck: watch::Sender<usize>,
    /// Set when what is stuck is to be given up.
    giving_up: watch::Sender<bool>,
}

impl Context {
    pub(crate) fn new(config: InvokerConfig, deps: InvokerDeps) -> Self {
        let unmarked = deps.manifest.runtimes().filter(|r| !r.sentinelled_logs);
        Self {
            unmarked_kinds: unmarked.map(|runtime| runtime.kind.clone()).collect(),
            backlog: Backlog::new(config.max_unwritten),
            config,
            bus: deps.bus,
            artifacts: deps.artifacts,
            activations: deps.activations,
            factory: deps.factory,
            clock: deps.clock,
            runtimes: deps
                .runtimes
                .into_iter()
                .map(|runtime| (runtime.kind.clone(), runtime))
                .collect(),
            stuck: watch::Sender::new(0),
            giving_up: watch::Sender::new(false),
        }
    }

    /// Returns whether the logs of a kind end with marks.
    pub(crate) fn has_marked_logs(&self, kind: &str) -> bool {
        !self.unmarked_kinds.iter().any(|unmarked| unmarked == kind)
    }

    /// Returns the number of activations that cannot go on.
    pub(crate) fn stuck(&self) -> watch::Receiver<usize> {
        self.stuck.subscribe()
    }

    /// Waits while other activations cannot go on, or many records of this namespace are not written yet, so that no
    /// more results pile up than were under way. Returns false if that is given up.
    pub(crate) async fn flows(&self, namespace: &EntityName) -> bool {
        let (mut stuck, mut giving_up) = (self.stuck.subscribe(), self.giving_up.subscribe());
        let flows = async {
            self.backlog.has_room(namespace).await;
            // The sender lives in the context, so the wait does not end early.
            let _count = stuck.wait_for(|&count| count == 0).await;
        };
        tokio::select! {
            biased;
            () = flows => true,
            // So does this one.
            _ = giving_up.wait_for(|&given_up| given_up) => false,
        }
    }

    /// Gives up what is stuck now or later.
    pub(crate) fn give_up(&self) {
        self.giving_up.send_replace(true);
    }

    /// Tells a controller something; it is not told if that fails several times.
    pub(crate) async fn acknowledge(&self, controller: &ControllerId, ack: Acknowledgement) {
        let activation_id = ack.activation_id();
        for attempt in 1.. {
            let error = match self.bus.acknowledge(controller, ack.clone()).await {
                Ok(()) => return,
                Err(error) => error,
            };
            let is_retryable = match error {
                BusError::Full { .. } | BusError::Unavailable(_) => attempt < ACK_ATTEMPTS,
                BusError::TooLarge | BusError::Closed { .. } | BusError::Withdrawn => false,
            };
            if !is_retryable {
                tracing::warn!(%activation_id, error = %error, "acknowledgement not sent");
                return;
            }
            self.pause(RETRY).await;
        }
    }

    /// Starts to count an activation as stuck.
    pub(crate) fn retries(&self) -> Retries<'_> {
        Retries {
            context: self,
            pause: RETRY,
            is_counted: false,
        }
    }

    async fn pause(&self, time: Duration) {
        self.clock.sleep_until(self.clock.now() + time).await;
    }
}

/// Attempts at something that must succeed, further and further apart. While more than one was needed the
/// activation counts as stuck.
#[derive(Debug)]
pub(crate) struct Retries<'a> {
    context: &'a Context,
    pause: Duration,
    is_counted: bool,
}

impl Retries<'_> {
    /// Waits before the next attempt; returns false if there is to be none.
    pub(crate) async fn wait(&mut self) -> bool {
        if !self.is_counted {
            self.is_counted = true;
            self.context.stuck.send_modify(|count| *count += 1);
        }
        let mut giving_up = self.context.giving_up.subscribe();
        let pause = self.pause;
        self.pause = (pause * 2).min(RETRY_MAX);
        tokio::select! {
            // The sender lives in the context, so the wait ends only when it is time to give up.
            _ = giving_up.wait_for(|&given_up| given_up) => false,
            () = self.context.pause(pause) => true,
        }
    }
}

impl Drop for Retries<'_> {
    fn drop(&mut self) {
        if self.is_counted {
            self.context.stuck.send_modify(|count| *count -= 1);
        }
    }
}
