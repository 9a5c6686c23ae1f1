//! `POST …/actions/[pkg/]{name}`. Source: rest-api §8.6, invocation §2–3.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use oxwhisk_entity::json::JsonKind;
use oxwhisk_entity::{Json, ResponseStatus, WhiskActivation};

use super::edit::check_size;
use super::{Caller, EntityRef};
use crate::controller::Controller;
use crate::http::{ApiError, Entity, Query, Reply};
use crate::invocation::{Invocation, Outcome, action_name};
use crate::messages;

impl Controller {
    pub(crate) async fn post_action(
        self: &Arc<Self>,
        caller: &Caller<'_>,
        entity: &EntityRef,
    ) -> Result<Reply, ApiError> {
        let request = caller.request;
        check_size(
            "Request",
            request.body.len() as u64,
            self.payload_size(caller.identity),
        )?;
        let blocking = request.query.flag("blocking", false)?;
        let only_result = request.query.flag("result", false)?;
        let wait = wait_of(&request.query, self.config.max_blocking_wait)?;
        let payload = request.optional_json().await?;
        if payload.kind() != JsonKind::Object {
            return Err(ApiError::malformed("JSON object expected"));
        }
        let name = action_name(&caller.namespace, entity.package.as_ref(), &entity.name);
        let resolved = self.resolve(&name).await?;
        self.entitled_to_components(caller.identity, &resolved)
            .await?;
        resolved.check_final(&payload)?;
        let invocation = Invocation {
            user: Arc::clone(caller.identity),
            action: name,
            payload,
            transid: request.transaction(),
            wait: blocking.then_some(wait),
        };
        match self.invoke_resolved(resolved, invocation).await? {
            Outcome::Finished(activation) => Ok(finished(&activation, only_result)),
            Outcome::Accepted(id) => {
                let body = Json::from_canonical(format!("{{\"activationId\":\"{id}\"}}"));
                Ok(Reply::new(StatusCode::ACCEPTED, Entity::Json(body)).with_activation(id))
            }
        }
    }
}

/// How long the caller waits: what it asks for, at most `max`.
fn wait_of(query: &Query, max: Duration) -> Result<Duration, ApiError> {
    let Some(text) = query.get("timeout") else {
        return Ok(max);
    };
    match text.parse().map(Duration::from_millis) {
        Ok(wait) if !wait.is_zero() && wait <= max => Ok(wait),
        _ => {
            let text = messages::bad_parameter("timeout", &messages::bad_timeout(max.as_millis()));
            Err(ApiError::rejection(StatusCode::BAD_REQUEST, text))
        }
    }
}

/// The answer to a blocking invocation. A result that is an array is the whole body in either form.
fn finished(activation: &WhiskActivation, only_result: bool) -> Reply {
    let status = match activation.response.status {
        ResponseStatus::Success => StatusCode::OK,
        ResponseStatus::ApplicationError | ResponseStatus::DeveloperError => {
            StatusCode::BAD_GATEWAY
        }
        ResponseStatus::WhiskError => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let is_array = activation
        .response
        .result
        .as_ref()
        .is_some_and(|result| result.kind() == JsonKind::Array);
    let body = if only_result || is_array {
        activation.response.result_or_empty()
    } else {
        activation.to_api()
    };
    Reply::new(status, Entity::Json(body)).with_activation(activation.activation_id)
}
