//! The artifact store (entities), the activation store (records) and the subject store (keys).
//!
//! The traits here are the seam; the backends are modules named only by `server`. A backend never
//! retries or caches. Stored documents are JSON in the form that OpenWhisk keeps in CouchDB.
#![forbid(unsafe_code)]

mod activations;
mod artifacts;
#[cfg(feature = "test-util")]
pub mod conformance;
pub mod embedded;
mod error;
mod page;
mod subjects;

pub use activations::{ActivationQuery, ActivationStore};
pub use artifacts::{
    ArtifactQuery, ArtifactStore, Attachment, Collection, Document, DocumentId, NewDocument,
    Revision, Scope,
};
pub use error::StoreError;
pub use page::{PAGE_BYTES, Page};
pub use subjects::{Subject, SubjectNamespace, SubjectStore};
