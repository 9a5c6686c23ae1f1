//! rest-api §15: the settings by which an operator changes what goes over the wire, each in both positions.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may panic"
)]

mod payloads;
mod records;
mod shared_packages;
mod steps;
mod support;
mod waits;
