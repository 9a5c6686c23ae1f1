//! Packages and bindings: `/namespaces/{ns}/packages`. Source: rest-api §9.

use oxwhisk_entity::json::JsonKind;
use oxwhisk_entity::{Binding, EntityName, EntityPath, Json, Parameters, SemVer, WhiskPackage};
use serde::{Deserialize, Deserializer, Serialize};

use crate::client::Client;
use crate::error::ClientError;
use crate::reference::EntityRef;
use crate::route::Page;

const COLLECTION: &str = "packages";

/// The packages of a [`Client`].
#[derive(Debug, Clone, Copy)]
pub struct Packages<'a>(pub(crate) &'a Client);

/// A package or binding to create, or the members to change in one.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PackagePut {
    /// The provider, for a binding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
    /// Default arguments of its actions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Parameters>,
    /// What is said about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Parameters>,
    /// Whether everybody may use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish: Option<bool>,
}

/// A package in a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PackageSummary {
    /// Its namespace.
    pub namespace: EntityPath,
    /// Its name.
    pub name: EntityName,
    /// Its version.
    pub version: SemVer,
    /// Whether everybody may use it.
    pub publish: bool,
    /// What is said about it.
    pub annotations: Parameters,
    /// Milliseconds since the epoch of the last change.
    pub updated: u64,
    /// The provider, if it is a binding.
    #[serde(default, deserialize_with = "binding_or_false")]
    pub binding: Option<Binding>,
}

/// Lists have `false` where a package has no binding, single packages `{}`.
fn binding_or_false<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Binding>, D::Error> {
    let value = Json::deserialize(input)?;
    match value.kind() {
        JsonKind::Object => Binding::from_json(&value).map_err(serde::de::Error::custom),
        _ => Ok(None),
    }
}

/// A package with what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageView {
    /// The package.
    pub package: WhiskPackage,
    /// Its actions.
    pub actions: Vec<PackageContent>,
    /// Its actions that are feeds.
    pub feeds: Vec<PackageContent>,
}

/// An action in the view of a package.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PackageContent {
    /// Its name.
    pub name: EntityName,
    /// Its version.
    pub version: SemVer,
    /// What is said about it.
    #[serde(default)]
    pub annotations: Parameters,
}

impl Packages<'_> {
    /// Lists the newest.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list(self, page: Page) -> Result<Vec<PackageSummary>, ClientError> {
        self.0.get(self.0.page(COLLECTION, page)).await?.read()
    }

    /// Counts all.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn count(self) -> Result<u64, ClientError> {
        let route = self.0.collection(COLLECTION);
        self.0.count(COLLECTION, route).await
    }

    /// Returns a package with what is in it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn get(self, name: &EntityRef) -> Result<PackageView, ClientError> {
        #[derive(Deserialize)]
        struct Content {
            #[serde(default)]
            actions: Vec<PackageContent>,
            #[serde(default)]
            feeds: Vec<PackageContent>,
        }
        let answer = self.0.get(self.0.entity(COLLECTION, name)).await?;
        let Content { actions, feeds } = answer.read()?;
        Ok(PackageView {
            package: answer.read()?,
            actions,
            feeds,
        })
    }

    /// Creates a package or binding.
    ///
    /// # Errors
    /// [`ClientError`]; status 409 if it is there.
    pub async fn create(
        self,
        name: &EntityRef,
        package: &PackagePut,
    ) -> Result<WhiskPackage, ClientError> {
        let route = self.0.entity(COLLECTION, name).with("overwrite", false);
        self.0.put(route, package).await?.read()
    }

    /// Creates a package or binding, or changes what is given in one that is there.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn update(
        self,
        name: &EntityRef,
        package: &PackagePut,
    ) -> Result<WhiskPackage, ClientError> {
        let route = self.0.entity(COLLECTION, name).with("overwrite", true);
        self.0.put(route, package).await?.read()
    }

    /// Deletes a package that is empty, or a binding, and returns it.
    ///
    /// # Errors
    /// [`ClientError`]; status 409 if actions are in it.
    pub async fn delete(self, name: &EntityRef) -> Result<WhiskPackage, ClientError> {
        let route = self.0.entity(COLLECTION, name);
        self.0.delete(route).await?.read()
    }

    /// Deletes a package with all actions in it, and returns it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn delete_with_content(self, name: &EntityRef) -> Result<WhiskPackage, ClientError> {
        let route = self.0.entity(COLLECTION, name).with("force", true);
        self.0.delete(route).await?.read()
    }
}
