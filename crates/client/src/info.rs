//! What a server tells about itself and about the key. Source: rest-api §1, §7.

use oxwhisk_entity::{EntityName, Json, UserLimits};
use serde::Deserialize;

use crate::client::Client;
use crate::error::ClientError;
use crate::route::Route;

/// What `GET /api/v1` tells.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BuildInfo {
    /// What the API is called.
    pub description: String,
    /// Its version, such as `1.0.0`.
    pub api_version: String,
    /// When the server was built.
    pub build: String,
    /// Which build it is.
    #[serde(rename = "buildno")]
    pub number: String,
}

impl Client {
    /// Returns which build the server is.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn build_info(&self) -> Result<BuildInfo, ClientError> {
        self.get(Route::api()).await?.read()
    }

    /// Returns the document at `/`: the deployment's limits and its runtimes by language.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn server_info(&self) -> Result<Json, ClientError> {
        self.get(Route::root()).await?.json()
    }

    /// Returns the namespaces of the key: one, for all that OpenWhisk does today.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn namespaces(&self) -> Result<Vec<EntityName>, ClientError> {
        self.get(Route::api().then("namespaces")).await?.read()
    }

    /// Returns the limits that hold for the client's namespace: the deployment's and its own.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn limits(&self) -> Result<UserLimits, ClientError> {
        self.get(self.own().then("limits")).await?.read()
    }
}
