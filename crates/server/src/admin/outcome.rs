//! What operations give, as text in the form of `wskadmin` and as JSON.

use oxwhisk_entity::UserLimits;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A key with its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OwnedKey {
    pub(crate) subject: String,
    pub(crate) namespace: String,
    /// `uuid:secret`
    pub(crate) auth: String,
}

/// One of the keys of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyEntry {
    pub(crate) namespace: String,
    /// `uuid:secret`
    pub(crate) auth: String,
}

/// What became of blocking or unblocking one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BlockedSubject {
    pub(crate) subject: String,
    /// What was asked for.
    pub(crate) blocked: bool,
    /// Why it was not done.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) error: Option<String>,
}

/// What an operation gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Outcome {
    Key(OwnedKey),
    Keys {
        subject: String,
        blocked: bool,
        keys: Vec<KeyEntry>,
    },
    /// Whose key it is; `None` if it is nobody's or its owner is blocked.
    Owner(Option<OwnedKey>),
    List {
        namespace: String,
        keys: Vec<OwnedKey>,
    },
    SubjectDeleted {
        subject: String,
    },
    NamespaceDeleted {
        subject: String,
        namespace: String,
    },
    Blocked(Vec<BlockedSubject>),
    LimitsSet {
        namespace: String,
        limits: Box<UserLimits>,
    },
    Limits {
        namespace: String,
        limits: Option<Box<UserLimits>>,
    },
    LimitsDeleted {
        namespace: String,
    },
}

/// How much of an outcome is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// All.
    Whole,
    /// Keys without their owners.
    KeysOnly,
    /// No key.
    Silent,
}

impl Outcome {
    /// Returns the exit status: how many of its parts failed.
    pub(crate) fn status(&self) -> u8 {
        let Self::Blocked(subjects) = self else {
            return 0;
        };
        let failed = subjects.iter().filter(|subject| subject.error.is_some());
        u8::try_from(failed.count()).unwrap_or(u8::MAX)
    }

    /// Returns the lines that `wskadmin` prints.
    pub(crate) fn lines(&self, view: View) -> Vec<String> {
        let line = |text: &str| vec![text.to_owned()];
        match self {
            Self::Key(_) if view == View::Silent => Vec::new(),
            Self::Key(key) => line(&key.auth),
            Self::Keys { keys, .. } => keys
                .iter()
                .map(|key| format!("{}\t{}", key.namespace, key.auth))
                .collect(),
            Self::Owner(None) => line("Subject id is not recognized"),
            Self::Owner(Some(key)) => vec![
                format!("subject: {}", key.subject),
                format!("namespace: {}", key.namespace),
            ],
            Self::List { namespace, keys } if keys.is_empty() => line(&format!(
                "no identities found for namespace \"{namespace}\""
            )),
            Self::List { keys, .. } => keys.iter().map(|key| listed(key, view)).collect(),
            Self::SubjectDeleted { .. } => line("Subject deleted"),
            Self::NamespaceDeleted { .. } => line("Namespace deleted"),
            Self::Blocked(subjects) => subjects.iter().map(blocked).collect(),
            Self::LimitsSet { namespace, .. } => {
                line(&format!("Limits successfully set for \"{namespace}\""))
            }
            Self::Limits { limits: None, .. } => {
                line("No limits found, default system limits apply")
            }
            Self::Limits {
                limits: Some(limits),
                ..
            } => limit_lines(limits),
            Self::LimitsDeleted { .. } => line("Limits deleted"),
        }
    }

