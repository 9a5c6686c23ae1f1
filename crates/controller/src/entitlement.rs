//! May this identity do this?

use oxwhisk_entity::{
    EntityName, EntityPath, FullyQualifiedName, Identity, Privilege, WhiskPackage,
};
use oxwhisk_store::Collection;

use crate::entities::EntityStore;
use crate::http::ApiError;
use crate::messages;

/// What a request wants to use.
#[derive(Debug, Clone)]
pub(crate) enum Resource {
    /// All entities of a collection in a namespace; activations and limits are named by `None`.
    Collection {
        namespace: EntityName,
        collection: Option<Collection>,
    },
    /// One entity that is not in a package; also activations.
    Entity { namespace: EntityName, name: String },
    /// A package itself.
    Package {
        namespace: EntityName,
        name: EntityName,
    },
    /// An action in a package.
    PackagedAction {
        namespace: EntityName,
        package: EntityName,
        name: EntityName,
    },
}

impl Resource {
    /// Returns the resource of an action; `None` for a path that no action can have.
    pub(crate) fn of_action(name: &FullyQualifiedName) -> Option<Self> {
        let namespace = EntityName::new(name.path.root()).ok()?;
        match name.path.depth() {
            1 => Some(Self::Entity {
                namespace,
                name: name.name.to_string(),
            }),
            2 => Some(Self::PackagedAction {
                namespace,
                package: name.path.package()?,
                name: name.name.clone(),
            }),
            _ => None,
        }
    }
}

/// Decides by rights, ownership and what packages are public. Source: rest-api §5.6.
pub(crate) async fn check(
    entities: &EntityStore,
    identity: &Identity,
    privilege: Privilege,
    resource: &Resource,
) -> Result<(), ApiError> {
    if !identity.rights.contains(&privilege) {
        return Err(ApiError::forbidden(&resource.to_string()));
    }
    let owns = |namespace: &EntityName| *namespace == identity.namespace.name;
    match resource {
        Resource::Collection {
            collection: Some(Collection::Packages),
            ..
        } if privilege == Privilege::Read => Ok(()),
        Resource::Collection { namespace, .. } | Resource::Entity { namespace, .. }
            if owns(namespace) =>
        {
            Ok(())
        }
        Resource::Package { namespace, name } if privilege == Privilege::Read => {
            readable_package(entities, identity, namespace, name, MissingText::Named).await
        }
        Resource::Package { namespace, .. } if owns(namespace) => Ok(()),
        Resource::PackagedAction {
            namespace, package, ..
        } if matches!(privilege, Privilege::Read | Privilege::Activate) => {
            readable_package(entities, identity, namespace, package, MissingText::Default).await
        }
        Resource::PackagedAction { namespace, .. } if owns(namespace) => Ok(()),
        _ => Err(ApiError::forbidden(&resource.to_string())),
    }
}

/// Which text the 404 of a missing package of one's own has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MissingText {
    /// The one that names the package.
    Named,
    /// The one that does not.
    Default,
}

/// A package can be read by its owner, or by all if it is public; a binding by its owner if he can read the provider.
async fn readable_package(
    entities: &EntityStore,
    identity: &Identity,
    namespace: &EntityName,
    name: &EntityName,
    text: MissingText,
) -> Result<(), ApiError> {
    let own = *namespace == identity.namespace.name;
    let full_name = FullyQualifiedName::new(EntityPath::from(namespace), name.clone());
    let forbidden = || ApiError::forbidden(&full_name.to_string());
    let missing = || match text {
        MissingText::Named => ApiError::new(
            http::StatusCode::NOT_FOUND,
            messages::package_missing(&full_name.to_string()),
        ),
        MissingText::Default => ApiError::not_found(),
    };
    let package = match entities.get::<WhiskPackage>(&full_name).await {
        Ok(Some(package)) => package.entity,
        Ok(None) if own => return Err(missing()),
        Err(error) if own => return Err(error),
        Ok(None) | Err(_) => return Err(forbidden()),
    };
    let Some(binding) = &package.binding else {
        return if own || package.publish {
            Ok(())
        } else {
            Err(forbidden())
        };
    };
    if !own {
        return Err(forbidden());
    }
    if binding.qualified_name() == full_name {
        let text = messages::circular_binding(&full_name.to_string());
        return Err(ApiError::new(http::StatusCode::UNPROCESSABLE_ENTITY, text));
    }
    readable_provider(
        entities,
        identity,
        &binding.qualified_name(),
        missing,
        forbidden,
    )
    .await
}

