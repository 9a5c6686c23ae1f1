//! Packages and bindings. Source: rest-api §9, entities §7.

use http::StatusCode;
use oxwhisk_entity::{
    Binding, EntityName, EntityPath, FullyQualifiedName, Json, Parameters, SemVer, WhiskAction,
    WhiskPackage,
};
use oxwhisk_store::{ArtifactQuery, Collection, Scope};

use super::Caller;
use super::edit::{CommonEdit, already_exists, count_reply, list_reply};
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
        let packages = self.entities.list::<WhiskPackage>(&query).await?;
        Ok(list_reply(packages.iter().map(WhiskPackage::to_summary)))
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
        for action in self.actions_in(provider).await? {
            let entry = serde_json::json!({"name": action.name, "version": action.version});
            let mut entry = Json::of(&entry).members().unwrap_or_default();
            entry.set("annotations".to_owned(), Json::of(&action.annotations));
            let list = if action.annotations.get("feed").is_some() {
                &mut feeds
            } else {
                &mut actions
            };
            list.push(entry.to_json());
        }
        Ok(Reply::json(package.to_view(&actions, &feeds)))
    }

    /// `PUT …/packages/{name}`
    pub(crate) async fn put_package(
        &self,
        caller: &Caller<'_>,
        name: &EntityName,
    ) -> Result<Reply, ApiError> {
        let edit = CommonEdit::parse(&caller.request.json()?)?;
        edit.check_sizes(self.parameter_size(caller.identity))?;
        let overwrite = caller.request.query.flag("overwrite", false)?;
        let late = edit.late()?;
        let binding = edit
            .member_or_null("binding")
            .map(Binding::from_json)
            .transpose();
        let binding = binding
            .map_err(|detail| ApiError::malformed(&detail))?
            .flatten();
        if name.as_str() == RESERVED {
            return Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                messages::PACKAGE_RESERVED,
            ));
        }
        let binding = binding.map(|binding| resolve_binding(binding, &caller.namespace));
        if let Some(binding) = &binding {
            self.check_binding(caller, binding).await?;
        }
        let full_name = package_name(caller, name);
        let existing = self.entities.get::<WhiskPackage>(&full_name).await?;
        if existing.is_some() && !overwrite {
            return Err(already_exists());
        }
        let now = self.clock.epoch_ms();
        let (mut package, replaces) = match existing {
            None => {
                let package = WhiskPackage {
                    namespace: full_name.path,
                    name: full_name.name,
                    binding,
                    parameters: edit.parameters.clone().unwrap_or_default(),
                    version: late.version.unwrap_or(SemVer::FIRST),
                    publish: late.publish.unwrap_or(false),
                    annotations: edit.annotations.clone().unwrap_or_default(),
                    updated: now,
                };
                (package, None)
            }
            Some(Stored {
                entity: old,
                revision,
            }) => {
                if old.binding.is_none() && binding.is_some() {
                    return Err(ApiError::new(
                        StatusCode::CONFLICT,
                        messages::PACKAGE_TO_BINDING,
                    ));
                }
                let package = WhiskPackage {
                    binding: binding.or(old.binding),
                    parameters: edit.parameters.clone().unwrap_or(old.parameters),
                    version: late.version.unwrap_or_else(|| old.version.next_patch()),
                    publish: late.publish.unwrap_or(old.publish),
                    annotations: edit.annotations.clone().unwrap_or(old.annotations),
                    updated: now,
                    namespace: old.namespace,
                    name: old.name,
                };
                (package, Some(revision))
            }
        };
        package.annotations = with_binding(&package.annotations, package.binding.as_ref());
        let shown = package.to_api();
        self.entities
            .put(WhiskEntity::Package(package), replaces)
            .await?;
        Ok(Reply::json(shown))
    }

    /// `DELETE …/packages/{name}`
    pub(crate) async fn delete_package(
        &self,
        caller: &Caller<'_>,
        name: &EntityName,
    ) -> Result<Reply, ApiError> {
        let force = caller.request.query.flag("force", false)?;
        let full_name = package_name(caller, name);
        let stored = self.entities.require::<WhiskPackage>(&full_name).await?;
        if stored.entity.binding.is_none() {
            let actions = self.actions_in(stored.entity.path()).await?;
            if !actions.is_empty() && !force {
                return Err(ApiError::new(
                    StatusCode::CONFLICT,
                    messages::package_not_empty(actions.len()),
                ));
            }
            for action in actions {
                let name = action.qualified_name();
                if let Some(found) = self.entities.get::<WhiskAction>(&name).await? {
                    self.entities.delete(&name, &found.revision).await?;
                }
            }
        }
        self.entities.delete(&full_name, &stored.revision).await?;
        Ok(Reply::json(stored.entity.to_api()))
    }

    async fn actions_in(&self, package: EntityPath) -> Result<Vec<WhiskAction>, ApiError> {
        let query = ArtifactQuery {
            collection: Collection::Actions,
            scope: Scope::Path(package),
            skip: 0,
            limit: 0,
            only_public: false,
        };
        Ok(self.entities.list(&query).await?)
    }

    /// The provider of a binding must be a plain package that the caller can read.
    async fn check_binding(&self, caller: &Caller<'_>, binding: &Binding) -> Result<(), ApiError> {
        let name = binding.qualified_name();
        let own = binding.namespace == caller.identity.namespace.name;
        let bad = |status, text: &str| Err(ApiError::new(status, text));
        let provider = match self.entities.find(&name).await? {
            None if own => return bad(StatusCode::BAD_REQUEST, messages::BINDING_MISSING),
            None => return Err(ApiError::forbidden(&name.to_string())),
            Some(found) => found,
        };
        match &provider.entity {
            WhiskEntity::Package(package) if !own && !package.is_public() => {
                Err(ApiError::forbidden(&name.to_string()))
            }
            WhiskEntity::Package(package) if package.binding.is_some() => {
                bad(StatusCode::BAD_REQUEST, messages::BINDING_OF_BINDING)
            }
            WhiskEntity::Package(_) => Ok(()),
            _ if own => bad(StatusCode::CONFLICT, messages::BINDING_OF_OTHER),
            _ => Err(ApiError::forbidden(&name.to_string())),
        }
    }
}

fn package_name(caller: &Caller<'_>, name: &EntityName) -> FullyQualifiedName {
    FullyQualifiedName::new(EntityPath::from(&caller.namespace), name.clone())
}

fn resolve_binding(binding: Binding, namespace: &EntityName) -> Binding {
    match binding.namespace.as_str() {
        "_" => Binding {
            namespace: namespace.clone(),
            ..binding
        },
        _ => binding,
    }
}

/// The annotation `binding` is the server's own (entities §7).
fn with_binding(annotations: &Parameters, binding: Option<&Binding>) -> Parameters {
    let given = annotations.without(&["binding".to_owned()]);
    match binding {
        Some(binding) => given.with("binding", Json::of(binding)),
        None => given,
    }
}
