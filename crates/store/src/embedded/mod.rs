//! One SQLite file for entities, records, subjects and the journal of the embedded bus.
//!
//! ```text
//! put, store, append …  →  queue (bounded)  →  writer thread: one transaction for all that waits  →  fsync  →  answers
//! get, identity …       →  a reader connection, on the caller's thread (one row by its key, tens of microseconds)
//! list, count, attachment  →  a reader connection, on a blocking thread
//! ```
//!
//! Group commit is natural: what arrives while one transaction is being synced is the next one. A record
//! can be read from the moment it is handed over, since reads look at the records under way too.
//! Nothing that was acknowledged is lost in a crash: the journal mode is WAL with `synchronous=FULL`.
//!
//! When the disk is full the transaction is taken apart until only those writes fail that find no space.

mod activations;
mod artifacts;
mod config;
mod create;
mod journal;
mod lock;
mod open;
mod pending;
mod queue;
mod readers;
mod request;
mod retention;
mod schema;
mod store;
mod subjects;
mod write;
mod writer;

pub use config::EmbeddedConfig;
pub use journal::{Journal, UnfinishedMessage};
pub use open::OpenError;
pub use store::EmbeddedStore;
