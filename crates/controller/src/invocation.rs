//! From a request to run an action to its outcome.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use oxwhisk_bus::{ActivationMessage, BusError, Durability, SentActivation, TransactionId};
use oxwhisk_entity::{
    ActionLimits, ActivationId, EntityName, EntityPath, Exec, FullyQualifiedName, Identity, Json,
    LimitsPatch, Parameters, SemVer, WhiskAction, WhiskActivation, WhiskPackage,
};
use oxwhisk_store::Revision;
use tokio::sync::oneshot;

use crate::api::created_annotations;
use crate::balancer::InFlight;
use crate::compose::CompositeCall;
use crate::controller::Controller;
use crate::entities::{Stored, WhiskEntity};
use crate::http::ApiError;
use crate::messages;

/// How long the result of an activation that runs and cannot be promised is waited for beyond the caller's wait.
const UNPROMISED_PATIENCE: Duration = Duration::from_secs(3);

/// An action as it was found, ready to be invoked.
#[derive(Debug, Clone)]
pub(crate) struct ResolvedAction {
    /// The action itself; its namespace is the provider's path if it was reached through a binding.
    pub(crate) action: WhiskAction,
    /// Parameters of package and binding under the action's own.
    pub(crate) parameters: Parameters,
    /// The binding through which it was reached: `ns/binding`.
    pub(crate) binding: Option<EntityPath>,
    pub(crate) revision: Revision,
}

impl ResolvedAction {
    /// Returns the time limit of the action.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(u64::from(self.action.limits.timeout.unsigned_abs()))
    }

    /// Returns the names of arguments that callers may not give. Source: invocation §2.2.
    pub(crate) fn finals(&self) -> HashSet<&str> {
        if !self.action.has_final_parameters() {
            return HashSet::new();
        }
        let defined = self
            .parameters
            .iter()
            .filter(|parameter| !parameter.value.is_null());
        defined.map(|parameter| &*parameter.key).collect()
    }

    /// Refuses arguments that callers may not give.
    pub(crate) fn check_final(&self, payload: &Json) -> Result<(), ApiError> {
        let finals = self.finals();
        if finals.is_empty() {
            return Ok(());
        }
        let given = payload.members().unwrap_or_default();
        if given.iter().any(|(key, _)| finals.contains(key)) {
            return Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                messages::PARAMETERS_NOT_ALLOWED,
            ));
        }
        Ok(())
    }

    /// Merges arguments over the parameters. Source: invocation §2.1.
    fn merged(&self, payload: Json) -> Json {
        if self.parameters.is_empty() {
            return payload;
        }
        let given = payload.members().unwrap_or_default();
        self.parameters.to_members().merged(given).to_json()
    }
}

/// A request to run an action.
#[derive(Debug)]
pub struct Invocation {
    /// Who pays for it.
    pub user: Arc<Identity>,
    /// The action: `ns/[pkg/]name`.
    pub action: FullyQualifiedName,
    /// Arguments: an object.
    pub payload: Json,
    /// The request that caused it.
    pub transid: TransactionId,
    /// How long to wait for the result; `None` does not wait.
    pub wait: Option<Duration>,
}

/// What became of an invocation.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It ended within the wait; the record has no logs.
    Finished(Arc<WhiskActivation>),
    /// It was accepted, durably, and will end later.
    Accepted(ActivationId),
}

/// An activation on its way of which nobody may be told before it is written down.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) id: ActivationId,
    /// What is to be made durable; nothing if it is already.
    pub(crate) unwritten: Option<Arc<dyn SentActivation>>,
}

/// Why an invocation was refused.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct InvocationError {
    /// HTTP status code that the REST API answers.
    pub status: StatusCode,
    /// The text that the REST API answers.
    pub message: String,
}

impl From<ApiError> for InvocationError {
    fn from(error: ApiError) -> Self {
        Self {
            status: error.status,
            message: error.message,
        }
    }
}

impl Controller {
    /// Invokes an action without looking at throttles and entitlement: for callers inside the process.
    ///
    /// # Errors
    /// [`InvocationError`] if the action is missing, its runtime is deprecated, a final parameter is overridden, or
    /// no invoker takes it.
    pub async fn invoke(
        self: &Arc<Self>,
        invocation: Invocation,
    ) -> Result<Outcome, InvocationError> {
        let resolved = self.resolve(&invocation.action).await?;
        resolved.check_final(&invocation.payload)?;
        Ok(self.invoke_resolved(resolved, invocation).await?)
    }

