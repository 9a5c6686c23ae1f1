//! The sandbox against the real kernel, with real interpreters. Runs as root and as an ordinary
//! user; as root the whole suite is also run as a user without rights (`ordinary_user`).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests may panic, print and read their environment"
)]

mod hostile;
mod life;
mod measure;
mod ordinary_user;
mod suite;
mod support;
