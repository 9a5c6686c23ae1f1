//! The handlers, by collection.

mod actions;
mod activations;
mod edit;
mod execute_only;
mod fire;
mod info;
mod invoke;
mod namespaces;
mod packages;
mod rules;
mod triggers;

pub(crate) use actions::created_annotations;

use std::sync::Arc;

use oxwhisk_entity::{EntityName, Identity, Privilege};
use oxwhisk_store::Collection;

use crate::controller::Controller;
use crate::entitlement::{self, Resource};
use crate::http::{ApiError, Reply, Request};
use crate::messages;
use crate::router::{Call, Verb, name_of};

/// Who asks, about which namespace.
#[derive(Debug)]
pub(crate) struct Caller<'a> {
    pub(crate) request: &'a Request,
    pub(crate) identity: &'a Arc<Identity>,
    pub(crate) namespace: EntityName,
}

/// One entity that a path names.
#[derive(Debug)]
pub(crate) struct EntityRef {
    pub(crate) package: Option<EntityName>,
    pub(crate) name: EntityName,
}

impl Controller {
    /// Carries out a call on a namespace. The order of checks is the one of rest-api §5.2.
    pub(crate) async fn call(
        self: &Arc<Self>,
        request: &Request,
        identity: &Arc<Identity>,
        namespace: EntityName,
        call: Call<'_>,
    ) -> Result<Reply, ApiError> {
        let caller = Caller {
            request,
            identity,
            namespace,
        };
        match call {
            Call::Limits => self.limits(&caller),
            Call::LimitsInner => Err(ApiError::rejection(
                http::StatusCode::BAD_REQUEST,
                messages::LIMITS_INNER,
            )),
            Call::List(collection) => self.list(&caller, collection).await,
            Call::ListPackage { package } => self.list_package(&caller, name_of(package)?).await,
            Call::ListActivations => self.list_activations(&caller).await,
            Call::Activation { id, part } => self.activation(&caller, id, part).await,
            Call::Entity {
                collection,
                package,
                name,
                verb,
            } => {
                let package = package.map(name_of).transpose()?;
                let entity = EntityRef {
                    package,
                    name: name_of(name)?,
                };
                self.entity(&caller, collection, &entity, verb).await
            }
        }
    }

    async fn list(&self, caller: &Caller<'_>, collection: Collection) -> Result<Reply, ApiError> {
        let resource = Resource::Collection {
            namespace: caller.namespace.clone(),
            collection: Some(collection),
        };
        self.entitled(caller, Privilege::Read, &resource).await?;
        match collection {
            Collection::Actions => self.list_actions(caller).await,
            Collection::Packages => self.list_packages(caller).await,
            Collection::Triggers => self.list_triggers(caller).await,
            Collection::Rules => self.list_rules(caller).await,
        }
    }

    async fn entity(
        self: &Arc<Self>,
        caller: &Caller<'_>,
        collection: Collection,
        entity: &EntityRef,
        verb: Verb,
    ) -> Result<Reply, ApiError> {
        let privilege = match verb {
            Verb::Get => Privilege::Read,
            Verb::Put => Privilege::Put,
            Verb::Delete => Privilege::Delete,
            Verb::Post => Privilege::Activate,
        };
        if verb == Verb::Post {
            self.throttle(caller.identity, collection)?;
        }
        let (namespace, name) = (caller.namespace.clone(), entity.name.clone());
        let resource = match (collection, &entity.package) {
            (Collection::Packages, _) => Resource::Package { namespace, name },
            (_, Some(package)) => Resource::PackagedAction {
                namespace,
                package: package.clone(),
                name,
            },
            (_, None) => Resource::Entity {
                namespace,
                name: name.to_string(),
            },
        };
        self.entitled(caller, privilege, &resource).await?;
        match (collection, verb) {
            (Collection::Actions, Verb::Get) => self.get_action(caller, entity).await,
            (Collection::Actions, Verb::Put) => self.put_action(caller, entity).await,
            (Collection::Actions, Verb::Delete) => self.delete_action(caller, entity).await,
            (Collection::Actions, Verb::Post) => self.post_action(caller, entity).await,
            (Collection::Packages, Verb::Get) => self.get_package(caller, &entity.name).await,
            (Collection::Packages, Verb::Put) => self.put_package(caller, &entity.name).await,
            (Collection::Packages, Verb::Delete) => self.delete_package(caller, &entity.name).await,
            (Collection::Triggers, Verb::Get) => self.get_trigger(caller, &entity.name).await,
            (Collection::Triggers, Verb::Put) => self.put_trigger(caller, &entity.name).await,
            (Collection::Triggers, Verb::Delete) => self.delete_trigger(caller, &entity.name).await,
            (Collection::Triggers, Verb::Post) => self.fire_trigger(caller, &entity.name).await,
            (Collection::Rules, Verb::Get) => self.get_rule(caller, &entity.name).await,
            (Collection::Rules, Verb::Put) => self.put_rule(caller, &entity.name).await,
            (Collection::Rules, Verb::Delete) => self.delete_rule(caller, &entity.name).await,
            (Collection::Rules, Verb::Post) => self.post_rule(caller, &entity.name).await,
            (Collection::Packages, Verb::Post) => Err(ApiError::no_route()),
        }
    }

    pub(crate) async fn entitled(
        &self,
        caller: &Caller<'_>,
        privilege: Privilege,
        resource: &Resource,
    ) -> Result<(), ApiError> {
        entitlement::check(&self.entities, caller.identity, privilege, resource).await
    }

    /// Counts an activation against the limits of the namespace. Source: invocation §8.
    pub(crate) fn throttle(
        &self,
        identity: &Identity,
        collection: Collection,
    ) -> Result<(), ApiError> {
        let limits = &self.config.limits;
        let uuid = &identity.namespace.uuid;
        let refuse = |text| Err(ApiError::new(http::StatusCode::TOO_MANY_REQUESTS, text));
        let (throttle, allowed) = match collection {
            Collection::Actions => (
                &self.invocations,
                identity
                    .limits
                    .invocations_per_minute
                    .unwrap_or(limits.invocations_per_minute),
            ),
            Collection::Triggers => (
                &self.fires,
                identity
                    .limits
                    .fires_per_minute
                    .unwrap_or(limits.fires_per_minute),
            ),
            Collection::Packages | Collection::Rules => return Ok(()),
        };
        let count = throttle.count(uuid, self.clock.epoch_ms());
        if count > u64::from(allowed) {
            return refuse(messages::too_many_requests(count, allowed.into()));
        }
        if collection == Collection::Actions {
            let allowed = identity
                .limits
                .concurrent_invocations
                .unwrap_or(limits.concurrent_invocations);
            let count = self.balancer.in_flight(uuid);
            if count >= u64::from(allowed) {
                return refuse(messages::too_many_in_flight(count, allowed.into()));
            }
        }
        Ok(())
    }
}
