//! Namespaces and their limits. Source: rest-api §7, entities §10.

use oxwhisk_entity::{Bound, ByteSize, Identity, Json, Privilege, WrittenSize};
use serde::Serialize;

use super::Caller;
use crate::controller::Controller;
use crate::entitlement::Resource;
use crate::http::{ApiError, Reply};

/// What `GET …/limits` shows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownLimits<'a> {
    invocations_per_minute: u32,
    concurrent_invocations: u32,
    fires_per_minute: u32,
    max_action_instances: u32,
    min_action_memory: i32,
    max_action_memory: i32,
    min_action_logs: i32,
    max_action_logs: i32,
    min_action_timeout: i32,
    max_action_timeout: i32,
    min_action_concurrency: i32,
    max_action_concurrency: i32,
    max_parameter_size: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_kinds: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store_activations: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_payload_size: Option<&'a WrittenSize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    truncation_size: Option<&'a WrittenSize>,
}

impl Controller {
    /// `GET /namespaces`
    pub(crate) fn namespaces(identity: &Identity) -> Reply {
        Reply::json(Json::of(&[&identity.namespace.name]))
    }

    /// `GET /namespaces/{ns}/limits`
    pub(crate) fn limits(&self, caller: &Caller<'_>) -> Result<Reply, ApiError> {
        let identity = caller.identity;
        if caller.namespace != identity.namespace.name
            || !identity.rights.contains(&Privilege::Read)
        {
            let resource = Resource::Collection {
                namespace: caller.namespace.clone(),
                collection: None,
            };
            return Err(ApiError::forbidden(&resource.to_string()));
        }
        let bounds = self.action_bounds(identity);
        let concurrent = self.concurrency_of(identity);
        let limits = &self.config.limits;
        Ok(Reply::json(Json::of(&ShownLimits {
            invocations_per_minute: identity
                .limits
                .invocations_per_minute
                .unwrap_or(limits.invocations_per_minute),
            concurrent_invocations: concurrent,
            fires_per_minute: identity
                .limits
                .fires_per_minute
                .unwrap_or(limits.fires_per_minute),
            max_action_instances: concurrent,
            min_action_memory: bounds.memory.min,
            max_action_memory: bounds.memory.max,
            min_action_logs: bounds.logs.min,
            max_action_logs: bounds.logs.max,
            min_action_timeout: bounds.timeout.min,
            max_action_timeout: bounds.timeout.max,
            min_action_concurrency: bounds.concurrency.min,
            max_action_concurrency: bounds.concurrency.max,
            max_parameter_size: self.parameter_size(identity).to_string(),
            allowed_kinds: identity.limits.allowed_kinds.as_deref(),
            store_activations: identity.limits.store_activations,
            max_payload_size: identity.limits.max_payload_size.as_ref(),
            truncation_size: identity.limits.truncation_size.as_ref(),
        })))
    }

    /// Returns how many activations a namespace may have in flight.
    pub(crate) fn concurrency_of(&self, identity: &Identity) -> u32 {
        identity
            .limits
            .concurrent_invocations
            .unwrap_or(self.config.limits.concurrent_invocations)
    }

    /// Returns how large parameters and annotations of a namespace's entities may be.
    pub(crate) fn parameter_size(&self, identity: &Identity) -> ByteSize {
        identity
            .limits
            .parameter_size(self.config.limits.parameters)
    }

    /// Returns how large arguments of a namespace's invocations may be.
    pub(crate) fn payload_size(&self, identity: &Identity) -> ByteSize {
        identity.limits.payload_size(self.config.limits.payload)
    }

    /// Returns what actions of a namespace may ask for: its own bounds within those of the deployment.
    pub(crate) fn action_bounds(&self, identity: &Identity) -> oxwhisk_entity::LimitBounds {
        let system = self.config.limits.action;
        let own = &identity.limits;
        let clip = |min: Option<i32>, max: Option<i32>, bound: Bound| Bound {
            min: min.unwrap_or(bound.min).max(bound.min),
            max: max.unwrap_or(bound.max).min(bound.max),
        };
        oxwhisk_entity::LimitBounds {
            timeout: clip(
                own.min_action_timeout,
                own.max_action_timeout,
                system.timeout,
            ),
            memory: clip(own.min_action_memory, own.max_action_memory, system.memory),
            logs: clip(own.min_action_logs, own.max_action_logs, system.logs),
            concurrency: clip(
                own.min_action_concurrency,
                own.max_action_concurrency,
                system.concurrency,
            ),
        }
    }
}
