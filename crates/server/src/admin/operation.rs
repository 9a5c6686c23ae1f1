//! What can be done, whoever asks and wherever the database is open.

use oxwhisk_entity::UserLimits;
use oxwhisk_store::SubjectStore;
use serde::{Deserialize, Serialize};

use super::key::NewKey;
use super::outcome::Outcome;
use super::refusal::Refusal;
use super::{limits, users};

/// One operation. Also the request on the socket, as one line of JSON such as
/// `{"getKey":{"subject":"guest","namespace":null}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) enum Operation {
    /// Show a key without storing it.
    ShowKey {
        subject: String,
        namespace: String,
        key: NewKey,
    },
    /// Create a subject, give it another namespace, or with `revoke` another key for a namespace that it has.
    CreateUser {
        subject: String,
        namespace: String,
        key: NewKey,
        revoke: bool,
    },
    /// Delete a subject, or only its key for one namespace.
    DeleteUser {
        subject: String,
        namespace: Option<String>,
    },
    /// Return the key of a subject for a namespace; without one, for the namespace with its name.
    GetKey {
        subject: String,
        namespace: Option<String>,
    },
    /// Return all keys of a subject.
    GetKeys { subject: String },
    /// Tell whose key it is.
    Whois { authkey: String },
    /// Refuse the keys of subjects.
    Block { subjects: Vec<String> },
    /// Accept them again.
    Unblock { subjects: Vec<String> },
    /// List the keys for a namespace.
    ListKeys {
        namespace: String,
        at_most: Option<usize>,
    },
    /// Set those limits of a namespace that are given.
    SetLimits {
        namespace: String,
        limits: Box<UserLimits>,
    },
    /// Return the limits of a namespace.
    GetLimits { namespace: String },
    /// Delete the limits of a namespace.
    DeleteLimits { namespace: String },
}

impl Operation {
    /// Returns whether it makes sense on a store that is new.
    pub(crate) fn may_come_first(&self) -> bool {
        matches!(self, Self::CreateUser { .. } | Self::SetLimits { .. })
    }

    /// Does it. At most one at a time may be under way for one store: subjects are read, changed and written.
    ///
    /// # Errors
    /// [`Refusal`]; nothing was changed then, unless the store failed while it was written.
    pub(crate) async fn perform(self, store: &dyn SubjectStore) -> Result<Outcome, Refusal> {
        match self {
            Self::ShowKey {
                subject,
                namespace,
                key,
            } => Ok(users::show_key(subject, namespace, &key)),
            Self::CreateUser {
                subject,
                namespace,
                key,
                revoke,
            } => {
                let (subject, namespace) = users::checked_names(&subject, Some(&namespace))?;
                users::create(store, subject, namespace, key, revoke).await
            }
            Self::DeleteUser { subject, namespace } => {
                users::delete(store, &subject, namespace.as_deref()).await
            }
            Self::GetKey { subject, namespace } => users::get_key(store, subject, namespace).await,
            Self::GetKeys { subject } => users::get_keys(store, subject).await,
            Self::Whois { authkey } => users::whois(store, &authkey).await,
            Self::Block { subjects } => Ok(users::set_blocked(store, subjects, true).await),
            Self::Unblock { subjects } => Ok(users::set_blocked(store, subjects, false).await),
            Self::ListKeys { namespace, at_most } => users::list(store, namespace, at_most).await,
            Self::SetLimits { namespace, limits } => limits::set(store, namespace, *limits).await,
            Self::GetLimits { namespace } => limits::get(store, namespace).await,
            Self::DeleteLimits { namespace } => limits::delete(store, namespace).await,
        }
    }
}
