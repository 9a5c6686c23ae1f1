//! Actions made of actions: sequences and compositions.
//!
//! A sequence feeds each component the result of the one before. A composition is steered by a conductor action,
//! which is run again after every component and says what comes next. Both are carried out here, in the
//! controller; their components are ordinary activations. Source: invocation §5.

mod component;
mod composition;
mod continuation;
mod record;
mod sequence;
mod validation;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::StatusCode;
use oxwhisk_bus::{ActivationMessage, Durability, SentActivation, TransactionId};
use oxwhisk_entity::{
    ActivationId, Asked, Exec, Identity, Json, RecordDurability, WhiskActivation,
};
use tokio::sync::oneshot;

use crate::controller::Controller;
use crate::http::ApiError;
use crate::invocation::{Outcome, ResolvedAction, last_wait};
use crate::messages;

/// Pauses between attempts to store a record.
const RECORD_RETRY: Duration = Duration::from_millis(100);
const RECORD_RETRY_MAX: Duration = Duration::from_secs(5);

/// One invocation of a sequence or composition with everything that its parts share.
///
/// Sequences in a sequence share its budget, and compositions in a composition share theirs. A sequence in a composition
/// is one component of it, a composition in a sequence one action; each has a budget of its own.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) user: Arc<Identity>,
    pub(crate) transid: TransactionId,
    /// Components that were started, over all nested levels that share them.
    components: AtomicU32,
    /// Runs of conductors, over all nested levels that share them.
    conductors: AtomicU32,
    /// Activations over all levels: definitions that became cyclic must not grow without end.
    activations: Arc<AtomicU32>,
}

impl Session {
    fn new(user: Arc<Identity>, transid: TransactionId) -> Self {
        Self {
            user,
            transid,
            components: AtomicU32::new(0),
            conductors: AtomicU32::new(0),
            activations: Arc::default(),
        }
    }

    /// Returns the session of a part that has a budget of its own.
    fn apart(&self) -> Self {
        Self {
            activations: Arc::clone(&self.activations),
            ..Self::new(Arc::clone(&self.user), self.transid.clone())
        }
    }

    /// Counts one activation; false if there were more before than a sequence of compositions may have, the greatest
    /// that two levels can be.
    fn take_activation(&self, limit: u32) -> bool {
        self.activations.fetch_add(1, Ordering::Relaxed) < most_activations(limit)
    }

    /// Counts one component; false if there were `limit` before.
    fn take_component(&self, limit: u32) -> bool {
        self.components.fetch_add(1, Ordering::Relaxed) < limit
    }

    /// Counts one run of a conductor; false if there were as many before as `limit` components allow.
    fn take_conductor(&self, limit: u32) -> bool {
        self.conductors.fetch_add(1, Ordering::Relaxed) < most_conductors(limit)
    }

    fn has_component_left(&self, limit: u32) -> bool {
        self.components.load(Ordering::Relaxed) < limit
    }
}

/// Most runs of conductors in a composition of so many components. Source: invocation §5.2.
fn most_conductors(components: u32) -> u32 {
    components.saturating_mul(2).saturating_add(1)
}

/// Most activations in a sequence of so many compositions of so many components each; those of one composition, where
/// sequences have no components.
fn most_activations(components: u32) -> u32 {
    let of_one_composition = most_conductors(components).saturating_add(components);
    components.max(1).saturating_mul(of_one_composition)
}

/// A sequence or composition that is being carried out.
#[derive(Debug, Clone)]
struct Composite {
    id: ActivationId,
    resolved: Arc<ResolvedAction>,
    /// The sequence or composition that it is a part of.
    cause: Option<ActivationId>,
    /// When it began, milliseconds since the epoch.
    start_ms: u64,
    /// How many sequences and compositions it is nested in.
    depth: u32,
    /// Whether it counts as one whose caller waits for the result, where it is decided if its record is stored.
    blocking: bool,
}

impl ResolvedAction {
    fn is_sequence(&self) -> bool {
        matches!(self.action.exec, Exec::Sequence(_))
    }

