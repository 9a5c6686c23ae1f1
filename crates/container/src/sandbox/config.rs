//! Settings of the sandbox.

use std::fmt;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use oxwhisk_entity::ByteSize;

use super::egress::EgressRules;
use crate::ContainerId;

/// Receives the sockets on which containers ask for the API.
///
/// Each is a non-blocking listener within the network namespace of one container, so whoever
/// connects to it is that container.
pub trait ApiListeners: Send + Sync + fmt::Debug {
    /// A container was made; requests on this listener come from it. Called before its runtime is ready.
    fn opened(&self, container: &ContainerId, listener: TcpListener);

    /// The container has ended: drop its listener, which keeps the network namespace alive.
    fn closed(&self, container: &ContainerId);
}

/// Which network containers have.
#[derive(Debug, Clone)]
pub enum NetworkMode {
    /// Loopback only; the one thing to reach is the API, on this port of `127.0.0.1`.
    Api {
        /// The port inside each container's network namespace.
        port: u16,
        /// Who answers.
        listeners: Arc<dyn ApiListeners>,
    },
    /// As `Api`, and beyond it whatever the host reaches except what the policy refuses. Where that
    /// cannot be had, containers have what `Api` gives them; see [`super::SandboxFactory::egress_refusal`].
    Egress {
        /// The port inside each container's network namespace.
        port: u16,
        /// Who answers.
        listeners: Arc<dyn ApiListeners>,
        /// What containers may reach.
        policy: EgressPolicy,
    },
    /// The host's network. Containers reach whatever the host reaches, other programs' loopback ports included.
    Host,
}

impl NetworkMode {
    /// The port of the API in a network of its own, and who answers there.
    pub(super) fn api(&self) -> Option<(u16, &Arc<dyn ApiListeners>)> {
        match self {
            Self::Api { port, listeners }
            | Self::Egress {
                port, listeners, ..
            } => Some((*port, listeners)),
            Self::Host => None,
        }
    }
}

/// What containers reach beyond the API, and how much of it at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressPolicy {
    /// Which addresses.
    pub rules: EgressRules,
    /// TCP connections of one container at once, not counting as many that it has just closed. Each may
    /// hold 1.25 MiB of memory outside of it: 256 KiB of ours, 1 MiB of the kernel's.
    pub connections: usize,
}

impl Default for EgressPolicy {
    /// The rules' defaults, and 128 connections.
    fn default() -> Self {
        Self {
            rules: EgressRules::default(),
            connections: 128,
        }
    }
}

/// The program that becomes the helper: it calls [`super::helper_main`] when its first argument (its
/// own name) is [`super::HELPER_NAME`].
#[derive(Debug, Clone)]
pub struct HelperProgram(pub PathBuf);

impl Default for HelperProgram {
    /// The running program itself.
    fn default() -> Self {
        Self(PathBuf::from("/proc/self/exe"))
    }
}

/// Which control groups to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlGroups {
    /// Each controller where it is found.
    Any,
    /// Only those of version 2.
    OnlyVersion2,
    /// None: a watchdog bounds memory, and signals pause.
    Off,
}

/// Settings of a [`super::SandboxFactory`].
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// What to start as the helper.
    pub helper: HelperProgram,
    /// Which network containers have.
    pub network: NetworkMode,
    /// Network namespaces kept ready; at least 1.
    pub network_pool: usize,
    /// Processes and threads in one container.
    pub pids: u32,
    /// Open files of one process.
    pub open_files: u64,
    /// Upper bound of `/tmp`; half of the container's memory if that is less. It counts as memory.
    pub tmp: ByteSize,
    /// Text of one container's log that is kept until it is taken; more is dropped.
    pub log_buffer: ByteSize,
    /// How long a runtime may take until it is ready.
    pub start_timeout: Duration,
    /// Which control groups to use; without them limits are weaker.
    pub control_groups: ControlGroups,
}

impl SandboxConfig {
    /// Settings with defaults: 1024 processes, 1024 open files, 512 MiB of `/tmp`, 10 MiB of log, 30 s to start.
    #[must_use]
    pub fn new(network: NetworkMode) -> Self {
        Self {
            helper: HelperProgram::default(),
            network,
            network_pool: 8,
            pids: 1024,
            open_files: 1024,
            tmp: ByteSize::mib(512),
            log_buffer: ByteSize::mib(10),
            start_timeout: Duration::from_secs(30),
            control_groups: ControlGroups::Any,
        }
    }
}
