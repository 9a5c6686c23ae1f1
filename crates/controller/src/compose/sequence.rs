//! Sequences.

use std::sync::Arc;

use oxwhisk_entity::json::JsonKind;
use oxwhisk_entity::{
    ActivationResponse, FullyQualifiedName, Json, ResponseStatus, WhiskActivation,
};

use super::component::StepError;
use super::record::Tally;
use super::{Composite, Session};
use crate::controller::Controller;
use crate::messages;

impl Controller {
    /// Runs the components one after the other, each on the result of the one before, until one fails.
    pub(super) async fn run_sequence(
        self: &Arc<Self>,
        sequence: &Composite,
        components: &[FullyQualifiedName],
        payload: Json,
        session: &Arc<Session>,
    ) -> WhiskActivation {
        let limit = self.config.limits.sequence_length;
        let mut tally = Tally::default();
        let mut input = payload;
        let mut response = ActivationResponse::success(Some(input.clone()), None);
        for component in components {
            if !session.has_component_left(limit) {
                response = failure(
                    ResponseStatus::ApplicationError,
                    messages::SEQUENCE_TOO_LONG,
                );
                break;
            }
            let Ok(resolved) = self.resolve(component).await else {
                response = failure(
                    ResponseStatus::ApplicationError,
                    messages::COMPONENT_MISSING,
                );
                break;
            };
            // Nested sequences count through their own components.
            if !resolved.is_sequence() {
                session.take_component(limit);
            }
            match self.run_step(resolved, input, sequence, session).await {
                Ok(activation) => {
                    tally.add(&activation);
                    response = activation.response.clone();
                    input = response.result_or_empty();
                    if has_error(&input) {
                        break;
                    }
                }
                Err(StepError::Timeout(id)) => {
                    response = failure(
                        ResponseStatus::WhiskError,
                        &messages::component_timeout(&id.to_string()),
                    );
                    break;
                }
                Err(StepError::TooMany) => {
                    response = failure(
                        ResponseStatus::ApplicationError,
                        messages::SEQUENCE_TOO_LONG,
                    );
                    break;
                }
                Err(StepError::Refused) => {
                    response = failure(ResponseStatus::WhiskError, messages::SEQUENCE_FAILED);
                    break;
                }
            }
        }
        self.composite_record(sequence, session, response, &tally)
    }
}

fn failure(status: ResponseStatus, text: &str) -> ActivationResponse {
    ActivationResponse::error(status, text)
}

/// True for an object with the member `error`, whatever its value.
fn has_error(result: &Json) -> bool {
    result.kind() == JsonKind::Object
        && result
            .members()
            .is_some_and(|members| members.get("error").is_some())
}
