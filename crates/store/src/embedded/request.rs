//! What the writer is asked to do.

use std::sync::Arc;

use oxwhisk_entity::{ActivationId, UserLimits, WhiskActivation};
use tokio::sync::oneshot;

use crate::{DocumentId, NewDocument, Revision, StoreError, Subject};

/// A record ready to be written; everything that costs time was done by the caller.
#[derive(Debug)]
pub(super) struct RecordRow {
    pub(super) record: Arc<WhiskActivation>,
    pub(super) filter_key: String,
    pub(super) body: String,
}

/// One change.
#[derive(Debug)]
pub(super) enum Operation {
    PutDocument(NewDocument),
    DeleteDocument(DocumentId, Revision),
    Record(RecordRow),
    PutSubject(Subject),
    DeleteSubject(String),
    PutLimits(String, Option<UserLimits>),
    Append {
        id: ActivationId,
        started: bool,
        message: Vec<u8>,
    },
    MarkStarted(ActivationId),
    Remove(ActivationId),
}

impl Operation {
    /// Returns about how many bytes it brings.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::PutDocument(document) => {
                let attachment = document.attachment.as_ref();
                document.body.size() + attachment.map_or(0, |a| a.content.len())
            }
            // The record itself is kept as long as its row.
            Self::Record(row) => 2 * row.body.len(),
            Self::Append { message, .. } => message.len(),
            Self::DeleteDocument(..)
            | Self::PutSubject(_)
            | Self::DeleteSubject(_)
            | Self::PutLimits(..)
            | Self::MarkStarted(_)
            | Self::Remove(_) => 0,
        }
    }

    /// Returns whether its caller may be kept waiting for a group to come together.
    pub(super) fn may_wait(&self) -> bool {
        matches!(self, Self::Record(_) | Self::Remove(_))
    }
}

/// What a change gave.
#[derive(Debug)]
pub(super) enum Done {
    Written,
    Revision(Revision),
    /// Whether there was something to delete.
    Deleted(bool),
}

/// A change and who waits for it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) operation: Operation,
    pub(super) reply: oneshot::Sender<Result<Done, StoreError>>,
}
