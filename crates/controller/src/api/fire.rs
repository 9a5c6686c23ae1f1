//! `POST …/triggers/{name}`. Source: rest-api §10, invocation §4.

use std::sync::Arc;

use http::{HeaderMap, StatusCode, header};
use oxwhisk_bus::{SentActivation, TransactionId};
use oxwhisk_entity::json::{JsonKind, Members};
use oxwhisk_entity::{
    ActivationId, ActivationResponse, Asked, EntityName, EntityPath, FullyQualifiedName, Json,
    Parameters, Privilege, RuleLink, RuleStatus, WhiskActivation, WhiskTrigger,
};
use oxwhisk_store::Collection;
use serde::Serialize;
use tokio::task::JoinSet;

use super::Caller;
use super::edit::check_size;
use crate::controller::Controller;
use crate::entitlement::{self, Resource};
use crate::http::{ApiError, EXTRA_LOGGING, Entity, Reply};
use crate::invocation::{Accepted, Invocation};
use crate::messages;

/// What the log of a trigger's record says of one rule.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RuleEntry<'a> {
    status_code: u8,
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    activation_id: Option<ActivationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    rule: &'a str,
    action: String,
}

impl Controller {
    /// Fires a trigger: invokes the action of each active rule and stores the record. The answer comes when both are
    /// durable, so an identifier that was returned always has its record. They are written together, in one commit.
    pub(crate) async fn fire_trigger(
        self: &Arc<Self>,
        caller: &Caller<'_>,
        name: &EntityName,
    ) -> Result<Reply, ApiError> {
        check_size(
            "Request",
            caller.request.body.len() as u64,
            self.payload_size(caller.identity),
        )?;
        let body = caller.request.optional_json().await?;
        if body.kind() != JsonKind::Object {
            return Err(ApiError::malformed("JSON object expected"));
        }
        let full_name = FullyQualifiedName::new(EntityPath::from(&caller.namespace), name.clone());
        let trigger = self
            .entities
            .require::<WhiskTrigger>(&full_name)
            .await?
            .entity;
        let rules = trigger.rules.clone().unwrap_or_default();
        if !rules.values().any(|link| link.status == RuleStatus::Active) {
            return Ok(Reply::new(StatusCode::NO_CONTENT, Entity::Empty));
        }
        let start_ms = self.clock.epoch_ms();
        let id = ActivationId::new(start_ms, rand::random());
        let payload = payload(&trigger, &body, &caller.request.headers);
        let mut logs = Vec::with_capacity(rules.len());
        let mut unwritten = Vec::new();
        for (rule, link) in &rules {
            let (entry, sent) = self.activate_rule(caller, rule, link, &payload).await;
            logs.push(entry);
            unwritten.extend(sent);
        }
        let record = WhiskActivation {
            namespace: EntityPath::from(&caller.identity.namespace.name),
            name: trigger.name,
            subject: caller.identity.subject.clone(),
            activation_id: id,
            start: start_ms,
            end: 0,
            cause: None,
            response: ActivationResponse::success(Some(body), None),
            logs,
            version: trigger.version,
            publish: false,
            annotations: Parameters::default(),
            duration: None,
        };
        let written = write_down(unwritten);
        let asked = Asked {
            limits: &caller.identity.limits,
            blocking: false,
            extra_logging: caller.request.wants_extra_logging(),
        };
        if self.config.records.stores(asked, record.response.status) {
            // The record first: the store lets it wait for others, and takes it along with what it does not let wait.
            let stored = self.activations.store(Arc::new(record));
            let (stored, written) = tokio::join!(stored, written);
            stored?;
            written?;
        } else {
            written.await?;
        }
        let body = Json::from_canonical(format!("{{\"activationId\":\"{id}\"}}"));
        Ok(Reply::new(StatusCode::ACCEPTED, Entity::Json(body)).with_activation(id))
    }

    /// Invokes the action of a rule as an ordinary request of the caller; returns the entry of the log, and the
    /// activation if that is still to be written down.
    async fn activate_rule(
        self: &Arc<Self>,
        caller: &Caller<'_>,
        rule: &str,
        link: &RuleLink,
        payload: &Json,
    ) -> (String, Option<Arc<dyn SentActivation>>) {
        let mut unwritten = None;
        let action = link.action.to_string();
        let (status_code, activation_id, error) = if link.status == RuleStatus::Inactive {
            (1, None, Some(messages::rule_inactive(rule, &action)))
        } else {
            match self.post_to(caller, &link.action, payload).await {
                Ok(accepted) => {
                    unwritten = accepted.unwritten;
                    (0, Some(accepted.id), None)
                }
                Err(error) if error.status.is_client_error() => (1, None, Some(error.message)),
                Err(error) => (3, None, Some(error.message)),
            }
        };
        let success = status_code == 0;
        let entry = RuleEntry {
            status_code,
            success,
            activation_id,
            error,
            rule,
            action,
        };
        (Json::of(&entry).to_string(), unwritten)
    }