    /// True if the controller carries the action out itself.
    pub(crate) fn is_composite(&self) -> bool {
        self.is_sequence() || self.action.is_conductor()
    }
}

impl Controller {
    /// Carries out a sequence or composition, and waits for its end as long as asked.
    pub(crate) async fn invoke_composite(
        self: &Arc<Self>,
        resolved: ResolvedAction,
        call: CompositeCall,
    ) -> Result<Outcome, ApiError> {
        if self.unstored.load(Ordering::Relaxed) > 0 {
            return Err(ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                messages::UNAVAILABLE,
            ));
        }
        let composite = Composite {
            id: ActivationId::new(self.clock.epoch_ms(), rand::random()),
            resolved: Arc::new(resolved),
            cause: None,
            start_ms: self.clock.epoch_ms(),
            depth: 0,
            blocking: call.wait.is_some(),
        };
        let id = composite.id;
        let session = Arc::new(Session::new(call.user, call.transid));
        let message = self.promise(&composite, &session);
        let durability = if call.wait.is_some() {
            Durability::Volatile
        } else {
            Durability::Durable
        };
        let held = self
            .bus
            .hold_activation(&self.config.invoker, message, durability)
            .await?;
        let held: Arc<dyn SentActivation> = Arc::from(held);
        let (sender, result) = oneshot::channel();
        let controller = Arc::clone(self);
        let kept = Arc::clone(&held);
        self.tasks.spawn(async move {
            let activation = Arc::new(
                controller
                    .carry_out(&composite, call.payload, &session)
                    .await,
            );
            if controller.leaves_record(&composite, &session, &activation) {
                controller.finish_recorded(activation, sender).await;
            } else {
                controller
                    .finish_unrecorded(activation, kept.as_ref(), sender)
                    .await;
            }
        });
        let Some(wait) = call.wait else {
            return Ok(Outcome::Accepted(id));
        };
        let mut result = result;
        let activation = match tokio::time::timeout(wait, &mut result).await {
            Ok(activation) => activation.ok(),
            // From here on the caller knows the identifier only, so the activation must survive a crash.
            Err(_) => match held.persist().await {
                Ok(()) => None,
                // It goes on, and is recorded once there is space; nobody was told its identifier.
                Err(error) => Some(last_wait(result).await.ok_or(error)?),
            },
        };
        match activation {
            None => Ok(Outcome::Accepted(id)),
            // A conductor whose answer is no object: the original answers as if it had failed itself (observed.md).
            Some(activation) if is_unreadable(&activation) => Err(ApiError::internal()),
            Some(activation) => Ok(Outcome::Finished(activation)),
        }
    }

    async fn carry_out(
        self: &Arc<Self>,
        composite: &Composite,
        payload: Json,
        session: &Arc<Session>,
    ) -> WhiskActivation {
        match &composite.resolved.action.exec {
            Exec::Sequence(components) => {
                self.run_sequence(composite, components, payload, session)
                    .await
            }
            Exec::Code(_) => self.run_composition(composite, payload, session).await,
        }
    }

    /// Returns whether the record of a composite that has ended is stored. Source: rest-api §15.
    fn leaves_record(
        &self,
        composite: &Composite,
        session: &Session,
        activation: &WhiskActivation,
    ) -> bool {
        let asked = Asked {
            limits: &session.user.limits,
            blocking: composite.blocking,
            extra_logging: session.transid.extra_logging,
        };
        let status = activation.response.status;
        self.config.records.stores(asked, status)
    }

    /// Stores the record of a step that is a composite itself; the next step does not wait for that.
    fn keep_record(self: &Arc<Self>, activation: Arc<WhiskActivation>) {
        let controller = Arc::clone(self);
        self.tasks
            .spawn(async move { controller.store_record(activation).await });
    }

    /// Hands the result of a composite out, and sees to it that nothing of it is left: what stays on the bus would be
    /// recorded as interrupted by the next process.
    async fn finish_unrecorded(
        &self,
        activation: Arc<WhiskActivation>,
        held: &dyn SentActivation,
        result: oneshot::Sender<Arc<WhiskActivation>>,
    ) {
        let id = activation.activation_id;
        // The caller may have stopped waiting.
        let _unheard = result.send(activation);
        self.insist(id, "activation was not taken off the bus", || {
            held.release()
        })
        .await;
    }

    /// Hands the result of a composite out as soon as its record can be read, or is on the disk if the deployment wants
    /// that, and sees to it that the record is stored.
    async fn finish_recorded(
        &self,
        activation: Arc<WhiskActivation>,
        result: oneshot::Sender<Arc<WhiskActivation>>,
    ) {
        let mut storing = std::pin::pin!(self.store_record(Arc::clone(&activation)));
        // The first poll makes the record readable.
        let is_stored = match self.config.records.durability {
            RecordDurability::Sync => {
                storing.as_mut().await;
                true
            }
            RecordDurability::Group => tokio::select! {
                biased;
                () = &mut storing => true,
                () = std::future::ready(()) => false,
            },
        };
        // The caller may have stopped waiting; the record tells the result then.
        let _unheard = result.send(activation);
        if !is_stored {
            storing.await;
        }
    }

    /// Stores a record, again and again until the store takes it: a promised record is not given up while this
    /// process lives, and after it the journal stands for it.
    async fn store_record(&self, activation: Arc<WhiskActivation>) {
        let id = activation.activation_id;
        self.insist(id, "record was not stored", || {
            self.activations.store(Arc::clone(&activation))
        })
        .await;
    }

    /// Tries until it is done, further and further apart. No sequence or composition begins meanwhile.
    async fn insist<E: std::error::Error, F: Future<Output = Result<(), E>>>(
        &self,
        id: ActivationId,
        failure: &str,
        attempt: impl Fn() -> F,
    ) {
        let mut pause = RECORD_RETRY;
        while let Err(error) = attempt().await {
            tracing::error!(activation_id = %id, %error, "{failure}, trying again");
            self.unstored.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(pause).await;
            self.unstored.fetch_sub(1, Ordering::Relaxed);
            pause = (pause * 2).min(RECORD_RETRY_MAX);
        }
    }

    /// What stands on the bus for a composite, so that a crash leaves a record of it.
    fn promise(&self, composite: &Composite, session: &Session) -> Arc<ActivationMessage> {
        let resolved = &composite.resolved;
        let mut action = resolved.action.qualified_name();
        action.version = Some(resolved.action.version);
        action.binding.clone_from(&resolved.binding);
        Arc::new(ActivationMessage {
            transid: session.transid.clone(),
            action,
            revision: Some(resolved.revision.0.clone()),
            user: Arc::clone(&session.user),
            activation_id: composite.id,
            root_controller_index: self.config.id.clone(),
            blocking: composite.blocking,
            content: None,
            init_args: Vec::new(),
            locked_args: Json::empty_object(),
            cause: composite.cause,
        })
    }
}

/// True if a composition ended because its conductor answered what is no object.
fn is_unreadable(activation: &WhiskActivation) -> bool {
    activation.response == composition::unreadable()
}

/// A request to run a sequence or composition.
#[derive(Debug)]
pub(crate) struct CompositeCall {
    pub(crate) user: Arc<Identity>,
    pub(crate) transid: TransactionId,
    pub(crate) payload: Json,
    pub(crate) wait: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// invocation §5.2; and whatever the deployment sets as the longest sequence.
    #[test]
    fn budgets_grow_with_the_longest_sequence_and_never_wrap_around() {
        for (components, conductors, activations) in [
            (0, 1, 1),
            (1, 3, 4),
            (50, 101, 7550),
            (1 << 31, u32::MAX, u32::MAX),
            (u32::MAX, u32::MAX, u32::MAX),
        ] {
            assert_eq!(most_conductors(components), conductors);
            assert_eq!(most_activations(components), activations);
        }
    }
}
