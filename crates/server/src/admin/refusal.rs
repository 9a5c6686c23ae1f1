//! Why an operation is not done, in the words of `wskadmin`.

use std::error::Error as _;

use oxwhisk_store::StoreError;
use serde::{Deserialize, Serialize};

/// Exit status for text that no operation takes.
const USAGE: u8 = 2;
/// Exit status for an operation that failed.
const FAILED: u8 = 1;

/// Why an operation was not done. The texts are those of `wskadmin` where it has one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("Subject name must be at least 5 characters")]
    ShortSubject,
    #[error("Subject name must be at most 256 characters")]
    LongSubject,
    #[error("Subject name must not contain control characters")]
    ControlInSubject,
    #[error("Subject must not be empty")]
    NoSubject,
    #[error("Namespace must not be empty")]
    NoNamespace,
    #[error("Namespace \"{0}\" is not a valid name")]
    BadNamespace(String),
    #[error("authorization id is not a valid UUID")]
    BadUuid,
    #[error("failed to determine authorization id and key: there is no colon")]
    NoKey,
    #[error("authorization key must be at least 64 characters long")]
    ShortKey,
    #[error("authorization key must be at most 64 characters long")]
    LongKey,
    #[error("authorization key must be printable ASCII")]
    BadKey,
    #[error("pick at least 1 identity to show")]
    PickNone,
    #[error("the request cannot be read: {0}")]
    BadRequest(String),
    #[error("Namespace already exists")]
    NamespaceExists,
    #[error("Namespace is not unique")]
    NamespaceNotUnique,
    #[error("The subject you want to edit is blocked")]
    Blocked,
    #[error("Namespace \"{namespace}\" does not exist for \"{subject}\"")]
    NotANamespaceOf { namespace: String, subject: String },
    #[error("namespace \"{namespace}\" not found for \"{subject}\"")]
    NamespaceNotFound { namespace: String, subject: String },
    #[error("Failed to {what} ({why})")]
    Failed { what: String, why: String },
}

impl Refusal {
    /// Says that something failed because something is not there.
    pub(super) fn missing(what: impl Into<String>, why: &str) -> Self {
        Self::Failed {
            what: what.into(),
            why: why.to_owned(),
        }
    }

    /// Says that something failed because of the store.
    pub(super) fn store(what: impl Into<String>) -> impl FnOnce(StoreError) -> Self {
        let what = what.into();
        move |error| Self::Failed {
            what,
            why: match error {
                StoreError::Conflict { .. } => {
                    "the authorization id belongs to another key".to_owned()
                }
                error => chain(&error),
            },
        }
    }

    /// Returns the exit status.
    fn status(&self) -> u8 {
        match self {
            Self::ShortSubject
            | Self::LongSubject
            | Self::ControlInSubject
            | Self::NoSubject
            | Self::NoNamespace
            | Self::BadNamespace(_)
            | Self::BadUuid
            | Self::NoKey
            | Self::ShortKey
            | Self::LongKey
            | Self::BadKey
            | Self::PickNone
            | Self::BadRequest(_) => USAGE,
            Self::NamespaceExists
            | Self::NamespaceNotUnique
            | Self::Blocked
            | Self::NotANamespaceOf { .. }
            | Self::NamespaceNotFound { .. }
            | Self::Failed { .. } => FAILED,
        }
    }
}

/// Returns what an error says and what its sources say.
fn chain(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// A [`Refusal`] as it is told to a caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refused {
    /// What to print.
    pub(crate) error: String,
    /// The exit status.
    pub(crate) status: u8,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self {
            error: refusal.to_string(),
            status: refusal.status(),
        }
    }
}
