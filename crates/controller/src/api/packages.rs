//! Packages and bindings. Source: rest-api §9, entities §7.

use http::StatusCode;
use oxwhisk_entity::{
    Binding, EntityName, EntityPath, FullyQualifiedName, Json, Parameters, SemVer, WhiskAction,
    WhiskPackage,
};
use oxwhisk_store::{ArtifactQuery, Collection, Scope, StoreError};

use super::Caller;
use super::edit::{CommonEdit, LateEdit, already_exists, count_reply, list_reply};
use crate::controller::Controller;
use crate::entities::{Stored, WhiskEntity};
use crate::http::{ApiError, ListQuery, Reply};
use crate::messages;

/// The name that stands for "no package" in the paths of web actions.
const RESERVED: &str = "default";

impl Controller {
    /// `GET …/packages`: all of one's own, the public ones of others.
    pub(crate) async fn list_packages(&self, caller: &Caller<'_>) -> Result<Reply, ApiError> {
        let list = ListQuery::of(&caller.request.query, "packages")?;
        let query = ArtifactQuery {
            collection: Collection::Packages,
            scope: Scope::Namespace(caller.namespace.to_string()),
            skip: list.skip,
            limit: list.limit,
            only_public: caller.namespace != caller.identity.namespace.name,
        };
        if list.count {
            return Ok(count_reply(
                "packages",
                self.entities.count(&query).await?,
                list,
            ));
        }
        let list = self.entities.list(&query, WhiskPackage::to_summary);
        Ok(list_reply(list.await?))
    }

    /// `GET …/packages/{name}`
    pub(crate) async fn get_package(
        &self,
        caller: &Caller<'_>,
        name: &EntityName,
    ) -> Result<Reply, ApiError> {
        let mut package = self
            .entities
            .require::<WhiskPackage>(&package_name(caller, name))
            .await?
            .entity;
        self.package_may_be_read(caller, &package)?;
        let provider = match &package.binding {
            None => package.path(),
            Some(binding) => {
                let provider = self
                    .entities
                    .require::<WhiskPackage>(&binding.qualified_name())
                    .await?
                    .entity;
                package.parameters = provider.parameters.merged(&package.parameters);
                provider.path()
            }
        };
        let (mut actions, mut feeds) = (Vec::new(), Vec::new());
        let entry = |action: WhiskAction| {
            let entry = serde_json::json!({"name": action.name, "version": action.version});
            let mut entry = Json::of(&entry).members().unwrap_or_default();
            entry.set("annotations".to_owned(), Json::of(&action.annotations));
            let is_feed = action.annotations.get("feed").is_some();
            (is_feed, entry.to_json())
        };
        for (is_feed, entry) in self.actions_in(provider, entry).await? {
            let list = if is_feed { &mut feeds } else { &mut actions };
            list.push(entry);
        }
        Ok(Reply::json(package.to_view(&actions, &feeds)))
    }

