//! The sandbox against the real kernel, with real interpreters. Runs as root and as an ordinary
//! user; as root the whole suite is also run as a user without rights (`ordinary_user`).

mod hostile;
mod life;
mod ordinary_user;
mod support;
