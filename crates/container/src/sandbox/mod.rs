//! Containers as Linux namespaces, without a daemon.
//!
//! The server starts a [`SandboxFactory`]; it starts the helper ([`helper_main`]), a small process
//! that makes all containers and dies with the server. A container is a process tree in user, mount,
//! pid, ipc, uts, network and control group namespaces of its own, with a read-only root made of
//! bind mounts, a bounded `/tmp`, control groups, no capabilities, a system call filter and Landlock
//! rules. The server talks to its launcher over an inherited socket (the framed protocol).
//!
//! Nothing of the host is configured: no bridge, no firewall rule, no file outside the control group
//! file systems. Whatever way the server ends, nothing of its containers is left.

mod cgroup;
mod config;
mod connection;
mod container;
mod egress;
mod factory;
mod helper;
mod probe;
mod running;
mod wire;

pub use config::{
    ApiListeners, ControlGroups, EgressPolicy, HelperProgram, NetworkMode, SandboxConfig,
};
pub use connection::HELPER_NAME;
pub use egress::EgressRules;
pub use factory::{SandboxFactory, StartError};
pub use helper::helper_main;
pub use probe::{Finding, Level, probe};
