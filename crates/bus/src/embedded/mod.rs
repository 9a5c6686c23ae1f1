//! A bus within one process.
//!
//! ```text
//! send_activation   durable: journal entry, synced → queue of the invoker       volatile: queue of the invoker
//! start             durable: entry marked as started, synced                    volatile: remembered only
//! persist           nothing                                                     entry, marked as started if it was
//! record stored     the store removes the entry in the record's transaction
//! ```
//!
//! The [`Journal`] is handed in, so that the bus and the store know nothing of each other. It must drop
//! the entry of an activation whose record is stored, and take none for one whose record is there.
//!
//! Queues are bounded by messages and by bytes. A full activation queue refuses with `Full`; a full
//! queue of acknowledgements makes the invoker wait.

mod bus;
mod config;
mod delivery;
mod feed;
mod journal;
mod topic;

pub use bus::EmbeddedBus;
pub use config::EmbeddedConfig;
#[cfg(feature = "test-util")]
pub use journal::MemoryJournal;
pub use journal::{Journal, JournalError, UnfinishedMessage};
