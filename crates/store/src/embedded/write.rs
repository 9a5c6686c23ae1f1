//! The changes as SQL. Each either returns an outcome, or a failure after which the transaction is void.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, params};

use oxwhisk_entity::ActivationId;

use crate::{Attachment, DocumentId, NewDocument, Revision, StoreError, Subject};

use super::artifacts::collection_code;
use super::pending::start;
use super::request::{Done, Operation, RecordRow};
use super::schema::ROW_OVERHEAD;

type Outcome = rusqlite::Result<Result<Done, StoreError>>;

/// What is kept up to date beside the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Totals {
    /// Texts of all records and an estimate for the rows around them.
    pub(super) record_bytes: i64,
    /// Entries of the journal. While there are none, the end of an activation needs no look for its own.
    pub(super) journal_entries: usize,
}

impl Totals {
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let totals = "SELECT record_bytes, (SELECT count(*) FROM journal) FROM totals";
        connection.query_row(totals, [], |row| {
            let journal_entries: i64 = row.get(1)?;
            Ok(Self {
                record_bytes: row.get(0)?,
                journal_entries: usize::try_from(journal_entries).unwrap_or(0),
            })
        })
    }

    /// Writes down what is stored of the totals, if it differs from `stored`.
    pub(super) fn write(self, stored: Self, connection: &Connection) -> rusqlite::Result<()> {
        if self.record_bytes == stored.record_bytes {
            return Ok(());
        }
        connection
            .prepare_cached("UPDATE totals SET record_bytes = ?1")?
            .execute([self.record_bytes])?;
        Ok(())
    }
}

/// Does one change.
pub(super) fn apply(db: &Connection, totals: &mut Totals, operation: &Operation) -> Outcome {
    match operation {
        Operation::Record(row) => record(db, totals, row),
        Operation::Append {
            id,
            started,
            message,
        } => append(db, totals, *id, *started, message),
        Operation::MarkStarted(id) => mark_started(db, *id),
        Operation::Remove(id) => remove(db, totals, *id).map(|()| Ok(Done::Written)),
        Operation::PutDocument(document) => put_document(db, document),
        Operation::DeleteDocument(id, revision) => delete_document(db, id, revision),
        Operation::PutSubject(subject) => put_subject(db, subject),
        Operation::DeleteSubject(name) => delete_subject(db, name),
        Operation::PutLimits(namespace, limits) => {
            let body = limits.as_ref().map(serde_json::to_string);
            put_limits(db, namespace, body.and_then(Result::ok).as_deref())
        }
    }
}

/// Returns an identifier as the key that sorts like it.
pub(super) fn key(id: ActivationId) -> [u8; 16] {
    id.as_u128().to_be_bytes()
}

fn length(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX)
}

/// Stores a record, in place of an earlier one of the same identifier, and ends its journal entry.
fn record(db: &Connection, totals: &mut Totals, row: &RecordRow) -> Outcome {
    let record = &row.record;
    let key = key(record.activation_id);
    let columns = params![
        key,
        record.namespace.as_str(),
        start(record),
        row.filter_key,
        row.body
    ];
    let inserted = db
        .prepare_cached("INSERT OR IGNORE INTO activations (id, namespace, start, name, body) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(columns)?;
    if inserted == 1 {
        totals.record_bytes += ROW_OVERHEAD + length(&row.body);
    } else {
        let earlier: i64 = db
            .prepare_cached("SELECT octet_length(body) FROM activations WHERE id = ?1")?
            .query_row([key], |row| row.get(0))?;
        totals.record_bytes += length(&row.body) - earlier;
        db.prepare_cached(
            "UPDATE activations SET namespace = ?2, start = ?3, name = ?4, body = ?5 WHERE id = ?1",
        )?
        .execute(columns)?;
    }
    remove(db, totals, record.activation_id)?;
    Ok(Ok(Done::Written))
}

/// Adds a journal entry, unless the activation's record is there: it has ended then. An entry that is there stays.
fn append(
    db: &Connection,
    totals: &mut Totals,
    id: ActivationId,
    started: bool,
    message: &[u8],
) -> Outcome {
    totals.journal_entries += db
        .prepare_cached(
            "INSERT OR IGNORE INTO journal (id, started, message)
         SELECT ?1, ?2, ?3 WHERE NOT EXISTS (SELECT 1 FROM activations WHERE id = ?1)",
        )?
        .execute(params![key(id), started, message])?;
    Ok(Ok(Done::Written))
}

fn mark_started(db: &Connection, id: ActivationId) -> Outcome {
    db.prepare_cached("UPDATE journal SET started = 1 WHERE id = ?1")?
        .execute([key(id)])?;
    Ok(Ok(Done::Written))
}

fn remove(db: &Connection, totals: &mut Totals, id: ActivationId) -> rusqlite::Result<()> {
    if totals.journal_entries > 0 {
        let removed = db
            .prepare_cached("DELETE FROM journal WHERE id = ?1")?
            .execute([key(id)])?;
        totals.journal_entries = totals.journal_entries.saturating_sub(removed);
    }
    Ok(())
}

fn revision_of(db: &Connection, id: &DocumentId) -> rusqlite::Result<Option<Revision>> {
    db.prepare_cached("SELECT revision FROM documents WHERE id = ?1")?
        .query_row([id.as_str()], |row| row.get::<_, i64>(0))
        .optional()
        .map(|revision| revision.map(|number| Revision(number.to_string())))
}

fn put_document(db: &Connection, document: &NewDocument) -> Outcome {
    let id = &document.id;
    let present = revision_of(db, id)?;
    if present != document.replaces {
        return Ok(Err(StoreError::Conflict { id: id.clone() }));
    }
    if present.is_some() && !document.keep_attachments {
        drop_attachments(db, id)?;
    }
    // Replacing gives the row a new `revision`, which no row ever had.
    db.prepare_cached(
        "INSERT OR REPLACE INTO documents (id, collection, namespace, path, updated, public, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        id.as_str(),
        collection_code(document.collection),
        document.path.root(),
        document.path.as_str(),
        i64::try_from(document.updated).unwrap_or(i64::MAX),
        document.public,
        document.body.text(),
    ])?;
    let revision = Revision(db.last_insert_rowid().to_string());
    if let Some(attachment) = &document.attachment {
        put_attachment(db, id, attachment)?;
    }
    Ok(Ok(Done::Revision(revision)))
}

