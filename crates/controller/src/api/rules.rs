//! Rules. Source: rest-api §11, entities §8.2.

use std::collections::BTreeMap;

use http::StatusCode;
use oxwhisk_entity::json::JsonKind;
use oxwhisk_entity::{
    EntityName, EntityPath, FullyQualifiedName, Json, Privilege, RuleLink, RuleStatus, SemVer,
    WhiskAction, WhiskRule, WhiskTrigger,
};
use oxwhisk_store::StoreError;

use super::Caller;
use super::edit::{CommonEdit, already_exists, check_size};
use crate::controller::Controller;
use crate::entities::{EntityKind, Stored, WhiskEntity};
use crate::http::{ApiError, Fault, Reply};
use crate::messages;

fn bad(text: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, text)
}

impl Controller {
    /// `GET …/rules/{name}`
    pub(crate) async fn get_rule(
        &self,
        caller: &Caller<'_>,
        name: &EntityName,
    ) -> Result<Reply, ApiError> {
        let rule = self
            .entities
            .require::<WhiskRule>(&rule_name(caller, name))
            .await?
            .entity;
        let status = self.rule_status(&rule).await?;
        Ok(Reply::json(rule.to_api(status)))
    }

    /// `PUT …/rules/{name}`
    pub(crate) async fn put_rule(
        &self,
        caller: &Caller<'_>,
        name: &EntityName,
    ) -> Result<Reply, ApiError> {
        let edit = CommonEdit::parse(&caller.request.json().await?)?;
        edit.check_sizes(self.parameter_size(caller.identity))?;
        let overwrite = caller.request.query.flag("overwrite", false)?;
        let [trigger, action] =
            ["trigger", "action"].map(|part| reference(&edit, part, &caller.namespace));
        let (trigger, action) = (trigger?, action?);
        let late = edit.late()?;
        let named: Vec<_> = [&trigger, &action].into_iter().flatten().cloned().collect();
        self.entitled_to_all(caller.identity, Privilege::Read, &named)
            .await?;
        let full_name = rule_name(caller, name);
        let _alone = self.rules.of(&caller.namespace).lock_owned().await;
        let existing = self.entities.get::<WhiskRule>(&full_name).await?;
        if existing.is_some() && !overwrite {
            return Err(already_exists());
        }
        let now = self.clock.epoch_ms();
        let Some(Stored {
            entity: old,
            revision,
        }) = existing
        else {
            let (Some(trigger), Some(action)) = (trigger, action) else {
                return Err(bad(messages::RULE_INCOMPLETE));
            };
            let rule = WhiskRule {
                namespace: full_name.path,
                name: full_name.name,
                trigger,
                action,
                version: late.version.unwrap_or(SemVer::FIRST),
                publish: late.publish.unwrap_or(false),
                annotations: edit.annotations.unwrap_or_default(),
                updated: now,
            };
            self.check_rule_parts(&rule).await?;
            self.entities
                .put(WhiskEntity::Rule(rule.clone()), None)
                .await?;
            self.link(&rule, RuleStatus::Active).await?;
            return Ok(Reply::json(rule.to_api(RuleStatus::Active)));
        };
        let rule = WhiskRule {
            trigger: trigger.unwrap_or_else(|| old.trigger.clone()),
            action: action.unwrap_or_else(|| old.action.clone()),
            version: late.version.unwrap_or_else(|| old.version.next_patch()),
            publish: late.publish.unwrap_or(old.publish),
            annotations: edit.annotations.unwrap_or_else(|| old.annotations.clone()),
            updated: now,
            ..old.clone()
        };
        self.check_rule_parts(&rule).await?;
        let status = self.rule_status(&old).await?;
        if old.trigger != rule.trigger {
            self.unlink(&old).await?;
        }
        self.entities
            .put(WhiskEntity::Rule(rule.clone()), Some(revision))
            .await?;
        self.link(&rule, status).await?;
        Ok(Reply::json(rule.to_api(status)))
    }