    /// Returns the same as JSON.
    pub(crate) fn json(&self, view: View) -> Value {
        match self {
            Self::Key(key) if view == View::Silent => {
                json!({ "subject": key.subject, "namespace": key.namespace })
            }
            Self::Key(key) => json!(key),
            Self::Keys {
                subject,
                blocked,
                keys,
            } => json!({ "subject": subject, "blocked": blocked, "namespaces": keys }),
            Self::Owner(key) => match key {
                Some(key) => json!({ "subject": key.subject, "namespace": key.namespace }),
                None => Value::Null,
            },
            Self::List { keys, .. } if view == View::KeysOnly => {
                json!(keys.iter().map(|key| &key.auth).collect::<Vec<_>>())
            }
            Self::List { keys, .. } => json!(keys),
            Self::SubjectDeleted { subject } => json!({ "subject": subject, "deleted": true }),
            Self::NamespaceDeleted { subject, namespace } => {
                json!({ "subject": subject, "namespace": namespace, "deleted": true })
            }
            Self::Blocked(subjects) => json!(
                subjects
                    .iter()
                    .map(|subject| match &subject.error {
                        None => json!({ "subject": subject.subject, "blocked": subject.blocked }),
                        Some(error) => json!({ "subject": subject.subject, "error": error }),
                    })
                    .collect::<Vec<_>>()
            ),
            Self::LimitsSet { namespace, limits } => {
                json!({ "namespace": namespace, "limits": limits })
            }
            Self::Limits { namespace, limits } => {
                json!({ "namespace": namespace, "limits": limits })
            }
            Self::LimitsDeleted { namespace } => {
                json!({ "namespace": namespace, "deleted": true })
            }
        }
    }
}

fn listed(key: &OwnedKey, view: View) -> String {
    match view {
        View::KeysOnly => key.auth.clone(),
        View::Whole | View::Silent => format!("{}\t{}", key.auth, key.subject),
    }
}

fn blocked(subject: &BlockedSubject) -> String {
    match (&subject.error, subject.blocked) {
        (Some(error), _) => error.clone(),
        (None, true) => format!("\"{}\" blocked successfully", subject.subject),
        (None, false) => format!("\"{}\" unblocked successfully", subject.subject),
    }
}

/// Writes limits in `wskadmin`'s order and with Python's values, as its readers expect.
fn limit_lines(limits: &UserLimits) -> Vec<String> {
    fn shown<T: ToString>(value: Option<T>) -> Option<String> {
        value.map(|value| value.to_string())
    }
    let kinds = limits.allowed_kinds.as_ref().map(|kinds| {
        let quoted: Vec<String> = kinds.iter().map(|kind| python_text(kind)).collect();
        format!("[{}]", quoted.join(", "))
    });
    let stored = limits.store_activations.map(|stored| match stored {
        true => "True",
        false => "False",
    });
    let lines = [
        ("invocationsPerMinute", shown(limits.invocations_per_minute)),
        ("firesPerMinute", shown(limits.fires_per_minute)),
        (
            "concurrentInvocations",
            shown(limits.concurrent_invocations),
        ),
        ("allowedKinds", kinds),
        ("storeActivations", shown(stored)),
        ("minActionMemory", shown(limits.min_action_memory)),
        ("maxActionMemory", shown(limits.max_action_memory)),
        ("minActionLogs", shown(limits.min_action_logs)),
        ("maxActionLogs", shown(limits.max_action_logs)),
        ("minActionTimeout", shown(limits.min_action_timeout)),
        ("maxActionTimeout", shown(limits.max_action_timeout)),
        ("minActionConcurrency", shown(limits.min_action_concurrency)),
        ("maxActionConcurrency", shown(limits.max_action_concurrency)),
        (
            "maxParameterSize",
            shown(limits.max_parameter_size.as_ref()),
        ),
        ("maxPayloadSize", shown(limits.max_payload_size.as_ref())),
        ("truncationSize", shown(limits.truncation_size.as_ref())),
    ];
    lines
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name} = {}", value?)))
        .collect()
}

/// Quotes a text as Python does.
fn python_text(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut quoted = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => quoted.push_str("\\\\"),
            c if c == quote => quoted.extend(['\\', c]),
            c => quoted.push(c),
        }
    }
    quoted.push(quote);
    quoted
}
