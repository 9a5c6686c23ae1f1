//! Compositions: a conductor action and what it asks for.

use std::sync::Arc;

use oxwhisk_entity::json::JsonKind;
use oxwhisk_entity::{ActivationResponse, Json, Privilege, ResponseStatus, WhiskActivation};

use super::component::StepError;
use super::continuation::{Continuation, Next};
use super::record::Tally;
use super::{Composite, Session};
use crate::controller::Controller;
use crate::entitlement::{self, Resource};
use crate::messages;

/// How a step of a composition went.
enum Step {
    /// The conductor goes on with this.
    Result(Json),
    /// The composition ends with this.
    End(ActivationResponse),
}

impl Controller {
    /// Runs the conductor, then what it asks for, then the conductor again, until it asks for nothing more.
    pub(super) async fn run_composition(
        self: &Arc<Self>,
        composition: &Composite,
        payload: Json,
        session: &Arc<Session>,
    ) -> WhiskActivation {
        let limit = self.config.limits.sequence_length;
        let mut tally = Tally::default();
        let mut input = payload;
        let response = loop {
            if !session.take_conductor(limit) {
                break failure(
                    ResponseStatus::ApplicationError,
                    messages::COMPOSITION_TOO_LONG,
                );
            }
            let conductor = &composition.resolved;
            let activation = match self
                .run_primitive(conductor, input, composition.id, session)
                .await
            {
                Ok(activation) => activation,
                Err(error) => break step_failure(error),
            };
            tally.add(&activation);
            let response = &activation.response;
            match Continuation::read(&response.result_or_empty(), &session.user.namespace.name) {
                Continuation::End(result) => {
                    break ActivationResponse {
                        status: response.status,
                        result: Some(result),
                        size: None,
                    };
                }
                Continuation::Unreadable => break unreadable(),
                Continuation::Next(next) => {
                    let state = next.state.clone();
                    match self.run_next(composition, next, session, &mut tally).await {
                        Step::Result(result) => input = overlaid(&result, state.as_ref()),
                        Step::End(response) => break response,
                    }
                }
            }
        };
        self.composite_record(composition, session, response, &tally)
    }

    async fn run_next(
        self: &Arc<Self>,
        composition: &Composite,
        next: Next,
        session: &Arc<Session>,
        tally: &mut Tally,
    ) -> Step {
        let again = |text: String| Step::Result(Json::error(&Json::from(text.as_str())));
        let name = match next.action {
            Ok(name) => name,
            Err(value) => return again(messages::composition_bad_name(value.text())),
        };
        let full_name = name.to_string();
        let resource = Resource::of_action(&name);
        let allowed = match &resource {
            Some(resource) => {
                entitlement::check(&self.entities, &session.user, Privilege::Activate, resource)
                    .await
                    .is_ok()
            }
            None => false,
        };
        if !allowed {
            return again(messages::composition_not_entitled(&full_name));
        }
        let Ok(resolved) = self.resolve(&name).await else {
            return again(messages::composition_unresolved(&full_name));
        };
        if self
            .entitled_to_components(&session.user, &resolved)
            .await
            .is_err()
        {
            return again(messages::composition_not_entitled(&full_name));
        }
        // A nested composition counts through its own steps.
        let counts = !resolved.action.is_conductor();
        if counts && !session.take_component(self.config.limits.sequence_length) {
            return again(messages::COMPOSITION_TOO_LONG.to_owned());
        }
        match self
            .run_step(resolved, next.params, composition, session)
            .await
        {
            Ok(activation) => {
                tally.add(&activation);
                let result = activation.response.result_or_empty();
                match result.kind() {
                    JsonKind::Object => Step::Result(result),
                    // What the original says about a component that answers an array (observed.md §5.2).
                    _ => again(messages::composition_unresolved(&full_name)),
                }
            }
            Err(error) => Step::End(step_failure(error)),
        }
    }
}

fn failure(status: ResponseStatus, text: &str) -> ActivationResponse {
    ActivationResponse::error(status, text)
}

/// The end of a composition whose conductor answered what is no object.
pub(super) fn unreadable() -> ActivationResponse {
    failure(ResponseStatus::WhiskError, messages::INTERNAL_ERROR)
}

fn step_failure(error: StepError) -> ActivationResponse {
    match error {
        StepError::Timeout(id) => failure(
            ResponseStatus::WhiskError,
            &messages::composition_timeout(&id.to_string()),
        ),
        StepError::TooMany => failure(
            ResponseStatus::ApplicationError,
            messages::COMPOSITION_TOO_LONG,
        ),
        StepError::Refused => failure(ResponseStatus::WhiskError, messages::COMPOSITION_FAILED),
    }
}

/// Returns a result with the members of the saved state over it.
fn overlaid(result: &Json, state: Option<&Json>) -> Json {
    let Some(state) = state.and_then(Json::members) else {
        return result.clone();
    };
    result.members().unwrap_or_default().merged(state).to_json()
}