    /// Does what `POST` of the action without waiting would do.
    async fn post_to(
        self: &Arc<Self>,
        caller: &Caller<'_>,
        action: &FullyQualifiedName,
        payload: &Json,
    ) -> Result<Accepted, ApiError> {
        self.throttle(caller.identity, Collection::Actions)?;
        let resource = Resource::of_action(action).ok_or_else(ApiError::not_found)?;
        entitlement::check(
            &self.entities,
            caller.identity,
            Privilege::Activate,
            &resource,
        )
        .await?;
        let size = payload.text().len() as u64;
        check_size("Request", size, self.payload_size(caller.identity))?;
        let invocation = Invocation {
            user: Arc::clone(caller.identity),
            action: action.clone(),
            payload: payload.clone(),
            // The original posts to itself, with the identifier and nothing more.
            transid: TransactionId {
                extra_logging: false,
                ..caller.request.transaction()
            },
            wait: None,
        };
        let resolved = self.resolve(action).await?;
        self.entitled_to_components(caller.identity, &resolved)
            .await?;
        resolved.check_final(&invocation.payload)?;
        self.send_resolved(resolved, invocation).await
    }
}

/// Makes activations durable, all at once. One that fails does not keep the others from it: the record names them all.
async fn write_down(unwritten: Vec<Arc<dyn SentActivation>>) -> Result<(), ApiError> {
    let mut rest = unwritten.into_iter();
    let Some(first) = rest.next() else {
        return Ok(());
    };
    let mut others = JoinSet::new();
    for sent in rest {
        others.spawn(async move { sent.persist().await });
    }
    let mut outcome = first.persist().await.map_err(ApiError::from);
    while let Some(written) = others.join_next().await {
        let written = match written {
            Ok(written) => written.map_err(ApiError::from),
            Err(error) => {
                tracing::error!(%error, "an activation was not written down");
                Err(ApiError::internal())
            }
        };
        outcome = outcome.and(written);
    }
    outcome
}

/// Trigger parameters, the request's headers over them, the body over both.
fn payload(trigger: &WhiskTrigger, body: &Json, headers: &HeaderMap) -> Json {
    let mut members = trigger.parameters.to_members();
    members.set("__ow_headers".to_owned(), headers_object(headers));
    members.merged(body.members().unwrap_or_default()).to_json()
}

/// The headers by lower-case name, those of the body and of the platform left out; of repeated ones the last.
fn headers_object(headers: &HeaderMap) -> Json {
    let hidden = [header::CONTENT_TYPE, header::CONTENT_LENGTH, EXTRA_LOGGING];
    let mut members = Members::default();
    for (name, value) in headers {
        if !hidden.contains(name) {
            members.set(
                name.to_string(),
                Json::from(String::from_utf8_lossy(value.as_bytes()).as_ref()),
            );
        }
    }
    members.to_json()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use async_trait::async_trait;
    use oxwhisk_bus::BusError;
    use tokio::sync::Notify;

    use super::*;

    /// One that cannot be written down.
    #[derive(Debug)]
    struct Refused;

    /// One that is written down when the disk gets round to it.
    #[derive(Debug, Default)]
    struct Slow {
        disk: Notify,
        is_written: AtomicBool,
    }

    #[async_trait]
    impl SentActivation for Refused {
        async fn persist(&self) -> Result<(), BusError> {
            Err(BusError::Unavailable("the disk is away".into()))
        }

        async fn release(&self) -> Result<(), BusError> {
            Ok(())
        }

        async fn withdraw(&self) -> Result<bool, BusError> {
            Ok(false)
        }

        fn is_held(&self) -> bool {
            true
        }
    }

    #[async_trait]
    impl SentActivation for Slow {
        async fn persist(&self) -> Result<(), BusError> {
            self.disk.notified().await;
            self.is_written.store(true, Ordering::SeqCst);
            Ok(())
        }

        async fn release(&self) -> Result<(), BusError> {
            Ok(())
        }

        async fn withdraw(&self) -> Result<bool, BusError> {
            Ok(false)
        }

        fn is_held(&self) -> bool {
            true
        }
    }

    #[tokio::test]
    async fn one_that_is_not_written_down_does_not_stop_the_others() {
        for refused_is_first in [true, false] {
            let slow = Arc::new(Slow::default());
            let mut all: Vec<Arc<dyn SentActivation>> = vec![slow.clone(), Arc::new(Refused)];
            if refused_is_first {
                all.reverse();
            }
            let released = async {
                tokio::task::yield_now().await;
                slow.disk.notify_one();
            };
            let (outcome, ()) = tokio::join!(write_down(all), released);
            assert_eq!(outcome.unwrap_err().status, StatusCode::SERVICE_UNAVAILABLE);
            assert!(slow.is_written.load(Ordering::SeqCst));
        }
    }
}
