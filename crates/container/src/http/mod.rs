//! The transport to runtimes that serve `POST /init` and `POST /run` over HTTP, as stock images do.
//!
//! Backends that start such runtimes (Docker, Kubernetes) keep an [`HttpRuntime`] for each container
//! and add what only they can do: logs, pausing, destroying.

mod exchange;
mod runtime;

pub use runtime::HttpRuntime;
