//! Actions: list, read, write, delete. Source: rest-api §8, entities §3.

use std::sync::Arc;

use http::StatusCode;
use oxwhisk_entity::json::JsonKind;
use oxwhisk_entity::{
    ActionLimits, EntityName, EntityPath, Exec, ExecError, FullyQualifiedName, Identity, Json,
    LimitsPatch, Parameters, Privilege, SemVer, WhiskAction, WhiskPackage,
};
use oxwhisk_store::{ArtifactQuery, Collection, Scope};

use super::edit::{CommonEdit, LateEdit, already_exists, check_size, count_reply, list_reply};
use super::{Caller, EntityRef};
use crate::config::FeatureFlags;
use crate::controller::Controller;
use crate::entities::{Stored, WhiskEntity};
use crate::entitlement::Resource;
use crate::http::{ApiError, ListQuery, Reply};
use crate::invocation::{ResolvedAction, action_name};
use crate::{large, messages};

/// How often an action that is overwritten again and again is looked at to show its code.
const REREADS: u32 = 10;

/// A request to write an action.
#[derive(Debug)]
struct ActionEdit {
    common: CommonEdit,
    exec: Option<Exec>,
}

impl Controller {
    /// `GET …/actions`
    pub(crate) async fn list_actions(&self, caller: &Caller<'_>) -> Result<Reply, ApiError> {
        self.list_actions_of(caller, Scope::Namespace(caller.namespace.to_string()))
            .await
    }

    /// `GET …/actions/{pkg}/`
    pub(crate) async fn list_package(
        &self,
        caller: &Caller<'_>,
        package: EntityName,
    ) -> Result<Reply, ApiError> {
        // The trailing slash names no action, so the right to read one in the package is what counts.
        let resource = Resource::PackagedAction {
            namespace: caller.namespace.clone(),
            package: package.clone(),
            name: package.clone(),
        };
        self.entitled(caller, Privilege::Read, &resource).await?;
        let name = FullyQualifiedName::new(EntityPath::from(&caller.namespace), package);
        let package = self.entities.require::<WhiskPackage>(&name).await?.entity;
        let provider = package.binding.as_ref().map_or_else(
            || package.path(),
            |binding| EntityPath::from(&binding.namespace).join(&binding.name),
        );
        self.list_actions_of(caller, Scope::Path(provider)).await
    }

    async fn list_actions_of(&self, caller: &Caller<'_>, scope: Scope) -> Result<Reply, ApiError> {
        let list = ListQuery::of(&caller.request.query, "actions")?;
        let query = ArtifactQuery {
            collection: Collection::Actions,
            scope,
            skip: list.skip,
            limit: list.limit,
            only_public: false,
        };
        if list.count {
            return Ok(count_reply(
                "actions",
                self.entities.count(&query).await?,
                list,
            ));
        }
        let list = self.entities.list(&query, WhiskAction::to_summary);
        Ok(list_reply(list.await?))
    }

    /// `GET …/actions/[pkg/]{name}`
    pub(crate) async fn get_action(
        &self,
        caller: &Caller<'_>,
        entity: &EntityRef,
    ) -> Result<Reply, ApiError> {
        let with_code = caller.request.query.flag("code", true)?;
        let name = action_name(&caller.namespace, entity.package.as_ref(), &entity.name);
        self.action_may_be_read(caller, &name).await?;
        let resolved = self.resolve(&name).await?;
        if with_code {
            return Ok(Reply::json(self.whole_action(&name, resolved).await?));
        }
        let mut action = resolved.action;
        action.parameters = resolved.parameters;
        action.exec = action.exec.without_code();
        let shown = action.to_api();
        let Some(binding) = resolved.binding else {
            return Ok(Reply::json(shown));
        };
        let mut members = shown.members().unwrap_or_default();
        members.set("binding".to_owned(), Json::from(binding.as_str()));
        Ok(Reply::json(members.to_json()))
    }

