//! A typed client of the OpenWhisk REST API, for any OpenWhisk server that speaks plain HTTP: it has no TLS yet.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use oxwhisk_client::{Client, Invoked};
//!
//! let client = Client::new("http://localhost:3233".parse()?, "uuid:secret")?;
//! let arguments = serde_json::json!({"name": "World"});
//! match client.actions().invoke_blocking(&"hello".parse()?, &arguments, None).await? {
//!     Invoked::Ended(record) => println!("{:?}", record.response),
//!     Invoked::Pending(id) => println!("still running: {id}"),
//!     Invoked::Bare { result, .. } => println!("{}", result.text()),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! - [`Client`] knows where the API is and with which key; [`Client::actions`] and its sisters are the collections.
//! - [`EntityRef`] names an entity as the public clients do: `hello`, `pkg/hello`, `/ns/pkg/hello`.
//! - [`ClientError`] tells a refusal of the server from a connection that failed.
//! - [`Transport`] is what sends requests. It has no notion of OpenWhisk.
//!
//! It keeps nothing but open connections, and reads no files or variables. It never sends a request twice: only one that
//! could not go out, since the server had closed a kept connection, takes another.
//!
//! A server whose operator wants no entities in the answers to writes (OpenWhisk's `require-response-payload`) does what it
//! is told, but [`ClientError::Unreadable`] is what comes of creating, changing or deleting its actions and packages.

#![forbid(unsafe_code)]

mod actions;
mod activations;
mod answer;
mod client;
mod error;
mod host;
mod info;
mod packages;
mod reference;
mod route;
mod rules;
mod transport;
mod triggers;

pub use actions::{ActionPut, ActionSummary, Actions, Binary, Invoked};
pub use activations::{ActivationFilter, ActivationSummary, Activations};
pub use client::Client;
pub use error::ClientError;
pub use host::{ApiHost, HostError};
pub use info::BuildInfo;
pub use packages::{PackageContent, PackagePut, PackageSummary, PackageView, Packages};
pub use reference::{EntityRef, EntityRefError};
pub use route::Page;
pub use rules::{Rule, RulePut, Rules};
pub use transport::{Transport, TransportConfig};
pub use triggers::{TriggerPut, TriggerSummary, Triggers};