async fn readable_provider(
    entities: &EntityStore,
    identity: &Identity,
    provider: &FullyQualifiedName,
    missing: impl Fn() -> ApiError,
    forbidden: impl Fn() -> ApiError,
) -> Result<(), ApiError> {
    let own = provider.path.as_str() == identity.namespace.name.as_str();
    match entities.get::<WhiskPackage>(provider).await {
        Ok(Some(package))
            if package.entity.binding.is_none() && (own || package.entity.publish) =>
        {
            Ok(())
        }
        Ok(None) if own => Err(missing()),
        Err(error) if own => Err(error),
        _ => Err(forbidden()),
    }
}

/// Writes the name that refusals quote.
impl std::fmt::Display for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Collection { namespace, .. } => write!(f, "{namespace}"),
            Self::Entity { namespace, name } => write!(f, "{namespace}/{name}"),
            Self::Package { namespace, name } => write!(f, "{namespace}/{name}"),
            Self::PackagedAction {
                namespace,
                package,
                name,
            } => write!(f, "{namespace}/{package}/{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::StatusCode;
    use oxwhisk_store::embedded::{EmbeddedConfig, EmbeddedStore};
    use oxwhisk_store::{Subject, SubjectNamespace, SubjectStore as _};

    use super::*;

    async fn identity(store: &EmbeddedStore, name: &str, rights: &[Privilege]) -> Identity {
        let namespace = SubjectNamespace {
            name: name.to_owned(),
            uuid: format!("uuid-{name}"),
            key: "k".repeat(64),
        };
        let (uuid, key) = (namespace.uuid.clone(), namespace.key.clone());
        let subject = Subject {
            subject: format!("owner-of-{name}"),
            namespaces: vec![namespace],
            blocked: false,
        };
        store.put_subject(&subject).await.unwrap();
        let found = store.identity_by_key(&uuid, &key).await.unwrap().unwrap();
        assert_eq!(found.rights.len(), 4, "keys carry all rights");
        Identity {
            rights: rights.to_vec(),
            ..found
        }
    }

    fn name(text: &str) -> EntityName {
        EntityName::new(text).unwrap()
    }

    /// rest-api §3, §5.6; entities §11: a right that the identity lacks is refused in its own namespace too, with the
    /// same text.
    #[tokio::test]
    async fn rights_bound_what_an_owner_may_do() {
        let store = EmbeddedStore::in_memory(EmbeddedConfig::default()).unwrap();
        let entities = EntityStore::new(Arc::new(store.clone()));
        let own = |namespace: &str| Resource::Entity {
            namespace: name(namespace),
            name: "a".to_owned(),
        };
        for right in Privilege::ALL {
            let identity = identity(&store, "guest", &[right]).await;
            for asked in Privilege::ALL {
                let answer = check(&entities, &identity, asked, &own("guest")).await;
                assert_eq!(answer.is_ok(), asked == right, "{asked:?} with {right:?}");
                let refusals = [
                    answer.err(),
                    check(&entities, &identity, asked, &own("other"))
                        .await
                        .err(),
                ];
                for (refusal, namespace) in refusals.into_iter().zip(["guest", "other"]) {
                    let Some(refusal) = refusal else { continue };
                    let text = messages::not_authorized(&format!("{namespace}/a"));
                    assert_eq!(refusal.status, StatusCode::FORBIDDEN);
                    assert_eq!(refusal.message, text);
                }
            }
        }
    }

    /// rest-api §5.6: whoever may read the packages of a namespace may list them, of any namespace; nothing else.
    #[tokio::test]
    async fn packages_of_others_may_be_listed() {
        let store = EmbeddedStore::in_memory(EmbeddedConfig::default()).unwrap();
        let entities = EntityStore::new(Arc::new(store.clone()));
        let identity = identity(&store, "guest", &Privilege::ALL).await;
        for (collection, allowed) in [
            (Some(Collection::Packages), true),
            (Some(Collection::Actions), false),
            (Some(Collection::Triggers), false),
            (Some(Collection::Rules), false),
            (None, false),
        ] {
            for (namespace, expected) in [("guest", true), ("other", allowed)] {
                let resource = Resource::Collection {
                    namespace: name(namespace),
                    collection,
                };
                let answer = check(&entities, &identity, Privilege::Read, &resource).await;
                assert_eq!(answer.is_ok(), expected, "{collection:?} of {namespace}");
            }
        }
    }
}