    /// Shows an action with its code, which is replaced together with its document: where it is gone, the newest state
    /// of the action is looked at.
    async fn whole_action(
        &self,
        name: &FullyQualifiedName,
        found: ResolvedAction,
    ) -> Result<Json, ApiError> {
        let mut found = found;
        for _ in 0..REREADS {
            let ResolvedAction {
                mut action,
                parameters,
                ..
            } = found;
            action.parameters = parameters;
            if let Some(whole) = self.entities.with_code(&action).await? {
                return Ok(whole);
            }
            self.entities.forget_action(&action);
            found = self.resolve(name).await?;
        }
        Err(ApiError::conflict())
    }

    /// `PUT …/actions/[pkg/]{name}`
    pub(crate) async fn put_action(
        self: &Arc<Self>,
        caller: &Caller<'_>,
        entity: &EntityRef,
    ) -> Result<Reply, ApiError> {
        // A package that is missing or a binding is told before the request is read (rest-api §8.4).
        self.writable_name(caller, entity).await?;
        let edit = self.read_action(caller).await?;
        let overwrite = caller.request.query.flag("overwrite", false)?;
        let details = Details::parse(&edit.common)?;
        self.check_rights(caller, &edit, details.limits).await?;
        let _package_stays = match &entity.package {
            Some(_) => Some(self.packages.of(&caller.namespace).read_owned().await),
            None => None,
        };
        let name = self.writable_name(caller, entity).await?;
        let existing = self.entities.get::<WhiskAction>(&name).await?;
        if existing.is_some() && !overwrite {
            return Err(already_exists());
        }
        self.check_instances(caller, details.limits)?;
        let exec = edit.exec.as_ref();
        let exec = exec.or_else(|| existing.as_ref().map(|found| &found.entity.exec));
        self.check_not_deprecated(exec.map(Exec::kind))?;
        if let Some(Exec::Sequence(components)) = &edit.exec {
            self.check_components(&name, components).await?;
        }
        let now = self.clock.epoch_ms();
        let (action, replaces) = match existing {
            None => {
                let action = created(name, edit, &details, now, &self.config.features)?;
                (action, None)
            }
            Some(Stored {
                entity: old,
                revision,
            }) => (updated(old, edit, &details, now), Some(revision)),
        };
        let whole = self.shown(&action).await?;
        self.entities
            .put(WhiskEntity::Action(action), replaces)
            .await?;
        Ok(whole.map_or_else(Reply::ok, Reply::json))
    }

    /// `DELETE …/actions/[pkg/]{name}`
    pub(crate) async fn delete_action(
        &self,
        caller: &Caller<'_>,
        entity: &EntityRef,
    ) -> Result<Reply, ApiError> {
        let name = self.writable_name(caller, entity).await?;
        let stored = self.entities.require::<WhiskAction>(&name).await?;
        let whole = self.shown(&stored.entity).await?;
        self.entities.delete(&name, &stored.revision).await?;
        Ok(whole.map_or_else(Reply::deleted, Reply::json))
    }

    /// Returns an action with its code as the answer to a write shows it, if the deployment wants that (rest-api §15).
    async fn shown(&self, action: &WhiskAction) -> Result<Option<Json>, ApiError> {
        if !self.config.features.require_response_payload {
            return Ok(None);
        }
        let whole = self.entities.with_code(action).await?;
        whole.ok_or_else(ApiError::conflict).map(Some)
    }

    async fn read_action(self: &Arc<Self>, caller: &Caller<'_>) -> Result<ActionEdit, ApiError> {
        let body = caller.request.json().await?;
        let (controller, identity) = (Arc::clone(self), Arc::clone(caller.identity));
        large::work(body.size(), move || {
            controller.parse_action(&body, &identity)
        })
        .await?
    }