    /// Creates an action from the `exec` of a request, with default limits: for callers inside the process.
    ///
    /// # Errors
    /// [`InvocationError`] if the `exec` is not valid, or the name is taken.
    pub async fn create_action(
        &self,
        name: &FullyQualifiedName,
        exec: &Json,
        limits: LimitsPatch,
    ) -> Result<(), InvocationError> {
        limits
            .check(&self.config.limits.action)
            .map_err(|error| ApiError::new(StatusCode::BAD_REQUEST, error.to_string()))?;
        let exec = Exec::from_request(exec, &self.config.manifest)
            .map_err(|error| ApiError::new(StatusCode::BAD_REQUEST, error.to_string()))?;
        let action = WhiskAction {
            namespace: name.path.clone(),
            name: name.name.clone(),
            annotations: created_annotations(
                &Parameters::default(),
                exec.kind(),
                &self.config.features,
            ),
            exec,
            parameters: Parameters::default(),
            limits: limits.apply(ActionLimits::default()),
            version: SemVer::FIRST,
            publish: false,
            updated: self.clock.epoch_ms(),
        };
        self.entities.put(WhiskEntity::Action(action), None).await?;
        Ok(())
    }

    /// Finds an action, through a binding if its package is one.
    pub(crate) async fn resolve(
        &self,
        name: &FullyQualifiedName,
    ) -> Result<ResolvedAction, ApiError> {
        let Some(package_name) = name.path.package() else {
            let Stored {
                entity: action,
                revision,
            } = self.entities.require::<WhiskAction>(name).await?;
            return Ok(ResolvedAction {
                parameters: action.parameters.clone(),
                action,
                binding: None,
                revision,
            });
        };
        let path = FullyQualifiedName::new(name.path.root_path(), package_name);
        let package = self.entities.require::<WhiskPackage>(&path).await?.entity;
        let (provider, inherited, binding) = match &package.binding {
            None => (path, package.parameters.clone(), None),
            Some(binding) => {
                let provider = self
                    .entities
                    .require::<WhiskPackage>(&binding.qualified_name())
                    .await?
                    .entity;
                let inherited = provider.parameters.merged(&package.parameters);
                (binding.qualified_name(), inherited, Some(package.path()))
            }
        };
        let real = FullyQualifiedName::new(provider.path.join(&provider.name), name.name.clone());
        let Stored {
            entity: action,
            revision,
        } = self.entities.require::<WhiskAction>(&real).await?;
        let parameters = inherited.merged(&action.parameters);
        Ok(ResolvedAction {
            action,
            parameters,
            binding,
            revision,
        })
    }

