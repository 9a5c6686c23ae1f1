//! Subjects, keys and limits.

use async_trait::async_trait;
use oxwhisk_entity::{AuthKey, EntityName, Identity, Namespace, Privilege, UserLimits};
use rusqlite::{Connection, OptionalExtension, Row, params};
use tracing::warn;

use crate::{StoreError, Subject, SubjectNamespace, SubjectStore};

use super::EmbeddedStore;
use super::request::{Done, Operation};

const IDENTITY: &str = "SELECT n.subject, n.namespace, n.uuid, n.key, l.body
     FROM subject_namespaces n JOIN subjects s ON s.name = n.subject
     LEFT JOIN limits l ON l.namespace = n.namespace
     WHERE s.blocked = 0";

/// A key with its owner and limits as they are stored.
struct StoredIdentity {
    subject: String,
    namespace: String,
    uuid: String,
    key: String,
    limits: Option<String>,
}

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredIdentity> {
    Ok(StoredIdentity {
        subject: row.get(0)?,
        namespace: row.get(1)?,
        uuid: row.get(2)?,
        key: row.get(3)?,
        limits: row.get(4)?,
    })
}

fn identity(stored: StoredIdentity) -> Result<Identity, StoreError> {
    let name = EntityName::new(&stored.namespace).map_err(|error| StoreError::Corrupt {
        id: stored.subject.as_str().into(),
        source: Box::new(error),
    })?;
    // As in OpenWhisk, limits that cannot be read count as none (distributed §6.5).
    let limits = stored.limits.as_deref().map(serde_json::from_str);
    let limits = match limits {
        None => UserLimits::default(),
        Some(Ok(limits)) => limits,
        Some(Err(error)) => {
            warn!(namespace = %name, %error, "ignored limits that cannot be read");
            UserLimits::default()
        }
    };
    Ok(Identity {
        subject: stored.subject,
        authkey: AuthKey {
            api_key: format!("{}:{}", stored.uuid, stored.key),
        },
        namespace: Namespace {
            name,
            uuid: stored.uuid,
        },
        rights: Privilege::ALL.to_vec(),
        limits,
    })
}

/// Compares secrets in a time that does not tell where they differ.
fn same_secret(stored: &str, given: &str) -> bool {
    let difference = stored
        .bytes()
        .zip(given.bytes())
        .fold(0, |difference, (a, b)| difference | (a ^ b));
    stored.len() == given.len() && difference == 0
}

fn subjects(db: &Connection, namespace: Option<&str>) -> rusqlite::Result<Vec<Subject>> {
    db.prepare_cached(
        "SELECT name, blocked FROM subjects WHERE ?1 IS NULL
         OR name IN (SELECT subject FROM subject_namespaces WHERE namespace = ?1) ORDER BY name",
    )?
    .query_map([namespace], |row| Ok((row.get(0)?, row.get(1)?)))?
    .map(|row| row.and_then(|(name, blocked)| with_namespaces(db, name, blocked)))
    .collect()
}

fn with_namespaces(db: &Connection, subject: String, blocked: bool) -> rusqlite::Result<Subject> {
    let namespaces = db
        .prepare_cached(
            "SELECT namespace, uuid, key FROM subject_namespaces WHERE subject = ?1 ORDER BY position",
        )?
        .query_map([&subject], |row| {
            Ok(SubjectNamespace {
                name: row.get(0)?,
                uuid: row.get(1)?,
                key: row.get(2)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Subject {
        subject,
        namespaces,
        blocked,
    })
}

#[async_trait]
impl SubjectStore for EmbeddedStore {
    async fn identity_by_key(&self, uuid: &str, key: &str) -> Result<Option<Identity>, StoreError> {
        self.read(|db| {
            db.prepare_cached(&format!("{IDENTITY} AND n.uuid = ?1"))?
                .query_row([uuid], stored)
                .optional()
        })?
        .filter(|stored| same_secret(&stored.key, key))
        .map(identity)
        .transpose()
    }

    async fn identity_by_namespace(&self, namespace: &str) -> Result<Option<Identity>, StoreError> {
        self.read(|db| {
            db.prepare_cached(&format!(
                "{IDENTITY} AND n.namespace = ?1 ORDER BY n.subject, n.uuid LIMIT 1"
            ))?
            .query_row([namespace], stored)
            .optional()
        })?
        .map(identity)
        .transpose()
    }

    async fn subject(&self, name: &str) -> Result<Option<Subject>, StoreError> {
        self.read(|db| {
            db.prepare_cached("SELECT blocked FROM subjects WHERE name = ?1")?
                .query_row(params![name], |row| row.get(0))
                .optional()?
                .map(|blocked| with_namespaces(db, name.to_owned(), blocked))
                .transpose()
        })
    }

    async fn put_subject(&self, subject: &Subject) -> Result<(), StoreError> {
        let operation = Operation::PutSubject(subject.clone());
        self.inner.queue.call(operation).await.map(|_| ())
    }

    async fn delete_subject(&self, name: &str) -> Result<bool, StoreError> {
        let operation = Operation::DeleteSubject(name.to_owned());
        let done = self.inner.queue.call(operation).await?;
        Ok(matches!(done, Done::Deleted(true)))
    }

    async fn subjects(&self, namespace: Option<&str>) -> Result<Vec<Subject>, StoreError> {
        let namespace = namespace.map(str::to_owned);
        self.read_much(move |db| subjects(db, namespace.as_deref()))
            .await
    }

    async fn limits(&self, namespace: &str) -> Result<Option<UserLimits>, StoreError> {
        let body: Option<String> = self.read(|db| {
            db.prepare_cached("SELECT body FROM limits WHERE namespace = ?1")?
                .query_row([namespace], |row| row.get(0))
                .optional()
        })?;
        body.as_deref()
            .map(serde_json::from_str)
            .transpose()
            .map_err(|source| StoreError::Corrupt {
                id: format!("{namespace}/limits").as_str().into(),
                source: Box::new(source),
            })
    }

    async fn put_limits(
        &self,
        namespace: &str,
        limits: Option<&UserLimits>,
    ) -> Result<(), StoreError> {
        let operation = Operation::PutLimits(namespace.to_owned(), limits.cloned());
        self.inner.queue.call(operation).await.map(|_| ())
    }
}
