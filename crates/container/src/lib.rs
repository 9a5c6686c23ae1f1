//! Containers: isolated runtimes that are initialised once with an action's code and then run
//! activations.
//!
//! The traits here are the seam; the backends are modules ([`sandbox`] …), named only by `server`.
//! A backend never retries, queues or decides when to stop a container: the invoker does.

mod framed;
mod log_buffer;
mod logs;
mod runtime;
mod seam;
mod watched;

#[cfg(feature = "test-util")]
pub mod conformance;
pub mod discovery;
#[cfg(feature = "test-util")]
pub mod fake;
#[cfg(feature = "http")]
pub mod http;
#[cfg(all(feature = "http", feature = "test-util"))]
pub mod process;
pub mod sandbox;

pub use logs::{LogLine, LogOutcome, Logs, Stream};
pub use runtime::Runtime;
pub use seam::{
    Container, ContainerError, ContainerFactory, ContainerId, ContainerSpec, CreateError, Response,
    ResponseLimit, Traffic,
};
