//! `ANY /api/v1/web/{namespace}/{package or default}/{action}…`. Source: invocation §9.2.

use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode, header};
use oxwhisk_entity::json::JsonKind;
use oxwhisk_entity::{Identity, Json, Privilege, ResponseStatus, WhiskActivation};
use oxwhisk_store::Collection;

use super::access::{Credentials, admits};
use super::arguments::{Arguments, Handling};
use super::path::{Extension, WebPath};
use super::projection::project;
use crate::controller::Controller;
use crate::entitlement::{self, Resource};
use crate::http::{ApiError, Cors, Entity, Reply, Request};
use crate::invocation::{Invocation, Outcome, ResolvedAction};
use crate::messages;

impl Controller {
    /// Answers a request to a web action: it runs on behalf of the owner of its namespace, whoever asks.
    pub(crate) async fn web_action(
        self: &Arc<Self>,
        request: &Request,
        path: &WebPath,
    ) -> Result<Reply, ApiError> {
        let exported = self.exported(request, path).await;
        let (owner, resolved) = exported.map_err(|error| error.of_web(Cors::Absent))?;
        let annotations = &resolved.action.annotations;
        let custom_options = annotations.is_true("web-custom-options");
        let cors = if custom_options {
            Cors::Absent
        } else {
            Cors::Web
        };
        let is_options = request.method == Method::OPTIONS;
        if is_options && !custom_options {
            return Ok(Reply::new(StatusCode::OK, Entity::Empty).with_cors(cors));
        }
        let caller = self.web_caller(&request.headers).await?;
        let credentials = match caller {
            Some(_) => Credentials::Valid,
            None => Credentials::Missing,
        };
        if !is_options && !admits(annotations, credentials, &request.headers) {
            let error = ApiError::new(StatusCode::UNAUTHORIZED, messages::UNAUTHORIZED);
            return Err(error.of_web(cors));
        }
        let payload = payload(request, path, &resolved, caller.as_deref(), cors)?;
        let invocation = Invocation {
            user: owner,
            action: path.action_name(),
            payload,
            transid: request.transaction(),
            wait: Some(self.config.max_blocking_wait),
        };
        let outcome = self.invoke_resolved(resolved, invocation).await;
        match outcome.map_err(|error| error.of_web(cors))? {
            Outcome::Finished(activation) => answer(&activation, path.extension, cors),
            Outcome::Accepted(id) => {
                let error = ApiError::new(StatusCode::ACCEPTED, messages::WEB_NOT_READY);
                Err(error.with_activation(id).of_web(cors))
            }
        }
    }

    /// Finds the action of a path and who pays for it, if it is exported and that namespace may run it now.
    async fn exported(
        &self,
        request: &Request,
        path: &WebPath,
    ) -> Result<(Arc<Identity>, ResolvedAction), ApiError> {
        let owner = self.authenticator.owner(&path.namespace).await?;
        let owner = owner.ok_or_else(ApiError::not_found)?;
        let resolved = match self.resolve(&path.action_name()).await {
            Ok(resolved) if resolved.action.annotations.is_true("web-export") => resolved,
            Err(error) if error.status.is_server_error() => return Err(error),
            // What is there but is no web action is not told from what is not there.
            Ok(_) | Err(_) => return Err(ApiError::not_found()),
        };
        self.throttle(&owner, Collection::Actions)?;
        let real_name = resolved.action.qualified_name();
        let resource = Resource::of_action(&real_name).ok_or_else(ApiError::not_found)?;
        entitlement::check(&self.entities, &owner, Privilege::Activate, &resource).await?;
        let (size, allowed) = (
            request.body.len() as u64,
            self.payload_size(&owner).as_bytes(),
        );
        if size > allowed {
            let text = messages::too_large("Request", size, allowed);
            return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, text));
        }
        Ok((owner, resolved))
    }

    /// Returns who sent the request; bad credentials are as good as none.
    async fn web_caller(&self, headers: &HeaderMap) -> Result<Option<Arc<Identity>>, ApiError> {
        if !headers.contains_key(header::AUTHORIZATION) {
            return Ok(None);
        }
        match self.authenticator.identify(headers).await {
            Ok(identity) => Ok(Some(identity)),
            Err(error) if error.status == StatusCode::UNAUTHORIZED => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Reads the arguments and checks that the caller may give them.
fn payload(
    request: &Request,
    path: &WebPath,
    resolved: &ResolvedAction,
    caller: Option<&Identity>,
    cors: Cors,
) -> Result<Json, ApiError> {
    let handling = if resolved.action.annotations.is_true("raw-http") {
        Handling::Raw
    } else {
        Handling::Parsed
    };
    let arguments = Arguments::read(request, handling)?;
    let finals = resolved.finals();
    if arguments.overrides(|name| finals.contains(name)) {
        let text = messages::PARAMETERS_NOT_ALLOWED;
        return Err(ApiError::new(StatusCode::BAD_REQUEST, text).of_web(cors));
    }
    let caller = caller.map(|caller| caller.namespace.name.as_str());
    Ok(arguments.to_json(&path.rest, caller))
}

/// Makes an answer of an activation that has ended. Source: invocation §9.6.
fn answer(
    activation: &WhiskActivation,
    extension: Extension,
    cors: Cors,
) -> Result<Reply, ApiError> {
    let id = activation.activation_id;
    let refusal = |error: ApiError| error.with_activation(id).of_web(cors);
    let result = activation.response.result_or_empty();
    if result.kind() == JsonKind::Array {
        return Err(ApiError::crash());
    }
    let value = match activation.response.status {
        ResponseStatus::Success => Some(result),
        ResponseStatus::ApplicationError => result
            .members()
            .and_then(|mut members| members.remove("error")),
        ResponseStatus::DeveloperError | ResponseStatus::WhiskError => {
            let error = ApiError::new(StatusCode::BAD_REQUEST, messages::WEB_FAILED);
            return Err(refusal(error));
        }
    };
    let value = value.ok_or_else(|| {
        let text = messages::WEB_PROPERTY_MISSING;
        refusal(ApiError::new(StatusCode::NOT_FOUND, text))
    })?;
    let projection = project(extension, &value).map_err(|error| refusal(error.into()))?;
    let mut reply = Reply::new(projection.status, projection.entity)
        .with_cors(cors)
        .with_activation(id);
    for (name, value) in projection.headers {
        reply.headers.append(name, value);
    }
    Ok(reply)
}
