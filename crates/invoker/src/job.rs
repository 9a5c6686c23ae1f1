//! One activation in the hands of the invoker.

use std::sync::Arc;
use std::time::Instant;

use oxwhisk_bus::{ActivationMessage, BusError, Delivery};

use crate::context::Context;
use crate::executable::Executable;
use crate::machine::RunId;
use crate::pool::{ActionKey, Demand};
use crate::record::Timing;

/// An activation from its delivery to its record.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) run: RunId,
    pub(crate) delivery: Box<dyn Delivery>,
    pub(crate) message: Arc<ActivationMessage>,
    /// When it came in.
    pub(crate) since: Instant,
    /// How often a container could not take it.
    pub(crate) reschedules: u32,
    /// How often its code vanished before it could be fetched.
    pub(crate) refetches: u32,
    pub(crate) timing: Timing,
    /// It is written down that it began.
    has_begun: bool,
}

/// An activation whose action is known.
#[derive(Debug)]
pub(crate) struct ReadyJob {
    pub(crate) job: Job,
    pub(crate) action: Arc<Executable>,
}

impl Job {
    /// Returns whether the bus was told that it is about to run.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun
    }

    pub(crate) fn new(run: RunId, delivery: Box<dyn Delivery>, since: Instant) -> Self {
        Self {
            run,
            message: delivery.message().clone(),
            delivery,
            since,
            reschedules: 0,
            refetches: 0,
            timing: Timing::default(),
            has_begun: false,
        }
    }

    /// Returns the bytes of its arguments.
    pub(crate) fn size(&self) -> usize {
        self.message.content.as_ref().map_or(0, |json| json.size())
    }

    /// Writes down that it is about to run. Returns false if that is impossible, or its sender took it
    /// back; it must not be run then.
    pub(crate) async fn begin(&mut self, context: &Context) -> bool {
        if self.has_begun {
            return true;
        }
        if !context.flows(&self.message.user.namespace.name).await {
            return false;
        }
        let mut retries = context.retries();
        while let Err(error) = self.delivery.start().await {
            let activation_id = self.message.activation_id;
            if matches!(error, BusError::Withdrawn) {
                tracing::debug!(%activation_id, "activation withdrawn before it began");
                return false;
            }
            tracing::warn!(%activation_id, %error, "start not written down");
            if !retries.wait().await {
                return false;
            }
        }
        self.has_begun = true;
        true
    }
}

impl ReadyJob {
    /// Returns what the pool must know about it.
    pub(crate) fn demand(&self) -> Demand {
        let instances = self.action.limits.instances;
        Demand {
            run: self.job.run,
            action: Arc::new(ActionKey {
                namespace: self.job.message.user.namespace.name.clone(),
                code: self.action.code.clone(),
                binding: self.job.message.action.binding.clone(),
            }),
            class: self.action.class.clone(),
            instances: instances.map(|count| u32::try_from(count).unwrap_or(0)),
            since: self.job.since,
        }
    }
}
