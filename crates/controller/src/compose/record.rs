//! Records of sequences and compositions. Source: entities §9.

use oxwhisk_entity::{
    ActivationId, ActivationResponse, EntityPath, Exec, Json, Parameters, WhiskActivation,
};
use serde::Deserialize;

use super::{Composite, Session};
use crate::controller::Controller;

/// What the steps add up to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Identifiers of the direct steps, in order.
    steps: Vec<ActivationId>,
    /// Sum of their durations, milliseconds.
    duration: u64,
    /// Greatest memory of a step, MB.
    memory: Option<i32>,
}

#[derive(Deserialize)]
struct StepLimits {
    memory: i32,
}

impl Tally {
    pub(super) fn add(&mut self, step: &WhiskActivation) {
        self.steps.push(step.activation_id);
        self.duration += step.duration.unwrap_or(0);
        let limits = step
            .annotations
            .get("limits")
            .and_then(|limits| serde_json::from_str(limits.text()).ok());
        self.memory = self
            .memory
            .max(limits.map(|limits: StepLimits| limits.memory));
    }
}

impl Controller {
    pub(super) fn composite_record(
        &self,
        composite: &Composite,
        session: &Session,
        response: ActivationResponse,
        tally: &Tally,
    ) -> WhiskActivation {
        let action = &composite.resolved.action;
        WhiskActivation {
            namespace: EntityPath::from(&session.user.namespace.name),
            name: action.name.clone(),
            subject: session.user.subject.clone(),
            activation_id: composite.id,
            start: composite.start_ms,
            end: self.clock.epoch_ms(),
            cause: composite.cause,
            response,
            logs: tally.steps.iter().map(ToString::to_string).collect(),
            version: action.version,
            publish: false,
            annotations: annotations(composite, session, tally),
            duration: Some(tally.duration),
        }
    }
}

fn annotations(composite: &Composite, session: &Session, tally: &Tally) -> Parameters {
    let action = &composite.resolved.action;
    let mut annotations = vec![
        ("topmost", Json::from(composite.cause.is_none())),
        (
            "path",
            Json::from(action.qualified_name().to_string().as_str()),
        ),
        ("kind", Json::from("sequence")),
    ];
    if matches!(action.exec, Exec::Code(_)) {
        annotations.push(("conductor", Json::from(true)));
    }
    if composite.cause.is_some() {
        annotations.push(("causedBy", Json::from("sequence")));
    }
    if let Some(binding) = &composite.resolved.binding {
        annotations.push(("binding", Json::from(binding.as_str())));
    }
    if let Some(memory) = tally.memory {
        let mut limits = action.limits;
        limits.memory = memory;
        annotations.push(("limits", Json::of(&limits)));
    }
    let waited = composite.start_ms.saturating_sub(session.transid.start_ms);
    annotations.push(("waitTime", Json::from(waited)));
    annotations.into_iter().collect()
}
