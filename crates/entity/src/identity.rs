//! Who authenticates, and what that identity may do.

use serde::{Deserialize, Serialize};

use crate::byte_size::{ByteSize, WrittenSize};
use crate::names::EntityName;

/// A namespace with the identifier that keys all throttles.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Namespace {
    /// Its name.
    pub name: EntityName,
    /// Its identifier, by convention a UUID; also the user part of its key.
    pub uuid: String,
}

/// A key: `uuid:secret`, sent as HTTP Basic credentials.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AuthKey {
    /// `uuid:secret`
    pub api_key: String,
}

impl AuthKey {
    /// Returns the part before the colon.
    #[must_use]
    pub fn uuid(&self) -> &str {
        self.api_key
            .split_once(':')
            .map_or(self.api_key.as_str(), |(uuid, _)| uuid)
    }
}

/// Keeps the secret out of logs.
impl std::fmt::Debug for AuthKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:…", self.uuid())
    }
}

/// What an identity may do with the entities of its namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Privilege {
    /// Read entities.
    Read,
    /// Create and change entities.
    Put,
    /// Delete entities.
    Delete,
    /// Invoke actions and fire triggers.
    Activate,
}

impl Privilege {
    /// All of them, as the stock keys have.
    pub const ALL: [Self; 4] = [Self::Read, Self::Put, Self::Delete, Self::Activate];
}

/// Limits of one namespace that differ from the deployment's. Source: entities §10.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UserLimits {
    /// Invocations a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invocations_per_minute: Option<u32>,
    /// Activations in flight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent_invocations: Option<u32>,
    /// Trigger fires a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fires_per_minute: Option<u32>,
    /// Kinds that actions of the namespace may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_kinds: Option<Vec<String>>,
    /// Whether activation records are stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_activations: Option<bool>,
    /// MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_action_memory: Option<i32>,
    /// MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_action_memory: Option<i32>,
    /// MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_action_logs: Option<i32>,
    /// MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_action_logs: Option<i32>,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_action_timeout: Option<i32>,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_action_timeout: Option<i32>,
    /// Activations per container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_action_concurrency: Option<i32>,
    /// Activations per container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_action_concurrency: Option<i32>,
    /// Size of parameters and of annotations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_parameter_size: Option<WrittenSize>,
    /// Size of arguments and of results.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_payload_size: Option<WrittenSize>,
    /// How much is kept of a result that is too large.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncation_size: Option<WrittenSize>,
}

impl UserLimits {
    /// Returns the allowed size of parameters, which is at most the deployment's.
    #[must_use]
    pub fn parameter_size(&self, system: ByteSize) -> ByteSize {
        at_most(self.max_parameter_size.as_ref(), system)
    }

    /// Returns the allowed size of arguments and results, which is at most the deployment's.
    #[must_use]
    pub fn payload_size(&self, system: ByteSize) -> ByteSize {
        at_most(self.max_payload_size.as_ref(), system)
    }

    /// Returns how much of a large result is kept, which is at most what the deployment keeps.
    #[must_use]
    pub fn truncation_size(&self, system: ByteSize) -> ByteSize {
        at_most(self.truncation_size.as_ref(), system)
    }
}

fn at_most(own: Option<&WrittenSize>, system: ByteSize) -> ByteSize {
    own.map_or(system, |own| own.size().min(system))
}

/// Who makes a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Owner of the namespace; at least 5 characters.
    pub subject: String,
    /// The namespace of the key.
    pub namespace: Namespace,
    /// The key.
    pub authkey: AuthKey,
    /// What it may do.
    pub rights: Vec<Privilege>,
    /// Its own limits.
    #[serde(default)]
    pub limits: UserLimits,
}
