//! What the tests of other crates share. Only ever a dev-dependency; nothing here is linked into a
//! released binary.
//!
//! - [`scenario`] replays recorded exchanges (`scenarios/*.json`) against any OpenWhisk host; the
//!   program `scenarios` is its command line.
//! - [`TestServer`] runs a standalone server as a process, kills it and starts it again.
//! - [`RestClient`] talks JSON to a server, [`User`] works with actions and expects success,
//!   [`eventually`] waits for a condition.
//! - [`internet`] is a network for programs that reach out.
//! - [`processes`] tells what is left of containers.
//! - [`wire`] is the HTTP client below all of them. It adds nothing to a request and checks nothing
//!   in it, so that tests can send what no well-behaved client would.
//!
//! The crate knows the public REST API only: no types of the server, so that a mistake in them
//! cannot hide itself.

#![forbid(unsafe_code)]

mod eventually;
pub mod internet;
pub mod json;
pub mod processes;
mod rest;
pub mod scenario;
mod server;
mod user;
pub mod wire;

pub use eventually::{DeadlinePassed, eventually, eventually_blocking};
pub use rest::{RestAnswer, RestClient, RestError};
pub use server::{Readiness, ServerError, ServerOptions, TestServer};
pub use user::User;
