//! The sandbox against the real kernel, with real interpreters. Runs as root and as an ordinary
//! user; as root the whole suite is also run as a user without rights (`ordinary_user`).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests may panic and print"
)]

mod hostile;
mod life;
mod measure;
mod ordinary_user;
mod suite;
mod support;