    fn parse_action(&self, body: &Json, identity: &Identity) -> Result<ActionEdit, ApiError> {
        let members = body
            .members()
            .ok_or_else(|| ApiError::malformed("Object expected in field 'exec'"))?;
        let exec = match members.get_some("exec") {
            None => None,
            Some(value) => Some(Exec::from_request(value, &self.config.manifest).map_err(
                |error| match error {
                    ExecError::Undecodable => ApiError::internal(),
                    error => ApiError::malformed(&error.to_string()),
                },
            )?),
        };
        let common = CommonEdit::parse(body)?;
        check_size(
            "exec",
            exec.as_ref().map_or(0, Exec::size),
            self.config.limits.exec,
        )?;
        common.check_sizes(self.parameter_size(identity))?;
        let exec = exec.map(|exec| match exec {
            Exec::Sequence(components) => Exec::Sequence(
                components
                    .iter()
                    .map(|component| component.resolve(&identity.namespace.name))
                    .collect(),
            ),
            Exec::Code(_) => exec,
        });
        Ok(ActionEdit { common, exec })
    }

    /// Checks what a request may ask for, whether there is such an action yet or not: the limits, the components, the kind.
    /// An update that leaves the kind as it is may do so.
    async fn check_rights(
        &self,
        caller: &Caller<'_>,
        edit: &ActionEdit,
        limits: LimitsPatch,
    ) -> Result<(), ApiError> {
        limits
            .check(&self.action_bounds(caller.identity))
            .map_err(|error| ApiError::new(StatusCode::BAD_REQUEST, error.to_string()))?;
        if let Some(Exec::Sequence(components)) = &edit.exec {
            self.entitled_to_all(caller.identity, Privilege::Read, components)
                .await?;
        }
        let Some(kind) = edit.exec.as_ref().map(Exec::kind) else {
            return Ok(());
        };
        // An empty list restricts nothing.
        match caller.identity.limits.allowed_kinds.as_deref() {
            None | Some([]) => Ok(()),
            Some(allowed) if allowed.iter().any(|found| found == kind) => Ok(()),
            Some(_) => Err(ApiError::new(
                StatusCode::FORBIDDEN,
                messages::kind_not_allowed(kind),
            )),
        }
    }

    fn check_instances(&self, caller: &Caller<'_>, limits: LimitsPatch) -> Result<(), ApiError> {
        let allowed = self.concurrency_of(caller.identity);
        match limits.instances {
            Some(instances) if instances.unsigned_abs() > allowed => Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                messages::too_many_instances(allowed),
            )),
            _ => Ok(()),
        }
    }

    fn check_not_deprecated(&self, kind: Option<&str>) -> Result<(), ApiError> {
        match kind {
            Some(kind) if self.config.manifest.is_deprecated(kind) => Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                messages::deprecated(kind),
            )),
            _ => Ok(()),
        }
    }

    /// Returns the name of an action that may be written: its package must exist and be no binding.
    async fn writable_name(
        &self,
        caller: &Caller<'_>,
        entity: &EntityRef,
    ) -> Result<FullyQualifiedName, ApiError> {
        let name = action_name(&caller.namespace, entity.package.as_ref(), &entity.name);
        if let Some(package) = &entity.package {
            let package =
                FullyQualifiedName::new(EntityPath::from(&caller.namespace), package.clone());
            if self
                .entities
                .require::<WhiskPackage>(&package)
                .await?
                .entity
                .binding
                .is_some()
            {
                return Err(ApiError::new(
                    StatusCode::BAD_REQUEST,
                    messages::NOT_ON_BINDING,
                ));
            }
        }
        Ok(name)
    }
}

/// The members of a request that are read after its query parameters.
#[derive(Debug)]
struct Details {
    late: LateEdit,
    limits: LimitsPatch,
    /// Keys of annotations to drop.
    removed: Vec<String>,
}

impl Details {
    fn parse(common: &CommonEdit) -> Result<Self, ApiError> {
        let limits = common
            .member("limits")
            .map(LimitsPatch::from_json)
            .transpose();
        let limits = limits
            .map_err(|error| ApiError::malformed(&error.to_string()))?
            .unwrap_or_default();
        Ok(Self {
            late: common.late()?,
            limits,
            removed: removed_annotations(common)?,
        })
    }
}