    /// Sends an action to an invoker and waits as long as asked. Whether the payload overrides final parameters
    /// was checked before, for that depends on who calls.
    pub(crate) async fn invoke_resolved(
        self: &Arc<Self>,
        resolved: ResolvedAction,
        invocation: Invocation,
    ) -> Result<Outcome, ApiError> {
        let kind = resolved.action.exec.kind();
        if self.config.manifest.is_deprecated(kind) {
            return Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                messages::deprecated(kind),
            ));
        }
        if resolved.is_composite() {
            // A composite passes the payload on; a conductor's own parameters are merged at each of its runs.
            let Invocation {
                user,
                payload,
                transid,
                wait,
                ..
            } = invocation;
            return self
                .invoke_composite(
                    resolved,
                    CompositeCall {
                        user,
                        transid,
                        payload,
                        wait,
                    },
                )
                .await;
        }
        let content = resolved.merged(invocation.payload);
        let message = self.message(
            &resolved,
            &invocation.user,
            invocation.transid,
            content,
            invocation.wait.is_some(),
        );
        let id = message.activation_id;
        let Some(wait) = invocation.wait else {
            self.balancer.publish(message, Durability::Durable).await?;
            return Ok(Outcome::Accepted(id));
        };
        let flight = self.balancer.publish(message, Durability::Volatile).await?;
        let InFlight { mut result, sent } = flight;
        let activation = match tokio::time::timeout(wait, &mut result).await {
            Ok(Ok(activation)) => Some(activation),
            // From here on the caller knows the identifier only, so the activation must survive a crash. Its result
            // will not come any more: there is nothing left to wait for.
            Ok(Err(_)) => {
                sent.persist().await?;
                None
            }
            Err(_) => match sent.persist().await {
                Ok(()) => None,
                Err(error) => Some(self.unpromised(id, sent.as_ref(), result, error).await?),
            },
        };
        Ok(activation.map_or(Outcome::Accepted(id), Outcome::Finished))
    }

    /// Ends a wait for an activation that cannot be promised, as when the disk is full: takes it back if it has not
    /// begun, and otherwise waits a little more for its result. Nobody learns its identifier from an error; what runs
    /// is recorded all the same once there is space.
    async fn unpromised(
        &self,
        id: ActivationId,
        sent: &dyn SentActivation,
        result: oneshot::Receiver<Arc<WhiskActivation>>,
        error: BusError,
    ) -> Result<Arc<WhiskActivation>, ApiError> {
        match sent.withdraw().await {
            Ok(true) => {
                self.balancer.forget(id);
                return Err(error.into());
            }
            Ok(false) => {}
            Err(failure) => {
                tracing::warn!(activation_id = %id, error = %failure, "activation not withdrawn");
            }
        }
        last_wait(result).await.ok_or_else(|| error.into())
    }

    /// Sends an action to an invoker and waits neither for its result nor for the disk. Checks are the caller's, as for
    /// [`Controller::invoke_resolved`].
    pub(crate) async fn send_resolved(
        self: &Arc<Self>,
        resolved: ResolvedAction,
        invocation: Invocation,
    ) -> Result<Accepted, ApiError> {
        let is_deprecated = self
            .config
            .manifest
            .is_deprecated(resolved.action.exec.kind());
        if is_deprecated || resolved.is_composite() {
            let id = match self.invoke_resolved(resolved, invocation).await? {
                Outcome::Accepted(id) => id,
                Outcome::Finished(activation) => activation.activation_id,
            };
            return Ok(Accepted {
                id,
                unwritten: None,
            });
        }
        let content = resolved.merged(invocation.payload);
        let Invocation { user, transid, .. } = invocation;
        let message = self.message(&resolved, &user, transid, content, false);
        let id = message.activation_id;
        let flight = self.balancer.publish(message, Durability::Volatile).await?;
        let unwritten = Some(flight.sent);
        Ok(Accepted { id, unwritten })
    }

    pub(crate) fn message(
        &self,
        resolved: &ResolvedAction,
        user: &Arc<Identity>,
        transid: TransactionId,
        content: Json,
        blocking: bool,
    ) -> ActivationMessage {
        let mut action = resolved.action.qualified_name();
        action.version = Some(resolved.action.version);
        action.binding.clone_from(&resolved.binding);
        let init = resolved
            .parameters
            .iter()
            .filter(|parameter| parameter.init);
        ActivationMessage {
            transid,
            action,
            revision: Some(resolved.revision.0.clone()),
            user: Arc::clone(user),
            activation_id: ActivationId::new(self.clock.epoch_ms(), rand::random()),
            root_controller_index: self.config.id.clone(),
            blocking,
            content: Some(content),
            init_args: init.map(|parameter| parameter.key.clone()).collect(),
            locked_args: Json::empty_object(),
            cause: None,
        }
    }
}

/// Waits a little more for the result of what runs and cannot be promised.
pub(crate) async fn last_wait(
    result: oneshot::Receiver<Arc<WhiskActivation>>,
) -> Option<Arc<WhiskActivation>> {
    tokio::time::timeout(UNPROMISED_PATIENCE, result)
        .await
        .ok()?
        .ok()
}

/// Puts `ns/[pkg/]name` together.
pub(crate) fn action_name(
    namespace: &EntityName,
    package: Option<&EntityName>,
    name: &EntityName,
) -> FullyQualifiedName {
    let path = EntityPath::from(namespace);
    FullyQualifiedName::new(
        package.map_or_else(|| path.clone(), |package| path.join(package)),
        name.clone(),
    )
}
