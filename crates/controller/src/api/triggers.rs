//! Triggers, and the listing of rules. Source: rest-api §10–11.

use http::StatusCode;
use oxwhisk_entity::json::JsonKind;
use oxwhisk_entity::{
    EntityName, EntityPath, FullyQualifiedName, Json, SemVer, WhiskRule, WhiskTrigger,
};
use oxwhisk_store::{ArtifactQuery, Collection, Scope};

use super::Caller;
use super::edit::{CommonEdit, already_exists, count_reply, list_reply};
use crate::controller::Controller;
use crate::entities::{EntityKind, Stored, WhiskEntity};
use crate::http::{ApiError, ListQuery, Reply};
use crate::messages;

impl Controller {
    /// `GET …/triggers`
    pub(crate) async fn list_triggers(&self, caller: &Caller<'_>) -> Result<Reply, ApiError> {
        self.list_entities(caller, WhiskTrigger::to_summary).await
    }

    /// `GET …/rules`
    pub(crate) async fn list_rules(&self, caller: &Caller<'_>) -> Result<Reply, ApiError> {
        self.list_entities(caller, WhiskRule::to_summary).await
    }

    async fn list_entities<T: EntityKind>(
        &self,
        caller: &Caller<'_>,
        summary: fn(&T) -> Json,
    ) -> Result<Reply, ApiError> {
        let collection: Collection = T::COLLECTION;
        let list = ListQuery::of(&caller.request.query, collection.as_str())?;
        let query = ArtifactQuery {
            collection,
            scope: Scope::Namespace(caller.namespace.to_string()),
            skip: list.skip,
            limit: list.limit,
            only_public: false,
        };
        if list.count {
            return Ok(count_reply(
                collection.as_str(),
                self.entities.count(&query).await?,
                list,
            ));
        }
        let list = self.entities.list(&query, summary);
        Ok(list_reply(list.await?))
    }

    /// `GET …/triggers/{name}`
    pub(crate) async fn get_trigger(
        &self,
        caller: &Caller<'_>,
        name: &EntityName,
    ) -> Result<Reply, ApiError> {
        let stored = self
            .entities
            .require::<WhiskTrigger>(&trigger_name(caller, name))
            .await?;
        Ok(Reply::json(stored.entity.to_api()))
    }

    /// `PUT …/triggers/{name}`
    pub(crate) async fn put_trigger(
        &self,
        caller: &Caller<'_>,
        name: &EntityName,
    ) -> Result<Reply, ApiError> {
        let edit = CommonEdit::parse(&caller.request.json().await?)?;
        edit.check_sizes(self.parameter_size(caller.identity))?;
        let overwrite = caller.request.query.flag("overwrite", false)?;
        if edit
            .member("limits")
            .is_some_and(|limits| limits.kind() != JsonKind::Object)
        {
            return Err(ApiError::malformed("Object expected"));
        }
        let late = edit.late()?;
        let full_name = trigger_name(caller, name);
        let existing = self.entities.get::<WhiskTrigger>(&full_name).await?;
        if existing.is_some() && !overwrite {
            return Err(already_exists());
        }
        let now = self.clock.epoch_ms();
        let (trigger, replaces) = match existing {
            None => {
                let annotations = edit.annotations.clone().unwrap_or_default();
                check_feed(annotations.get("feed"))?;
                let trigger = WhiskTrigger {
                    namespace: full_name.path,
                    name: full_name.name,
                    parameters: edit.parameters.clone().unwrap_or_default(),
                    limits: Json::empty_object(),
                    version: late.version.unwrap_or(SemVer::FIRST),
                    publish: late.publish.unwrap_or(false),
                    annotations,
                    updated: now,
                    rules: None,
                };
                (trigger, None)
            }
            Some(Stored {
                entity: old,
                revision,
            }) => {
                let trigger = WhiskTrigger {
                    parameters: edit
                        .parameters
                        .clone()
                        .unwrap_or_else(|| old.parameters.clone()),
                    version: late.version.unwrap_or_else(|| old.version.next_patch()),
                    publish: late.publish.unwrap_or(old.publish),
                    annotations: edit
                        .annotations
                        .clone()
                        .unwrap_or_else(|| old.annotations.clone()),
                    updated: now,
                    ..old
                };
                (trigger, Some(revision))
            }
        };
        let shown = trigger.to_api();
        self.entities
            .put(WhiskEntity::Trigger(trigger), replaces)
            .await?;
        Ok(Reply::json(shown))
    }

    /// `DELETE …/triggers/{name}`
    pub(crate) async fn delete_trigger(
        &self,
        caller: &Caller<'_>,
        name: &EntityName,
    ) -> Result<Reply, ApiError> {
        let full_name = trigger_name(caller, name);
        let stored = self.entities.require::<WhiskTrigger>(&full_name).await?;
        self.entities.delete(&full_name, &stored.revision).await?;
        Ok(Reply::json(stored.entity.to_api()))
    }
}

fn trigger_name(caller: &Caller<'_>, name: &EntityName) -> FullyQualifiedName {
    FullyQualifiedName::new(EntityPath::from(&caller.namespace), name.clone())
}

/// A new trigger's feed must be named by a path.
fn check_feed(feed: Option<&Json>) -> Result<(), ApiError> {
    let Some(feed) = feed else { return Ok(()) };
    if feed
        .as_str()
        .is_some_and(|text| EntityPath::new(&text).is_ok())
    {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::BAD_REQUEST,
        messages::FEED_NAME_INVALID,
    ))
}