fn created(
    name: FullyQualifiedName,
    edit: ActionEdit,
    details: &Details,
    now: u64,
    features: &FeatureFlags,
) -> Result<WhiskAction, ApiError> {
    let exec = edit
        .exec
        .ok_or_else(|| ApiError::new(StatusCode::BAD_REQUEST, messages::EXEC_UNDEFINED))?;
    let annotations = edit.common.annotations.unwrap_or_default();
    Ok(WhiskAction {
        namespace: name.path,
        name: name.name,
        annotations: created_annotations(&annotations, exec.kind(), features),
        parameters: own_parameters(&exec, edit.common.parameters.unwrap_or_default()),
        exec,
        limits: details.limits.apply(ActionLimits::default()),
        version: details.late.version.unwrap_or(SemVer::FIRST),
        publish: details.late.publish.unwrap_or(false),
        updated: now,
    })
}

fn updated(old: WhiskAction, edit: ActionEdit, details: &Details, now: u64) -> WhiskAction {
    let becomes_sequence = matches!(edit.exec, Some(Exec::Sequence(_)));
    let was_sequence = matches!(old.exec, Exec::Sequence(_));
    let kept = if becomes_sequence {
        old.annotations.clone()
    } else {
        old.annotations.without(&details.removed)
    };
    let annotations = kept.merged(&edit.common.annotations.unwrap_or_default());
    // The parameters of a sequence are its own and mean nothing to code that takes its place.
    let parameters = match (edit.common.parameters, &edit.exec) {
        (Some(given), _) => given,
        (None, Some(Exec::Code(_))) if was_sequence => Parameters::default(),
        (None, _) => old.parameters,
    };
    let exec = edit.exec.unwrap_or(old.exec);
    WhiskAction {
        annotations: annotations.with("exec", Json::from(exec.kind())),
        parameters: own_parameters(&exec, parameters),
        exec,
        limits: details.limits.apply(old.limits),
        version: details
            .late
            .version
            .unwrap_or_else(|| old.version.next_patch()),
        publish: details.late.publish.unwrap_or(old.publish),
        updated: now,
        namespace: old.namespace,
        name: old.name,
    }
}

/// A sequence has one parameter, the names of its components, whatever the request says (entities §3.3).
fn own_parameters(exec: &Exec, given: Parameters) -> Parameters {
    let Exec::Sequence(components) = exec else {
        return given;
    };
    let names: Vec<String> = components
        .iter()
        .map(FullyQualifiedName::to_slashed)
        .collect();
    [("_actions", Json::of(&names))].into_iter().collect()
}

/// A new action is not told the caller's key unless its request says something about it (entities §3.3), or the
/// deployment wants it told (rest-api §15): an action without the annotation is.
pub(crate) fn created_annotations(
    given: &Parameters,
    kind: &str,
    features: &FeatureFlags,
) -> Parameters {
    let given = if features.require_api_key_annotation && given.get("provide-api-key").is_none() {
        given.with("provide-api-key", Json::from(false))
    } else {
        given.clone()
    };
    given.with("exec", Json::from(kind))
}

fn removed_annotations(common: &CommonEdit) -> Result<Vec<String>, ApiError> {
    let Some(value) = common.member("delAnnotations") else {
        return Ok(Vec::new());
    };
    if value.kind() != JsonKind::Array {
        return Err(ApiError::malformed(&format!(
            "Expected Array as JsArray, but got {value}"
        )));
    }
    let read = |element: &Json| match element.as_str() {
        Some(text) => Ok(text.into_owned()),
        None => Err(ApiError::malformed(&format!(
            "Expected String as JsString, but got {element}"
        ))),
    };
    value
        .elements()
        .unwrap_or_default()
        .iter()
        .map(read)
        .collect()
}
