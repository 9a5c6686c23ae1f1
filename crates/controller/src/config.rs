//! What a controller is told at start.

use std::fmt;
use std::time::Duration;

use oxwhisk_bus::{ControllerId, InvokerId};
use oxwhisk_entity::{ByteSize, ExecManifest, LimitBounds, RecordKeeping};

use crate::http::ApiHosts;

/// Tells the time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Returns the milliseconds since the epoch.
    fn epoch_ms(&self) -> u64;
}

/// Limits of a deployment. A namespace may have its own.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Invocations a minute and namespace. Default 60; 0 refuses all.
    pub invocations_per_minute: u32,
    /// Trigger fires a minute and namespace. Default 60; 0 refuses all.
    pub fires_per_minute: u32,
    /// Activations in flight in a namespace. Default 30; 0 refuses all.
    pub concurrent_invocations: u32,
    /// Actions in a sequence. Default 50.
    pub sequence_length: u32,
    /// What actions may ask for.
    pub action: LimitBounds,
    /// Size of an action's code. Default 48 MB.
    pub exec: ByteSize,
    /// Size of parameters and of annotations. Default 1 MB.
    pub parameters: ByteSize,
    /// Size of arguments. Default 1 MB.
    pub payload: ByteSize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            invocations_per_minute: 60,
            fires_per_minute: 60,
            concurrent_invocations: 30,
            sequence_length: 50,
            action: LimitBounds::default(),
            exec: ByteSize::mib(48),
            parameters: ByteSize::mib(1),
            payload: ByteSize::mib(1),
        }
    }
}

/// What goes over the wire in a deployment. Source: rest-api §15.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeatureFlags {
    /// Whether PUT and DELETE of actions and packages answer the entity. Default true; false answers `200` with the text
    /// `OK`, and `204`.
    pub require_response_payload: bool,
    /// Whether new actions that say nothing about `provide-api-key` get it as `false`. Default true; false gives them
    /// the caller's key.
    pub require_api_key_annotation: bool,
    /// Whether a shared package, and the actions in it, can only be used by other namespaces, not read. Default false.
    pub shared_packages_execute_only: bool,
}

impl Default for FeatureFlags {
    fn default() -> Self {
        Self {
            require_response_payload: true,
            require_api_key_annotation: true,
            shared_packages_execute_only: false,
        }
    }
}

/// Longest wait of a blocking invocation unless something else is set.
pub const DEFAULT_BLOCKING_WAIT: Duration = Duration::from_secs(60);

/// Which build this is; shown by `GET /api/v1`.
#[derive(Debug, Clone)]
pub struct BuildInfo {
    /// When it was built.
    pub date: String,
    /// Its number or revision.
    pub number: String,
}

/// What a controller is told at start.
#[derive(Debug, Clone)]
pub struct ControllerConfig {
    /// Which controller this is.
    pub id: ControllerId,
    /// The invoker that gets the activations.
    pub invoker: InvokerId,
    /// Limits of the deployment.
    pub limits: Limits,
    /// What goes over the wire.
    pub features: FeatureFlags,
    /// Which records are stored, and whether a result waits for its record.
    pub records: RecordKeeping,
    /// Longest wait of a blocking invocation and of a web action, after which the identifier is answered; whole
    /// milliseconds. Zero answers it at once.
    pub max_blocking_wait: Duration,
    /// The kinds that there are.
    pub manifest: ExecManifest,
    /// Which build this is.
    pub build: BuildInfo,
    /// Names of the server below which each namespace has a host of its own.
    pub api_hosts: ApiHosts,
}
