//! Opening the database, and what can be wrong with it.

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::Subject;

use super::create::{create_if_missing, make_tables};
use super::lock::{DirectoryLock, Holder};
use super::schema;
use super::writer::is_full;

/// Why a database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the store `{}` is in use{holder}", path.display())]
    InUse {
        /// The database.
        path: PathBuf,
        /// Who has it open, if that is known.
        holder: Holder,
    },
    /// The file is something else.
    #[error("`{}` is not a store of this program", path.display())]
    NotAStore {
        /// The file.
        path: PathBuf,
    },
    /// It was written by a newer version of this program.
    #[error(
        "the store `{}` has format {found}, and this program knows formats up to {known}",
        path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: i32,
        /// The newest format that is known here.
        known: i32,
    },
    /// It is damaged.
    #[error("the store `{}` is damaged", path.display())]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It, or its directory, cannot be written.
    #[error("cannot write `{}`", path.display())]
    Unwritable {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No space is left to open it.
    #[error("no space is left for the store `{}`", path.display())]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// Something else failed.
    #[error("cannot open the store `{}`", path.display())]
    Failed {
        /// The database.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl OpenError {
    pub(super) fn unwritable(path: &Path, source: std::io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Unwritable {
                path,
                source: Box::new(source),
            },
        }
    }

    pub(super) fn of(path: &Path, error: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::NotAStore { path },
            Some(ErrorCode::DatabaseCorrupt) => Self::Corrupt {
                path,
                source: Box::new(error),
            },
            _ if is_full(&error) => Self::Full { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse {
                path,
                holder: Holder(None),
            },
            Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                Self::Unwritable {
                    path,
                    source: Box::new(error),
                }
            }
            _ => Self::Failed {
                path,
                source: Box::new(error),
            },
        }
    }
}

/// Where the database is.
#[derive(Debug, Clone)]
pub(super) enum Location {
    /// In a file.
    File(PathBuf),
    /// In this process's memory, under a name that all its connections share.
    Memory(String),
}

impl Location {
    pub(super) fn path(&self) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Memory(_) => PathBuf::from(":memory:"),
        }
    }

    /// Opens a connection, without looking at what is in there.
    fn connect(&self, access: OpenFlags) -> rusqlite::Result<Connection> {
        let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        match self {
            Self::File(path) => {
                Connection::open_with_flags(path, flags & !OpenFlags::SQLITE_OPEN_URI)
            }
            Self::Memory(name) => {
                Connection::open_with_flags(format!("file:/{name}?vfs=memdb"), flags)
            }
        }
    }

    /// Opens a connection that only reads. Its page cache is small: the system's cache is behind it.
    pub(super) fn connect_reader(&self) -> rusqlite::Result<Connection> {
        // A reader of a WAL database writes its own lock into the shared index, hence not "read only".
        let connection = self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.set_prepared_statement_cache_capacity(32);
        connection.execute_batch("PRAGMA query_only=1; PRAGMA cache_size=-256;")?;
        Ok(connection)
    }
}

/// The writing connection of an opened database.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) connection: Connection,
    /// Held as long as the writer lives; a database in memory needs none.
    pub(super) lock: Option<DirectoryLock>,
}

/// Opens a database; makes it with its first subjects, and its directory, if they are not there.
pub(super) fn open(location: &Location, subjects: &[Subject]) -> Result<Opened, OpenError> {
    let lock = match location {
        Location::File(path) => {
            make_directory(path)?;
            let lock = DirectoryLock::take(path)?;
            create_if_missing(path, subjects)?;
            Some(lock)
        }
        Location::Memory(_) => None,
    };
    let path = location.path();
    let connection = location
        .connect(OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)
        .and_then(|connection| {
            connection.set_prepared_statement_cache_capacity(48);
            // Somebody's `sqlite3` may hold a lock for a moment.
            connection.busy_timeout(Duration::from_secs(2))?;
            Ok(connection)
        })
        .map_err(|error| OpenError::of(&path, error))?;
    prepare(&connection, location, subjects)?;
    Ok(Opened { connection, lock })
}

/// Brings the database into the present form.
fn prepare(
    connection: &Connection,
    location: &Location,
    subjects: &[Subject],
) -> Result<(), OpenError> {
    let path = &*location.path();
    let number = |pragma: &str| {
        connection
            .pragma_query_value(None, pragma, |row| row.get::<_, i32>(0))
            .map_err(|error| OpenError::of(path, error))
    };
    let (application, version, tables) = (
        number("application_id")?,
        number("user_version")?,
        number("schema_version")?,
    );
    if tables != 0 && application != schema::APPLICATION_ID {
        return Err(OpenError::NotAStore {
            path: path.to_owned(),
        });
    }
    if version > schema::VERSION {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found: version,
            known: schema::VERSION,
        });
    }
    settings(connection, location)
        .and_then(|()| match tables {
            0 => make_tables(connection, subjects),
            _ => Ok(()),
        })
        .map_err(|error| OpenError::of(path, error))
}

fn settings(connection: &Connection, location: &Location) -> rusqlite::Result<()> {
    if matches!(location, Location::File(_)) {
        let mode: String = connection.query_row("PRAGMA journal_mode=WAL", [], |row| row.get(0))?;
        debug_assert_eq!(mode, "wal");
    }
    // The write-ahead log is cut back after a burst made it large.
    connection.execute_batch(
        "PRAGMA synchronous=FULL; PRAGMA cache_size=-2048; PRAGMA journal_size_limit=16777216;
         PRAGMA temp_store=MEMORY;",
    )
}

fn make_directory(database: &Path) -> Result<(), OpenError> {
    let Some(directory) = database.parent().filter(|d| !d.as_os_str().is_empty()) else {
        return Ok(());
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|source| OpenError::unwritable(directory, source))
}
