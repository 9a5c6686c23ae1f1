//! `oxwhisk admin`, on a running server and on the data directory of one that does not run.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests may panic"
)]

mod commands;
mod effects;
mod socket;
mod support;