    /// `DELETE …/rules/{name}`
    pub(crate) async fn delete_rule(
        &self,
        caller: &Caller<'_>,
        name: &EntityName,
    ) -> Result<Reply, ApiError> {
        let full_name = rule_name(caller, name);
        let _alone = self.rules.of(&caller.namespace).lock_owned().await;
        let stored = self.entities.require::<WhiskRule>(&full_name).await?;
        self.unlink(&stored.entity).await?;
        self.entities.delete(&full_name, &stored.revision).await?;
        Ok(Reply::json(stored.entity.to_api(RuleStatus::Inactive)))
    }

    /// `POST …/rules/{name}`
    pub(crate) async fn post_rule(
        &self,
        caller: &Caller<'_>,
        name: &EntityName,
    ) -> Result<Reply, ApiError> {
        check_size(
            "Request",
            caller.request.body.len() as u64,
            self.payload_size(caller.identity),
        )?;
        let wanted = requested_status(&caller.request.json().await?)?;
        let _alone = self.rules.of(&caller.namespace).lock_owned().await;
        let rule = self
            .entities
            .require::<WhiskRule>(&rule_name(caller, name))
            .await?
            .entity;
        if self.link(&rule, wanted).await? == Linked::NoTrigger && wanted == RuleStatus::Active {
            return Err(ApiError::new(
                StatusCode::NOT_FOUND,
                messages::RULE_WITHOUT_TRIGGER,
            ));
        }
        Ok(Reply::ok())
    }

    /// What the trigger says of a rule; inactive without a trigger or a link.
    async fn rule_status(&self, rule: &WhiskRule) -> Result<RuleStatus, ApiError> {
        let trigger = self.entities.get::<WhiskTrigger>(&rule.trigger).await?;
        let key = rule.qualified_name().to_string();
        let link = trigger
            .as_ref()
            .and_then(|trigger| trigger.entity.rules.as_ref()?.get(&key));
        Ok(link.map_or(RuleStatus::Inactive, |link| link.status))
    }

    /// Trigger and action of a rule must exist; the trigger is looked at first.
    async fn check_rule_parts(&self, rule: &WhiskRule) -> Result<(), ApiError> {
        let missing = |what, name: &FullyQualifiedName| {
            bad(messages::rule_part_missing(what, &name.to_slashed()))
        };
        let trigger = self.part::<WhiskTrigger>(&rule.trigger).await?;
        trigger.ok_or_else(|| missing("trigger", &rule.trigger))?;
        match self.resolve(&rule.action).await {
            Ok(_) => Ok(()),
            Err(error) if error.status == StatusCode::NOT_FOUND => {
                Err(missing("action", &rule.action))
            }
            // The request is to blame for what it refers to, as the original sees it (rest-api §5.5).
            Err(error) if error.fault == Fault::Corrupt => Err(bad(error.message)),
            Err(_) => {
                self.part::<WhiskAction>(&rule.action).await?;
                Err(missing("action", &rule.action))
            }
        }
    }

    /// Returns an entity that a rule refers to; one of another kind, or that cannot be read, is refused as the original's
    /// reader does it (rest-api §5.5).
    async fn part<T: EntityKind>(
        &self,
        name: &FullyQualifiedName,
    ) -> Result<Option<Stored<T>>, ApiError> {
        let found = match self.entities.find(name).await {
            Err(StoreError::Corrupt { .. }) => return Err(bad(messages::CORRUPT)),
            found => found?,
        };
        let Some(found) = found else {
            return Ok(None);
        };
        match T::of(&found.entity) {
            Some(entity) => Ok(Some(Stored {
                entity: entity.clone(),
                revision: found.revision.clone(),
            })),
            None => Err(bad(messages::wrong_document(
                found.entity.class(),
                T::COLLECTION,
            ))),
        }
    }

