//! Actions: `/namespaces/{ns}/actions`. Source: rest-api §8.

use std::time::Duration;

use http::StatusCode;
use oxwhisk_entity::json::JsonKind;
use oxwhisk_entity::{
    ActionLimits, ActivationId, EntityName, EntityPath, Exec, Json, LimitsPatch, Parameters,
    SemVer, WhiskAction, WhiskActivation,
};
use serde::{Deserialize, Serialize};

use crate::activations::ApiRecord;
use crate::answer::Answer;
use crate::client::Client;
use crate::error::ClientError;
use crate::reference::EntityRef;
use crate::route::{Page, Route};

const COLLECTION: &str = "actions";

/// The actions of a [`Client`].
#[derive(Debug, Clone, Copy)]
pub struct Actions<'a>(pub(crate) &'a Client);

/// An action to create, or the members to change in one.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ActionPut {
    /// What it runs; needed to create one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<Exec>,
    /// Default arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Parameters>,
    /// What is said about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Parameters>,
    /// What it may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsPatch>,
}

/// An action in a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ActionSummary {
    /// `ns` or `ns/pkg`.
    pub namespace: EntityPath,
    /// Its name.
    pub name: EntityName,
    /// Its version.
    pub version: SemVer,
    /// What is said about it.
    pub annotations: Parameters,
    /// What it may use.
    pub limits: ActionLimits,
    /// What is told of its code.
    pub exec: Binary,
    /// Milliseconds since the epoch of the last change.
    pub updated: u64,
}

/// What a list tells of an action's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Binary {
    /// Whether it is base64.
    #[serde(default)]
    pub binary: bool,
}

/// What a blocking invocation comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invoked {
    /// It ended. The record says how, and has no logs.
    Ended(Box<WhiskActivation>),
    /// It had not ended when the wait was over.
    Pending(ActivationId),
    /// It ended with a result that comes alone.
    Bare {
        /// The activation, if the server names it.
        id: Option<ActivationId>,
        /// The status of the answer: 200 for a success.
        status: StatusCode,
        /// The result.
        result: Json,
    },
}

impl Actions<'_> {
    /// Lists the newest, those in packages too.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list(self, page: Page) -> Result<Vec<ActionSummary>, ClientError> {
        self.0.get(self.0.page(COLLECTION, page)).await?.read()
    }

    /// Lists those in a package.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list_in(
        self,
        package: &EntityRef,
        page: Page,
    ) -> Result<Vec<ActionSummary>, ClientError> {
        let route = self.0.entity(COLLECTION, package).content().page(page);
        self.0.get(route).await?.read()
    }

    /// Counts all.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn count(self) -> Result<u64, ClientError> {
        let route = self.0.collection(COLLECTION);
        self.0.count(COLLECTION, route).await
    }

    /// Returns an action with its code.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn get(self, name: &EntityRef) -> Result<WhiskAction, ClientError> {
        self.0.get(self.0.entity(COLLECTION, name)).await?.read()
    }

    /// Returns an action without its code.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn describe(self, name: &EntityRef) -> Result<WhiskAction, ClientError> {
        let route = self.0.entity(COLLECTION, name).with("code", false);
        self.0.get(route).await?.read()
    }

    /// Creates an action.
    ///
    /// # Errors
    /// [`ClientError`]; status 409 if it is there.
    pub async fn create(
        self,
        name: &EntityRef,
        action: &ActionPut,
    ) -> Result<WhiskAction, ClientError> {
        let route = self.0.entity(COLLECTION, name).with("overwrite", false);
        self.0.put(route, action).await?.read()
    }

    /// Creates an action, or changes what is given in one that is there.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn update(
        self,
        name: &EntityRef,
        action: &ActionPut,
    ) -> Result<WhiskAction, ClientError> {
        let route = self.0.entity(COLLECTION, name).with("overwrite", true);
        self.0.put(route, action).await?.read()
    }

    /// Deletes an action and returns it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn delete(self, name: &EntityRef) -> Result<WhiskAction, ClientError> {
        let route = self.0.entity(COLLECTION, name);
        self.0.delete(route).await?.read()
    }

    /// Invokes an action without waiting for its end. `arguments` is written as a JSON object.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn invoke(
        self,
        name: &EntityRef,
        arguments: &(impl Serialize + ?Sized),
    ) -> Result<ActivationId, ClientError> {
        let route = self.0.entity(COLLECTION, name);
        pending(&self.0.post(route, arguments).await?.accepted()?)
    }

    /// Invokes an action and waits for its end; `wait` is at most 60 s, which is the default too.
    ///
    /// # Errors
    /// [`ClientError`]. An action that fails is no error: its record says so.
    pub async fn invoke_blocking(
        self,
        name: &EntityRef,
        arguments: &(impl Serialize + ?Sized),
        wait: Option<Duration>,
    ) -> Result<Invoked, ClientError> {
        let answer = self.0.post(self.blocking(name, wait), arguments).await?;
        ended(&answer, |answer| {
            let json = answer.json()?;
            // A result that is an array comes without its record.
            if json.kind() == JsonKind::Array {
                return Ok(bare(answer, json));
            }
            let record: ApiRecord = answer.read()?;
            Ok(Invoked::Ended(Box::new(record.into())))
        })
    }

    /// Invokes an action and waits for its result alone, which is cheaper than the whole record.
    ///
    /// # Errors
    /// [`ClientError`]. An action that fails is no error: the status says so.
    pub async fn invoke_for_result(
        self,
        name: &EntityRef,
        arguments: &(impl Serialize + ?Sized),
        wait: Option<Duration>,
    ) -> Result<Invoked, ClientError> {
        let route = self.blocking(name, wait).with("result", true);
        let answer = self.0.post(route, arguments).await?;
        ended(&answer, |answer| Ok(bare(answer, answer.json()?)))
    }

    fn blocking(self, name: &EntityRef, wait: Option<Duration>) -> Route {
        let route = self.0.entity(COLLECTION, name).with("blocking", true);
        route.with_some("timeout", wait.map(|wait| wait.as_millis()))
    }
}

/// Reads an answer to a blocking invocation: still running, refused, or over.
fn ended(
    answer: &Answer,
    read: impl FnOnce(&Answer) -> Result<Invoked, ClientError>,
) -> Result<Invoked, ClientError> {
    match answer.status() {
        StatusCode::ACCEPTED => pending(answer).map(Invoked::Pending),
        StatusCode::OK => read(answer),
        // So do activations end that failed; a refusal has a code beside its text.
        StatusCode::BAD_GATEWAY | StatusCode::INTERNAL_SERVER_ERROR if !answer.is_refusal() => {
            read(answer).map_err(|_| answer.refusal())
        }
        _ => Err(answer.refusal()),
    }
}

fn bare(answer: &Answer, result: Json) -> Invoked {
    Invoked::Bare {
        id: answer.activation_id(),
        status: answer.status(),
        result,
    }
}

/// Reads `{"activationId": "…"}`.
pub(crate) fn pending(answer: &Answer) -> Result<ActivationId, ClientError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Accepted {
        activation_id: ActivationId,
    }
    answer
        .read()
        .map(|accepted: Accepted| accepted.activation_id)
}
