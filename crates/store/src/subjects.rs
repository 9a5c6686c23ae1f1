//! Who may authenticate.

use std::fmt;

use async_trait::async_trait;
use oxwhisk_entity::{Identity, UserLimits};
use serde::{Deserialize, Serialize};

use crate::StoreError;

/// One namespace of a subject with its key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectNamespace {
    /// Name of the namespace.
    pub name: String,
    /// User part of the key.
    pub uuid: String,
    /// Secret part of the key: exactly 64 characters.
    pub key: String,
}

/// Keeps the secret out of logs.
impl fmt::Debug for SubjectNamespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubjectNamespace")
            .field("name", &self.name)
            .field("uuid", &self.uuid)
            .finish_non_exhaustive()
    }
}

/// An owner of namespaces, as OpenWhisk keeps it in its database of subjects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Its name, at least 5 characters.
    pub subject: String,
    /// Its namespaces.
    pub namespaces: Vec<SubjectNamespace>,
    /// Whether all its keys are refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blocked: bool,
}

/// Keeps subjects and the limits of namespaces.
#[async_trait]
pub trait SubjectStore: Send + Sync + fmt::Debug {
    /// Returns the identity of a key, with the limits of its namespace; `None` if the key is unknown, wrong
    /// or blocked.
    ///
    /// # Errors
    /// `Corrupt` or `Unavailable`.
    async fn identity_by_key(&self, uuid: &str, key: &str) -> Result<Option<Identity>, StoreError>;

    /// Returns an identity that owns a namespace; `None` if there is none or it is blocked.
    ///
    /// # Errors
    /// `Corrupt` or `Unavailable`.
    async fn identity_by_namespace(&self, namespace: &str) -> Result<Option<Identity>, StoreError>;

    /// Returns a subject.
    ///
    /// # Errors
    /// `Corrupt` or `Unavailable`.
    async fn subject(&self, name: &str) -> Result<Option<Subject>, StoreError>;

    /// Creates or replaces a subject, durably before it returns.
    ///
    /// # Errors
    /// `Conflict` if a namespace's uuid belongs to another subject or comes twice, `Full`, `Unavailable`.
    async fn put_subject(&self, subject: &Subject) -> Result<(), StoreError>;

    /// Deletes a subject; returns whether it was there.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn delete_subject(&self, name: &str) -> Result<bool, StoreError>;

    /// Lists the subjects that own a namespace, or all.
    ///
    /// # Errors
    /// `Corrupt` or `Unavailable`.
    async fn subjects(&self, namespace: Option<&str>) -> Result<Vec<Subject>, StoreError>;

    /// Returns the limits of a namespace that differ from the deployment's.
    ///
    /// # Errors
    /// `Corrupt` or `Unavailable`.
    async fn limits(&self, namespace: &str) -> Result<Option<UserLimits>, StoreError>;

    /// Sets the limits of a namespace, or with `None` removes them.
    ///
    /// # Errors
    /// `Full` or `Unavailable`.
    async fn put_limits(
        &self,
        namespace: &str,
        limits: Option<&UserLimits>,
    ) -> Result<(), StoreError>;
}