    /// Writes a rule's link into its trigger. Version and time of the trigger stay (entities §8.1).
    async fn link(&self, rule: &WhiskRule, status: RuleStatus) -> Result<Linked, ApiError> {
        let key = rule.qualified_name().to_string();
        let link = RuleLink {
            action: rule.action.clone(),
            status,
        };
        self.edit_links(&rule.trigger, |rules| {
            rules.insert(key.clone(), link.clone()).as_ref() != Some(&link)
        })
        .await
    }

    /// Takes a rule's link out of its trigger, if that is there.
    async fn unlink(&self, rule: &WhiskRule) -> Result<(), ApiError> {
        let key = rule.qualified_name().to_string();
        match self
            .edit_links(&rule.trigger, |rules| rules.remove(&key).is_some())
            .await
        {
            Ok(_) => Ok(()),
            // Something else has the trigger's name by now.
            Err(error) if error.fault == Fault::OtherCollection => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Changes the links of a trigger; `edit` tells whether there was anything to change. A link does not depend on
    /// what else the trigger holds, so an update that came between is no conflict: the link goes into that.
    async fn edit_links(
        &self,
        name: &FullyQualifiedName,
        edit: impl Fn(&mut BTreeMap<String, RuleLink>) -> bool,
    ) -> Result<Linked, ApiError> {
        loop {
            let Some(stored) = self.entities.get::<WhiskTrigger>(name).await? else {
                return Ok(Linked::NoTrigger);
            };
            let Stored {
                entity: mut trigger,
                revision,
            } = stored;
            if !edit(trigger.rules.get_or_insert_with(BTreeMap::new)) {
                return Ok(Linked::Done);
            }
            let written = self
                .entities
                .put(WhiskEntity::Trigger(trigger), Some(revision))
                .await;
            match written {
                Ok(()) => return Ok(Linked::Done),
                // Each turn means that another update of this trigger was done, so this ends.
                Err(error) if error.fault == Fault::Conflict => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// What became of a change of links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Linked {
    Done,
    NoTrigger,
}

fn rule_name(caller: &Caller<'_>, name: &EntityName) -> FullyQualifiedName {
    FullyQualifiedName::new(EntityPath::from(&caller.namespace), name.clone())
}

/// Reads the member `trigger` or `action`; `_` means the namespace of the URL.
fn reference(
    edit: &CommonEdit,
    part: &str,
    namespace: &EntityName,
) -> Result<Option<FullyQualifiedName>, ApiError> {
    let Some(value) = edit.member(part) else {
        return Ok(None);
    };
    let name = FullyQualifiedName::from_json(value)
        .map_err(|error| ApiError::malformed(&error.to_string()))?;
    Ok(Some(name.resolve(namespace)))
}

/// Reads `{"status": "active" | "inactive"}`; the texts of the faults are the original's (observed.md §6.3).
fn requested_status(body: &Json) -> Result<RuleStatus, ApiError> {
    let class = |value: &Json| match value.kind() {
        JsonKind::Null => "spray.json.JsNull$",
        JsonKind::Bool if value.is_true() => "spray.json.JsTrue$",
        JsonKind::Bool => "spray.json.JsFalse$",
        JsonKind::Number => "spray.json.JsNumber",
        JsonKind::String => "spray.json.JsString",
        JsonKind::Array => "spray.json.JsArray",
        JsonKind::Object => "spray.json.JsObject",
    };
    let wrong = |value: &Json| ApiError::malformed(&format!("{value} (of class {})", class(value)));
    let members = body.members().ok_or_else(|| wrong(body))?;
    let status = members
        .get("status")
        .ok_or_else(|| ApiError::malformed("key not found: status"))?;
    match status.as_str().as_deref() {
        Some("active") => Ok(RuleStatus::Active),
        Some("inactive") => Ok(RuleStatus::Inactive),
        Some(other) => Err(ApiError::malformed(&format!(
            "requirement failed: {other} is not a recognized rule state"
        ))),
        None => Err(wrong(status)),
    }
}
