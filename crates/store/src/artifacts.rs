//! Entities as documents with revisions.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use oxwhisk_entity::{EntityPath, FullyQualifiedName, Json};

use crate::{Page, StoreError};

/// Identifier of a document: `ns/name`, of packaged actions `ns/pkg/name`.
///
/// Actions, packages, triggers and rules share one key space.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentId(String);

impl DocumentId {
    /// Returns the identifier.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&FullyQualifiedName> for DocumentId {
    fn from(name: &FullyQualifiedName) -> Self {
        Self(name.to_string())
    }
}

impl From<&str> for DocumentId {
    fn from(id: &str) -> Self {
        Self(id.to_owned())
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which state of a document: an opaque text that changes with every write.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Revision(pub String);

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Collection {
    /// Actions, packaged or not.
    Actions,
    /// Packages and bindings.
    Packages,
    /// Triggers.
    Triggers,
    /// Rules.
    Rules,
}

impl Collection {
    /// Returns the word of the REST paths and messages: `actions` …
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Actions => "actions",
            Self::Packages => "packages",
            Self::Triggers => "triggers",
            Self::Rules => "rules",
        }
    }
}

/// A stored entity.
#[derive(Debug, Clone)]
pub struct Document {
    /// Its identifier.
    pub id: DocumentId,
    /// Its state.
    pub revision: Revision,
    /// What it is.
    pub collection: Collection,
    /// The entity's JSON object.
    pub body: Json,
}

/// A large part of a document kept beside it.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// Its name, unique within the document.
    pub name: String,
    /// Its media type.
    pub content_type: String,
    /// Its content.
    pub content: Bytes,
}

/// An entity to be stored.
#[derive(Debug, Clone)]
pub struct NewDocument {
    /// Its identifier.
    pub id: DocumentId,
    /// What it is.
    pub collection: Collection,
    /// Namespace, or namespace and package.
    pub path: EntityPath,
    /// Milliseconds since the epoch; lists are ordered by it, newest first.
    pub updated: u64,
    /// Whether it shows up in [`ArtifactQuery::only_public`] lists.
    pub public: bool,
    /// The entity's JSON object.
    pub body: Json,
    /// The state that it replaces; `None` if there must be none yet.
    pub replaces: Option<Revision>,
    /// What is kept beside it. Attachments of earlier states are dropped, unless `keep_attachments`.
    pub attachment: Option<Attachment>,
    /// Whether attachments of the state that it replaces stay.
    pub keep_attachments: bool,
}

/// Where a list looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everything whose path begins with this namespace.
    Namespace(String),
    /// Exactly this path, such as a package's.
    Path(EntityPath),
}

/// Which entities to list. Newest first.
#[derive(Debug, Clone)]
pub struct ArtifactQuery {
    /// Which collection.
    pub collection: Collection,
    /// Where.
    pub scope: Scope,
    /// How many to leave out.
    pub skip: u32,
    /// At most how many; 0 for all.
    pub limit: u32,
    /// Only those that are public.
    pub only_public: bool,
}

/// Keeps entities.
#[async_trait]
pub trait ArtifactStore: Send + Sync + fmt::Debug {
    /// Returns a document, or `None`. Sees every write that returned before the call.
    ///
    /// # Errors
    /// `Corrupt` or `Unavailable`.
    async fn get(&self, id: &DocumentId) -> Result<Option<Document>, StoreError>;

    /// Stores a document and its attachment, both or neither, durably before it returns.
    ///
    /// # Errors
    /// `Conflict` if its present state is not the one that it replaces, `Full`, `Unavailable`.
    async fn put(&self, document: NewDocument) -> Result<Revision, StoreError>;

    /// Deletes a document and its attachments, durably before it returns.
    ///
    /// # Errors
    /// `Conflict` if it is in another state, `Missing`, `Unavailable`.
    async fn delete(&self, id: &DocumentId, revision: &Revision) -> Result<(), StoreError>;

    /// Lists entities, newest first. What does not fit in the page is to be read with [`ArtifactStore::get`].
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list(&self, query: &ArtifactQuery) -> Result<Page<Document, DocumentId>, StoreError>;

    /// Counts what [`ArtifactStore::list`] would list without `skip` and `limit`.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn count(&self, query: &ArtifactQuery) -> Result<u64, StoreError>;

    /// Returns the content of an attachment.
    ///
    /// # Errors
    /// `Missing` or `Unavailable`.
    async fn attachment(&self, id: &DocumentId, name: &str) -> Result<Bytes, StoreError>;
}