    /// `PUT …/packages/{name}`
    pub(crate) async fn put_package(
        &self,
        caller: &Caller<'_>,
        name: &EntityName,
    ) -> Result<Reply, ApiError> {
        let edit = CommonEdit::parse(&caller.request.json().await?)?;
        edit.check_sizes(self.parameter_size(caller.identity))?;
        let overwrite = caller.request.query.flag("overwrite", false)?;
        if name.as_str() == RESERVED {
            return Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                messages::PACKAGE_RESERVED,
            ));
        }
        let binding = requested_binding(&edit, &caller.namespace)?;
        let late = edit.late()?;
        let binds_binding = match &binding {
            Some(binding) => self.bound_may_be_read(caller, binding).await?,
            None => false,
        };
        let full_name = package_name(caller, name);
        // Whoever deletes it deletes the state that it found, with all actions.
        let _not_deleted = self.packages.of(&caller.namespace).read_owned().await;
        let existing = self.entities.get::<WhiskPackage>(&full_name).await?;
        if existing.is_some() && !overwrite {
            return Err(already_exists());
        }
        let becomes_binding = existing
            .as_ref()
            .is_some_and(|found| found.entity.binding.is_none() && binding.is_some());
        if becomes_binding {
            return Err(ApiError::new(
                StatusCode::CONFLICT,
                messages::PACKAGE_TO_BINDING,
            ));
        }
        if binds_binding {
            return Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                messages::BINDING_OF_BINDING,
            ));
        }
        let now = self.clock.epoch_ms();
        let (mut package, replaces) = match existing {
            None => (created(full_name, binding, edit, late, now), None),
            Some(Stored {
                entity: old,
                revision,
            }) => (updated(old, binding, edit, late, now), Some(revision)),
        };
        package.annotations = with_binding(&package.annotations, package.binding.as_ref());
        let shown = self.config.features.require_response_payload;
        let shown = shown.then(|| package.to_api());
        self.entities
            .put(WhiskEntity::Package(package), replaces)
            .await?;
        Ok(shown.map_or_else(Reply::ok, Reply::json))
    }

    /// `DELETE …/packages/{name}`
    pub(crate) async fn delete_package(
        &self,
        caller: &Caller<'_>,
        name: &EntityName,
    ) -> Result<Reply, ApiError> {
        let force = caller.request.query.flag("force", false)?;
        let full_name = package_name(caller, name);
        let _alone = self.packages.of(&caller.namespace).write_owned().await;
        let stored = self.entities.require::<WhiskPackage>(&full_name).await?;
        if stored.entity.binding.is_none() {
            let name_of = |action: WhiskAction| action.qualified_name();
            let actions = self.actions_in(stored.entity.path(), name_of).await?;
            if !actions.is_empty() && !force {
                return Err(ApiError::new(
                    StatusCode::CONFLICT,
                    messages::package_not_empty(actions.len()),
                ));
            }
            for name in actions {
                self.delete_whatever_state(&name).await?;
            }
        }
        self.entities.delete(&full_name, &stored.revision).await?;
        if !self.config.features.require_response_payload {
            return Ok(Reply::deleted());
        }
        Ok(Reply::json(stored.entity.to_api()))
    }

    /// Deletes an action of a package that goes as a whole; somebody else may be deleting it too.
    async fn delete_whatever_state(&self, name: &FullyQualifiedName) -> Result<(), ApiError> {
        while let Some(found) = self.entities.get::<WhiskAction>(name).await? {
            match self.entities.delete(name, &found.revision).await {
                Ok(()) => return Ok(()),
                Err(StoreError::Conflict { .. } | StoreError::Missing { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Reads the actions of a package, and keeps of each what `keep` returns.
    async fn actions_in<K: Send + 'static>(
        &self,
        package: EntityPath,
        keep: fn(WhiskAction) -> K,
    ) -> Result<Vec<K>, ApiError> {
        let query = ArtifactQuery {
            collection: Collection::Actions,
            scope: Scope::Path(package),
            skip: 0,
            limit: 0,
            only_public: false,
        };
        Ok(self.entities.collect(&query, keep).await?)
    }

    /// Checks that the caller may read what is to be bound; returns whether that is a binding itself.
    async fn bound_may_be_read(
        &self,
        caller: &Caller<'_>,
        binding: &Binding,
    ) -> Result<bool, ApiError> {
        let name = binding.qualified_name();
        let own = binding.namespace == caller.identity.namespace.name;
        let bad = |status, text: &str| Err(ApiError::new(status, text));
        let provider = match self.entities.find(&name).await? {
            None if own => return bad(StatusCode::BAD_REQUEST, messages::BINDING_MISSING),
            None => return Err(ApiError::forbidden(&name.to_string())),
            Some(found) => found,
        };
        match &provider.entity {
            WhiskEntity::Package(package) if own || package.is_public() => {
                Ok(package.binding.is_some())
            }
            WhiskEntity::Package(_) => Err(ApiError::forbidden(&name.to_string())),
            _ if own => bad(StatusCode::CONFLICT, messages::BINDING_OF_OTHER),
            _ => Err(ApiError::forbidden(&name.to_string())),
        }
    }
}

fn package_name(caller: &Caller<'_>, name: &EntityName) -> FullyQualifiedName {
    FullyQualifiedName::new(EntityPath::from(&caller.namespace), name.clone())
}

fn created(
    name: FullyQualifiedName,
    binding: Option<Binding>,
    edit: CommonEdit,
    late: LateEdit,
    now: u64,
) -> WhiskPackage {
    WhiskPackage {
        namespace: name.path,
        name: name.name,
        binding,
        parameters: edit.parameters.unwrap_or_default(),
        version: late.version.unwrap_or(SemVer::FIRST),
        publish: late.publish.unwrap_or(false),
        annotations: edit.annotations.unwrap_or_default(),
        updated: now,
    }
}

fn updated(
    old: WhiskPackage,
    binding: Option<Binding>,
    edit: CommonEdit,
    late: LateEdit,
    now: u64,
) -> WhiskPackage {
    WhiskPackage {
        binding: binding.or(old.binding),
        parameters: edit.parameters.unwrap_or(old.parameters),
        version: late.version.unwrap_or_else(|| old.version.next_patch()),
        publish: late.publish.unwrap_or(old.publish),
        annotations: edit.annotations.unwrap_or(old.annotations),
        updated: now,
        namespace: old.namespace,
        name: old.name,
    }
}

/// The package that a request names to be bound, `_` resolved.
fn requested_binding(
    edit: &CommonEdit,
    namespace: &EntityName,
) -> Result<Option<Binding>, ApiError> {
    let binding = edit
        .member_or_null("binding")
        .map(Binding::from_json)
        .transpose();
    let binding = binding
        .map_err(|detail| ApiError::malformed(&detail))?
        .flatten();
    Ok(binding.map(|binding| match binding.namespace.as_str() {
        "_" => Binding {
            namespace: namespace.clone(),
            ..binding
        },
        _ => binding,
    }))
}

/// The annotation `binding` is the server's own (entities §7).
fn with_binding(annotations: &Parameters, binding: Option<&Binding>) -> Parameters {
    let given = annotations.without(&["binding".to_owned()]);
    match binding {
        Some(binding) => given.with("binding", Json::of(binding)),
        None => given,
    }
}
