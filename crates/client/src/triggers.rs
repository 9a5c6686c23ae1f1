//! Triggers: `/namespaces/{ns}/triggers`. Source: rest-api §10.

use http::StatusCode;
use oxwhisk_entity::{ActivationId, EntityName, EntityPath, Parameters, SemVer, WhiskTrigger};
use serde::{Deserialize, Serialize};

use crate::actions::pending;
use crate::client::Client;
use crate::error::ClientError;
use crate::reference::EntityRef;
use crate::route::Page;

const COLLECTION: &str = "triggers";

/// The triggers of a [`Client`].
#[derive(Debug, Clone, Copy)]
pub struct Triggers<'a>(pub(crate) &'a Client);

/// A trigger to create, or the members to change in one.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TriggerPut {
    /// Default arguments for the actions of its rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Parameters>,
    /// What is said about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Parameters>,
}

/// A trigger in a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TriggerSummary {
    /// Its namespace.
    pub namespace: EntityPath,
    /// Its name.
    pub name: EntityName,
    /// Its version.
    pub version: SemVer,
    /// What is said about it.
    pub annotations: Parameters,
    /// Milliseconds since the epoch of the last change.
    pub updated: u64,
}

impl Triggers<'_> {
    /// Lists the newest.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list(self, page: Page) -> Result<Vec<TriggerSummary>, ClientError> {
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

    /// Returns a trigger with its rules.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn get(self, name: &EntityRef) -> Result<WhiskTrigger, ClientError> {
        self.0.get(self.0.entity(COLLECTION, name)).await?.read()
    }

    /// Creates a trigger.
    ///
    /// # Errors
    /// [`ClientError`]; status 409 if it is there.
    pub async fn create(
        self,
        name: &EntityRef,
        trigger: &TriggerPut,
    ) -> Result<WhiskTrigger, ClientError> {
        let route = self.0.entity(COLLECTION, name).with("overwrite", false);
        self.0.put(route, trigger).await?.read()
    }

    /// Creates a trigger, or changes what is given in one that is there.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn update(
        self,
        name: &EntityRef,
        trigger: &TriggerPut,
    ) -> Result<WhiskTrigger, ClientError> {
        let route = self.0.entity(COLLECTION, name).with("overwrite", true);
        self.0.put(route, trigger).await?.read()
    }

    /// Deletes a trigger and returns it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn delete(self, name: &EntityRef) -> Result<WhiskTrigger, ClientError> {
        let route = self.0.entity(COLLECTION, name);
        self.0.delete(route).await?.read()
    }

    /// Fires a trigger; `None` if it has no active rule, so that nothing happened. `event` is written as a JSON
    /// object.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn fire(
        self,
        name: &EntityRef,
        event: &(impl Serialize + ?Sized),
    ) -> Result<Option<ActivationId>, ClientError> {
        let route = self.0.entity(COLLECTION, name);
        let answer = self.0.post(route, event).await?.accepted()?;
        match answer.status() {
            StatusCode::NO_CONTENT => Ok(None),
            _ => pending(&answer).map(Some),
        }
    }
}
