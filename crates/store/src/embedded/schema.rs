//! The tables.

/// Written into the file's header, so that another program's database is not taken for ours: `Oxwh`.
pub(super) const APPLICATION_ID: i32 = 0x4f78_7768;

/// Version of the tables, in the file's header. A greater one is refused.
pub(super) const VERSION: i32 = 1;

/// What one row of a record takes beside its text, bytes: key, columns and the list's index entry.
pub(super) const ROW_OVERHEAD: i64 = 120;

/// Tables of version 1.
///
/// - `documents.revision` is the rowid and is never used twice, so it serves as the revision: a document
///   that was deleted and made again never has a revision that it had before.
/// - Both indexes of documents end in the revision (the row's identifier), so that of two written in one
///   millisecond the later comes first; the index of records ends in their identifiers, which are ordered by time.
/// - Records are clustered by their identifiers, which are ordered by time: rows are appended.
/// - `activations.name` is the key that the list filter `name` compares with.
/// - `journal.position` is greater than that of every entry that is there, which is order enough.
/// - `totals` has one row, changed in the transactions that change `activations`.
pub(super) const TABLES: &str = "
CREATE TABLE documents (
    revision INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    collection INTEGER NOT NULL,
    namespace TEXT NOT NULL,
    path TEXT NOT NULL,
    updated INTEGER NOT NULL,
    public INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX documents_by_namespace ON documents (collection, namespace, updated);
CREATE INDEX documents_by_path ON documents (collection, path, updated);
CREATE TABLE attachments (
    document TEXT NOT NULL,
    name TEXT NOT NULL,
    content_type TEXT NOT NULL,
    content BLOB NOT NULL,
    UNIQUE (document, name)
) STRICT;
CREATE TABLE activations (
    id BLOB PRIMARY KEY,
    namespace TEXT NOT NULL,
    start INTEGER NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX activations_by_start ON activations (namespace, start, id, name);
CREATE TABLE totals (
    record_bytes INTEGER NOT NULL
) STRICT;
INSERT INTO totals VALUES (0);
CREATE TABLE subjects (
    name TEXT PRIMARY KEY,
    blocked INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE subject_namespaces (
    uuid TEXT PRIMARY KEY,
    subject TEXT NOT NULL,
    position INTEGER NOT NULL,
    namespace TEXT NOT NULL,
    key TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX subject_namespaces_by_subject ON subject_namespaces (subject, position);
CREATE INDEX subject_namespaces_by_namespace ON subject_namespaces (namespace, subject);
CREATE TABLE limits (
    namespace TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE journal (
    position INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    started INTEGER NOT NULL,
    message BLOB NOT NULL
) STRICT;
";
