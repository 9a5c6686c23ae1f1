//! The controller: the REST API, entitlement, throttles and the choice of an invoker.
//!
//! It never runs an action and knows no backend: it talks to the stores and the bus through their
//! traits, and to invokers through the bus only. [`Controller::serve`] answers HTTP on a listener,
//! [`Controller::run`] receives the acknowledgements.
#![forbid(unsafe_code)]

mod api;
mod api_docs;
mod auth;
mod balancer;
mod body;
mod compose;
mod config;
mod controller;
mod entities;
mod entitlement;
mod http;
mod invocation;
mod large;
mod locks;
mod messages;
mod patient;
mod request_count;
mod router;
mod serve;
mod throttle;
mod web;

pub use config::{BuildInfo, Clock, ControllerConfig, DEFAULT_BLOCKING_WAIT, FeatureFlags, Limits};
pub use controller::{Controller, Stores};
pub use http::{ApiHosts, HostName, HostNameError};
pub use invocation::{Invocation, InvocationError, Outcome};
pub use request_count::RequestCount;
pub use serve::Origin;
