//! Operations on subjects and their keys.

use oxwhisk_entity::EntityName;
use oxwhisk_store::{Subject, SubjectNamespace, SubjectStore};

use super::key::NewKey;
use super::outcome::{BlockedSubject, KeyEntry, Outcome, OwnedKey};
use super::refusal::Refusal;

/// Fewest characters of a subject's name.
const SHORTEST: usize = 5;
/// Most characters of a subject's name, as of a namespace's.
const LONGEST: usize = 256;

/// Returns the names of a subject that is to be created and of its namespace, without blanks around them.
///
/// # Errors
/// A name that nobody could use.
pub(super) fn checked_names(
    subject: &str,
    namespace: Option<&str>,
) -> Result<(String, String), Refusal> {
    let subject = subject.trim();
    match subject.chars().count() {
        ..SHORTEST => return Err(Refusal::ShortSubject),
        SHORTEST..=LONGEST => {}
        _ => return Err(Refusal::LongSubject),
    }
    // They are printed in lines and columns.
    if subject.chars().any(char::is_control) {
        return Err(Refusal::ControlInSubject);
    }
    let namespace = checked_namespace(namespace.unwrap_or(subject))?;
    Ok((subject.to_owned(), namespace))
}

/// Returns the name of a namespace without blanks around it.
///
/// # Errors
/// What no namespace is called.
pub(super) fn checked_namespace(namespace: &str) -> Result<String, Refusal> {
    let namespace = namespace.trim();
    if namespace.is_empty() {
        return Err(Refusal::NoNamespace);
    }
    match EntityName::new(namespace) {
        Ok(name) => Ok(name.as_str().to_owned()),
        Err(_) => Err(Refusal::BadNamespace(namespace.to_owned())),
    }
}

pub(super) fn show_key(subject: String, namespace: String, key: &NewKey) -> Outcome {
    Outcome::Key(OwnedKey {
        subject,
        namespace,
        auth: key.text().to_owned(),
    })
}

pub(super) async fn create(
    store: &dyn SubjectStore,
    name: String,
    namespace: String,
    key: NewKey,
    revoke: bool,
) -> Result<Outcome, Refusal> {
    let failed = || Refusal::store("create subject");
    let found = store.subject(&name).await.map_err(failed())?;
    let mut subject = found.unwrap_or_else(|| Subject {
        subject: name.clone(),
        namespaces: Vec::new(),
        blocked: false,
    });
    if subject.blocked {
        return Err(Refusal::Blocked);
    }
    let (uuid, secret) = key.parts();
    let entry = SubjectNamespace {
        name: namespace.clone(),
        uuid: uuid.to_owned(),
        key: secret.to_owned(),
    };
    let mut same = subject
        .namespaces
        .iter_mut()
        .filter(|n| n.name == namespace);
    match (same.next(), same.next(), revoke) {
        (None, _, _) => subject.namespaces.push(entry),
        (Some(present), None, true) => *present = entry,
        (Some(_), Some(_), true) => return Err(Refusal::NamespaceNotUnique),
        (Some(_), _, false) => return Err(Refusal::NamespaceExists),
    }
    store.put_subject(&subject).await.map_err(failed())?;
    Ok(show_key(name, namespace, &key))
}

pub(super) async fn delete(
    store: &dyn SubjectStore,
    name: &str,
    namespace: Option<&str>,
) -> Result<Outcome, Refusal> {
    let name = name.trim();
    if name.is_empty() {
        return Err(Refusal::NoSubject);
    }
    let namespace = namespace.map(str::trim);
    if namespace == Some("") {
        return Err(Refusal::NoNamespace);
    }
    let failed = || Refusal::store("delete subject");
    let found = store.subject(name).await.map_err(failed())?;
    let mut subject =
        found.ok_or_else(|| Refusal::missing("delete subject", "the subject does not exist"))?;
    let subject_name = name.to_owned();
    let Some(namespace) = namespace else {
        store.delete_subject(name).await.map_err(failed())?;
        return Ok(Outcome::SubjectDeleted {
            subject: subject_name,
        });
    };
    let before = subject.namespaces.len();
    subject.namespaces.retain(|n| n.name != namespace);
    let namespace = namespace.to_owned();
    if subject.namespaces.len() == before {
        return Err(Refusal::NotANamespaceOf {
            namespace,
            subject: subject_name,
        });
    }
    let put = store.put_subject(&subject).await;
    put.map_err(Refusal::store("remove namespace"))?;
    Ok(Outcome::NamespaceDeleted {
        subject: subject_name,
        namespace,
    })
}

