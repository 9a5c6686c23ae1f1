//! One step of a sequence or composition.

use std::sync::Arc;
use std::time::Duration;

use oxwhisk_bus::Durability;
use oxwhisk_entity::json::JsonKind;
use oxwhisk_entity::{ActivationId, Exec, Json, WhiskActivation};

use super::{Composite, Session};
use crate::controller::Controller;
use crate::invocation::ResolvedAction;

/// What a step is waited for beyond its own time limit.
const EXTRA: Duration = Duration::from_secs(60);

/// Why a step gave no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StepError {
    /// It did not end in time.
    Timeout(ActivationId),
    /// It was not accepted.
    Refused,
    /// It is nested deeper than anything may be.
    TooDeep,
}

impl Controller {
    /// Runs an action of any kind as a part of another.
    pub(super) async fn run_step(
        self: &Arc<Self>,
        resolved: ResolvedAction,
        payload: Json,
        parent: &Composite,
        session: &Arc<Session>,
    ) -> Result<Arc<WhiskActivation>, StepError> {
        if !resolved.is_composite() {
            return self
                .run_primitive(&resolved, payload, parent.id, session)
                .await;
        }
        // Definitions may have become cyclic after they were checked.
        if parent.depth >= self.config.limits.sequence_length {
            return Err(StepError::TooDeep);
        }
        // Of nested ones only a composition that is a step of a sequence counts as waited for, as in the original.
        let blocking = matches!(parent.resolved.action.exec, Exec::Sequence(_))
            && matches!(resolved.action.exec, Exec::Code(_));
        let composite = Composite {
            id: ActivationId::new(self.clock.epoch_ms(), rand::random()),
            resolved: Arc::new(resolved),
            cause: Some(parent.id),
            start_ms: self.clock.epoch_ms(),
            depth: parent.depth + 1,
            blocking,
        };
        // Boxed, for a part may be made of parts itself.
        let activation = Box::pin(self.carry_out(&composite, payload, session)).await;
        let activation = Arc::new(activation);
        if self.leaves_record(&composite, session, &activation) {
            self.keep_record(Arc::clone(&activation));
        }
        Ok(activation)
    }

    /// Runs an action that is code.
    pub(super) async fn run_primitive(
        self: &Arc<Self>,
        resolved: &ResolvedAction,
        payload: Json,
        cause: ActivationId,
        session: &Arc<Session>,
    ) -> Result<Arc<WhiskActivation>, StepError> {
        if self
            .config
            .manifest
            .is_deprecated(resolved.action.exec.kind())
        {
            return Err(StepError::Refused);
        }
        let content = under(resolved, payload);
        let timeout = resolved.timeout();
        let mut message = self.message(
            resolved,
            &session.user,
            session.transid.clone(),
            content,
            true,
        );
        message.cause = Some(cause);
        let id = message.activation_id;
        let flight = self.balancer.publish(message, Durability::Volatile).await;
        let flight = flight.map_err(|error| {
            tracing::warn!(activation_id = %id, %error, "step was not accepted");
            StepError::Refused
        })?;
        match tokio::time::timeout(timeout + EXTRA, flight.result).await {
            Ok(Ok(activation)) => Ok(activation),
            Ok(Err(_)) | Err(_) => Err(StepError::Timeout(id)),
        }
    }
}

/// Merges an object over the action's parameters; an array stays as it is (invocation §2.3).
fn under(resolved: &ResolvedAction, payload: Json) -> Json {
    if payload.kind() != JsonKind::Object || resolved.parameters.is_empty() {
        return payload;
    }
    let given = payload.members().unwrap_or_default();
    resolved.parameters.to_members().merged(given).to_json()
}
