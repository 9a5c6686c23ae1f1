//! The invoker: takes activations off the message bus, runs each in a container, and records it.
//!
//! [`Invoker::new`] makes the service from an [`InvokerConfig`] and its [`InvokerDeps`]; [`Invoker::run`]
//! works until it is told to stop; the [`InvokerHandle`] shows what it is doing. Decisions are made by two
//! pure parts: [`machine`], the life of one container, and [`pool`], which container takes which
//! activation. Around them, one task for the invoker owns the pool, one task for each container owns its
//! machine, and one task for each activation awaits the container's answers.
//!
//! It talks to the rest of the platform through the seams of `bus`, `store` and `container` only. It
//! never decides who may invoke what, merges no parameters and keeps no record longer than it takes to store it.
#![forbid(unsafe_code)]

mod activation;
mod backlog;
mod bounds;
mod caught;
mod clock;
mod config;
mod container_task;
mod context;
mod executable;
mod finish;
mod job;
mod log_lines;
pub mod machine;
mod messages;
mod outcome;
pub mod pool;
mod record;
mod request;
mod resolver;
mod service;
mod status;
mod stems;

pub use clock::{Clock, SystemClock};
pub use config::InvokerConfig;
pub use context::InvokerDeps;
pub use service::Invoker;
pub use status::{ContainerStatus, InvokerHandle, InvokerStatus};