async fn existing(store: &dyn SubjectStore, name: &str) -> Result<Subject, Refusal> {
    let found = store.subject(name).await;
    found
        .map_err(Refusal::store("get subject"))?
        .ok_or_else(|| Refusal::missing("get subject", "the subject does not exist"))
}

pub(super) async fn get_key(
    store: &dyn SubjectStore,
    name: String,
    namespace: Option<String>,
) -> Result<Outcome, Refusal> {
    let subject = existing(store, &name).await?;
    let namespace = namespace.unwrap_or_else(|| name.clone());
    let mut same = subject.namespaces.iter().filter(|n| n.name == namespace);
    match (same.next(), same.next()) {
        (Some(found), None) => Ok(Outcome::Key(owned(&name, found))),
        _ => Err(Refusal::NamespaceNotFound {
            namespace,
            subject: name,
        }),
    }
}

pub(super) async fn get_keys(store: &dyn SubjectStore, name: String) -> Result<Outcome, Refusal> {
    let subject = existing(store, &name).await?;
    let keys = subject.namespaces.iter().map(|namespace| KeyEntry {
        namespace: namespace.name.clone(),
        auth: auth(namespace),
    });
    Ok(Outcome::Keys {
        keys: keys.collect(),
        blocked: subject.blocked,
        subject: name,
    })
}

pub(super) async fn whois(store: &dyn SubjectStore, authkey: &str) -> Result<Outcome, Refusal> {
    // What is behind a second colon is ignored, as `wskadmin` does.
    let mut parts = authkey.trim().split(':');
    let (uuid, secret) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let found = store.identity_by_key(uuid, secret).await;
    let found = found.map_err(Refusal::store("get subject"))?;
    Ok(Outcome::Owner(found.map(|identity| OwnedKey {
        subject: identity.subject,
        namespace: identity.namespace.name.as_str().to_owned(),
        auth: identity.authkey.api_key,
    })))
}

pub(super) async fn list(
    store: &dyn SubjectStore,
    namespace: String,
    at_most: Option<usize>,
) -> Result<Outcome, Refusal> {
    let subjects = store.subjects(Some(&namespace)).await;
    let subjects = subjects.map_err(Refusal::store("get namespace key"))?;
    // A blocked subject has no identity, so `wskadmin` does not list it either.
    let keys = subjects.iter().filter(|subject| !subject.blocked);
    let keys = keys.flat_map(|subject| {
        let same = subject.namespaces.iter().filter(|n| n.name == namespace);
        same.map(|found| owned(&subject.subject, found))
    });
    Ok(Outcome::List {
        keys: keys.take(at_most.unwrap_or(usize::MAX)).collect(),
        namespace,
    })
}

pub(super) async fn set_blocked(
    store: &dyn SubjectStore,
    subjects: Vec<String>,
    blocked: bool,
) -> Outcome {
    let mut outcomes = Vec::new();
    let names = subjects.iter().map(|name| name.trim());
    for name in names.filter(|name| !name.is_empty()) {
        let error = set_one_blocked(store, name, blocked).await.err();
        outcomes.push(BlockedSubject {
            subject: name.to_owned(),
            blocked,
            error: error.map(|refusal| refusal.to_string()),
        });
    }
    Outcome::Blocked(outcomes)
}

async fn set_one_blocked(
    store: &dyn SubjectStore,
    name: &str,
    blocked: bool,
) -> Result<(), Refusal> {
    let verb = if blocked { "block" } else { "unblock" };
    let what = || format!("{verb} \"{name}\"");
    let found = store.subject(name).await.map_err(Refusal::store(what()))?;
    let mut subject =
        found.ok_or_else(|| Refusal::missing(what(), "the subject does not exist"))?;
    subject.blocked = blocked;
    let put = store.put_subject(&subject).await;
    put.map_err(Refusal::store(what()))
}

fn owned(subject: &str, namespace: &SubjectNamespace) -> OwnedKey {
    OwnedKey {
        subject: subject.to_owned(),
        namespace: namespace.name.clone(),
        auth: auth(namespace),
    }
}

fn auth(namespace: &SubjectNamespace) -> String {
    format!("{}:{}", namespace.uuid, namespace.key)
}