fn put_attachment(
    db: &Connection,
    id: &DocumentId,
    attachment: &Attachment,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO attachments (document, name, content_type, content) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![
        id.as_str(),
        attachment.name,
        attachment.content_type,
        &attachment.content[..],
    ])?;
    Ok(())
}

fn drop_attachments(db: &Connection, id: &DocumentId) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM attachments WHERE document = ?1")?
        .execute([id.as_str()])?;
    Ok(())
}

fn delete_document(db: &Connection, id: &DocumentId, revision: &Revision) -> Outcome {
    match revision_of(db, id)? {
        None => Ok(Err(StoreError::Missing { id: id.clone() })),
        Some(present) if present != *revision => Ok(Err(StoreError::Conflict { id: id.clone() })),
        Some(_) => {
            drop_attachments(db, id)?;
            db.prepare_cached("DELETE FROM documents WHERE id = ?1")?
                .execute([id.as_str()])?;
            Ok(Ok(Done::Written))
        }
    }
}

pub(super) fn put_subject(db: &Connection, subject: &Subject) -> Outcome {
    let name = subject.subject.as_str();
    let mut uuids = HashSet::new();
    for namespace in &subject.namespaces {
        if !uuids.insert(namespace.uuid.as_str()) {
            return Ok(Err(StoreError::Conflict { id: name.into() }));
        }
        let taken = db
            .prepare_cached("SELECT 1 FROM subject_namespaces WHERE uuid = ?1 AND subject <> ?2")?
            .exists([namespace.uuid.as_str(), name])?;
        if taken {
            return Ok(Err(StoreError::Conflict { id: name.into() }));
        }
    }
    delete_subject_rows(db, name)?;
    db.prepare_cached("INSERT INTO subjects (name, blocked) VALUES (?1, ?2)")?
        .execute(params![name, subject.blocked])?;
    for (position, namespace) in (0_i64..).zip(&subject.namespaces) {
        db.prepare_cached(
            "INSERT INTO subject_namespaces (uuid, subject, position, namespace, key)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            namespace.uuid,
            name,
            position,
            namespace.name,
            namespace.key
        ])?;
    }
    Ok(Ok(Done::Written))
}

fn delete_subject(db: &Connection, name: &str) -> Outcome {
    delete_subject_rows(db, name).map(|deleted| Ok(Done::Deleted(deleted)))
}

fn delete_subject_rows(db: &Connection, name: &str) -> rusqlite::Result<bool> {
    db.prepare_cached("DELETE FROM subject_namespaces WHERE subject = ?1")?
        .execute([name])?;
    let deleted = db
        .prepare_cached("DELETE FROM subjects WHERE name = ?1")?
        .execute([name])?;
    Ok(deleted > 0)
}

fn put_limits(db: &Connection, namespace: &str, body: Option<&str>) -> Outcome {
    match body {
        Some(body) => db
            .prepare_cached("INSERT OR REPLACE INTO limits (namespace, body) VALUES (?1, ?2)")?
            .execute([namespace, body])?,
        None => db
            .prepare_cached("DELETE FROM limits WHERE namespace = ?1")?
            .execute([namespace])?,
    };
    Ok(Ok(Done::Written))
}
