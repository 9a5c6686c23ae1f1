//! What the tests of other crates share. Only ever a dev-dependency; nothing here is linked into a
//! released binary.
//!
//! - [`scenario`] replays recorded exchanges (`scenarios/*.json`) against any OpenWhisk host; the
//!   program `scenarios` is its command line.
//! - [`TestServer`] runs a standalone server as a process, kills it and starts it again.
//! - [`RestClient`] talks JSON to a server over the transport of the client crate, [`User`] works with
//!   actions and expects success, [`eventually()`] waits for a condition.
//! - [`internet`] is a network for programs that reach out.
//! - [`processes`] tells what is left of containers.
//! - [`wire`] is an HTTP client that adds nothing to a request and checks nothing in it, so that scenarios
//!   and tests can send what no well-behaved client would.
//!
//! The crate knows the public REST API only: of the client crate it uses what sends bytes, and no type of
//! entities, so that a mistake in them cannot hide itself.

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
