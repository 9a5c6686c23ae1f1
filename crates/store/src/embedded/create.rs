//! Making a new database.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::Subject;

use super::OpenError;
use super::schema;
use super::write::put_subject;

/// Makes a database, if the file is missing or empty.
///
/// It is built beside its place without a sync, synced once and then renamed: in its place it is always
/// complete. That costs one sync where SQLite would need seven, which is most of what a first start takes.
/// The rename itself is synced with the directory when SQLite makes the write-ahead log, before the first
/// write is acknowledged.
pub(super) fn create_if_missing(path: &Path, subjects: &[Subject]) -> Result<(), OpenError> {
    let unwritable = |source: io::Error| OpenError::unwritable(path, source);
    match std::fs::metadata(path) {
        Ok(found) if found.len() > 0 => return Ok(()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(unwritable(error)),
    }
    // What belonged to a database that is gone must not be applied to the new one.
    remove_all(path).map_err(unwritable)?;
    let draft = with_suffix(path, "-new");
    remove_all(&draft).map_err(unwritable)?;
    let file = private_file(&draft).map_err(unwritable)?;
    build(&draft, subjects).map_err(|error| OpenError::of(path, error))?;
    file.sync_all()
        .and_then(|()| std::fs::rename(&draft, path))
        .map_err(unwritable)
}

/// Makes a file for its owner only, since keys are in it. SQLite copies the mode to its other files.
fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

fn build(path: &Path, subjects: &[Subject]) -> rusqlite::Result<()> {
    let access = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, access)?;
    connection.execute_batch("PRAGMA synchronous=OFF; PRAGMA journal_mode=WAL;")?;
    make_tables(&connection, subjects)?;
    // Closing the last connection moves everything into the file itself.
    connection.close().map_err(|(_, error)| error)
}

/// Makes the tables in an empty database, and its first subjects, in one transaction.
pub(super) fn make_tables(connection: &Connection, subjects: &[Subject]) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(&format!(
        "{} PRAGMA application_id={}; PRAGMA user_version={};",
        schema::TABLES,
        schema::APPLICATION_ID,
        schema::VERSION
    ))?;
    for subject in subjects {
        // Refused is only a uuid that an earlier one of them has.
        let _taken = put_subject(&transaction, subject)?;
    }
    transaction.commit()
}

/// Removes a database with its other files, as far as they are there.
fn remove_all(path: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        match std::fs::remove_file(with_suffix(path, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
