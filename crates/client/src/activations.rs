//! Activations: `/namespaces/{ns}/activations`. Source: rest-api §12.

use oxwhisk_entity::{
    ActivationId, ActivationResponse, EntityName, EntityPath, Json, Parameters, ResponseStatus,
    SemVer, WhiskActivation,
};
use serde::Deserialize;

use crate::client::Client;
use crate::error::ClientError;
use crate::route::{Page, Route};

const COLLECTION: &str = "activations";

/// The activations of a [`Client`].
#[derive(Debug, Clone, Copy)]
pub struct Activations<'a>(pub(crate) &'a Client);

/// Which activations are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActivationFilter {
    /// Only those of this action, `name` or `package/name`.
    pub name: Option<String>,
    /// Only those that started then or later, milliseconds since the epoch.
    pub since: Option<u64>,
    /// Only those that started then or earlier, milliseconds since the epoch.
    pub upto: Option<u64>,
}

/// An activation in a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivationSummary {
    /// Namespace of the invoking identity.
    pub namespace: EntityPath,
    /// Name of the action, sequence or trigger.
    pub name: EntityName,
    /// Its identifier.
    pub activation_id: ActivationId,
    /// Version of the action.
    pub version: SemVer,
    /// What the platform says about it.
    #[serde(default)]
    pub annotations: Parameters,
    /// The sequence or composition that it was part of.
    #[serde(default)]
    pub cause: Option<ActivationId>,
    /// Milliseconds since the epoch.
    pub start: u64,
    /// Milliseconds since the epoch; absent while it has not ended, and for triggers.
    #[serde(default)]
    pub end: Option<u64>,
    /// Milliseconds.
    #[serde(default)]
    pub duration: Option<u64>,
    /// 0 success, 1 application error, 2 developer error, 3 whisk internal error.
    #[serde(default)]
    pub status_code: Option<u64>,
}

impl Activations<'_> {
    /// Lists the newest.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list(
        self,
        filter: &ActivationFilter,
        page: Page,
    ) -> Result<Vec<ActivationSummary>, ClientError> {
        self.0.get(self.filtered(filter).page(page)).await?.read()
    }

    /// Lists the newest with results and logs.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list_whole(
        self,
        filter: &ActivationFilter,
        page: Page,
    ) -> Result<Vec<WhiskActivation>, ClientError> {
        let route = self.filtered(filter).page(page).with("docs", true);
        let records: Vec<ApiRecord> = self.0.get(route).await?.read()?;
        Ok(records.into_iter().map(WhiskActivation::from).collect())
    }

    /// Counts.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn count(self, filter: &ActivationFilter) -> Result<u64, ClientError> {
        self.0.count(COLLECTION, self.filtered(filter)).await
    }

    /// Returns a record with its logs.
    ///
    /// # Errors
    /// [`ClientError`]; status 404 while it has not ended.
    pub async fn get(self, id: ActivationId) -> Result<WhiskActivation, ClientError> {
        let record: ApiRecord = self.0.get(self.one(id)).await?.read()?;
        Ok(record.into())
    }

    /// Returns how an activation ended.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn result(self, id: ActivationId) -> Result<ActivationResponse, ClientError> {
        let response: ApiResponse = self.0.get(self.one(id).then("result")).await?.read()?;
        Ok(response.into())
    }

    /// Returns the lines of an activation's log.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn logs(self, id: ActivationId) -> Result<Vec<String>, ClientError> {
        #[derive(Deserialize)]
        struct Logs {
            logs: Vec<String>,
        }
        let logs: Logs = self.0.get(self.one(id).then("logs")).await?.read()?;
        Ok(logs.logs)
    }

    fn one(self, id: ActivationId) -> Route {
        self.0.collection(COLLECTION).then(&id.to_string())
    }

    fn filtered(self, filter: &ActivationFilter) -> Route {
        self.0
            .collection(COLLECTION)
            .with_some("name", filter.name.as_deref())
            .with_some("since", filter.since)
            .with_some("upto", filter.upto)
    }
}

/// How the API shows an outcome: with a text where stores have a number.
#[derive(Deserialize)]
struct ApiResponse {
    status: String,
    #[serde(default)]
    result: Option<Json>,
    #[serde(default)]
    size: Option<u64>,
}

impl From<ApiResponse> for ActivationResponse {
    fn from(response: ApiResponse) -> Self {
        Self {
            status: ResponseStatus::from_text(&response.status),
            result: response.result,
            size: response.size,
        }
    }
}

/// How the API shows a record.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiRecord {
    namespace: EntityPath,
    name: EntityName,
    subject: String,
    activation_id: ActivationId,
    start: u64,
    #[serde(default)]
    end: u64,
    #[serde(default)]
    cause: Option<ActivationId>,
    response: ApiResponse,
    #[serde(default)]
    logs: Vec<String>,
    version: SemVer,
    #[serde(default)]
    publish: bool,
    #[serde(default)]
    annotations: Parameters,
    #[serde(default)]
    duration: Option<u64>,
}

impl From<ApiRecord> for WhiskActivation {
    fn from(record: ApiRecord) -> Self {
        Self {
            namespace: record.namespace,
            name: record.name,
            subject: record.subject,
            activation_id: record.activation_id,
            start: record.start,
            end: record.end,
            cause: record.cause,
            response: record.response.into(),
            logs: record.logs,
            version: record.version,
            publish: record.publish,
            annotations: record.annotations,
            duration: record.duration,
        }
    }
}
