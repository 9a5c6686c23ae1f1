//! Tells which mechanisms isolate containers here, what is weaker than it could be, and how to mend it.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use oxwhisk_entity::ByteSize;

use super::cgroup::{CgroupLayout, Controller, Version};
use super::factory::{SandboxFactory, StartError};
use super::wire::{Abilities, EgressAbility};
use super::{NetworkMode, SandboxConfig};
use crate::discovery::shell;
use crate::{ContainerFactory, ContainerId, ContainerSpec, Runtime};

/// How well something works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As designed.
    Full,
    /// Something weaker stands in for it.
    Degraded,
    /// Not at all.
    Missing,
}

/// What was found out about one mechanism.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about, for example `memory limit`.
    pub subject: &'static str,
    /// How well it works.
    pub level: Level,
    /// What is in use, in one line.
    pub state: String,
    /// How to mend it, in one line; only if it is not full.
    pub remedy: Option<String>,
}

/// Starts a helper and a container with the settings, and reports how well each mechanism works.
///
/// Must be called within a runtime with I/O and time.
pub async fn probe(config: SandboxConfig) -> Vec<Finding> {
    match SandboxFactory::start(config).await {
        Ok(factory) => {
            let mut findings = factory.findings();
            findings.push(trial(&factory).await);
            factory.shutdown().await;
            findings
        }
        Err(error) => vec![refused(&error)],
    }
}

const DELEGATION: &str =
    "start the server with `systemd-run --user --scope -p Delegate=yes`, or as root";

fn finding(subject: &'static str, level: Level, state: impl Into<String>, remedy: &str) -> Finding {
    let remedy = (level != Level::Full).then(|| remedy.to_owned());
    Finding {
        subject,
        level,
        state: state.into(),
        remedy,
    }
}

/// What the helper's abilities and the control groups that were found amount to.
pub(super) fn assess(
    abilities: &Abilities,
    layout: &CgroupLayout,
    network: &NetworkMode,
) -> Vec<Finding> {
    let controllers = [
        Controller::Memory,
        Controller::Pids,
        Controller::Cpu,
        Controller::Freezer,
    ];
    let groups =
        controllers.map(|controller| group_finding(controller, layout.version_of(controller)));
    let filter = finding(
        "system calls",
        Level::Full,
        "allow-list applied by seccomp",
        "",
    );
    let own = [
        user_finding(abilities),
        proc_finding(abilities),
        landlock_finding(abilities),
        filter,
        network_finding(network, abilities.egress.as_ref()),
    ];
    own.into_iter().chain(groups).collect()
}

fn user_finding(abilities: &Abilities) -> Finding {
    let state = if abilities.privileged {
        "made by root; each container runs as a user of its own"
    } else {
        "made within an unprivileged user namespace; all containers share your user"
    };
    finding("namespaces", Level::Full, state, "")
}

fn proc_finding(abilities: &Abilities) -> Finding {
    let subject = "process view";
    if abilities.proc {
        return finding(
            subject,
            Level::Full,
            "each container has a `/proc` of its own",
            "",
        );
    }
    let remedy = "the `/proc` here is partly covered, as in a container: run that container with `--security-opt systempaths=unconfined`";
    finding(
        subject,
        Level::Degraded,
        "containers have no `/proc`, and memory cannot be watched",
        remedy,
    )
}

fn landlock_finding(abilities: &Abilities) -> Finding {
    let subject = "file rules";
    match abilities.landlock {
        0 => {
            let remedy = "use Linux 5.13 or later with `landlock` in `lsm=`";
            finding(subject, Level::Degraded, "mounts only; no Landlock", remedy)
        }
        version @ 1..6 => {
            let remedy = "use Linux 6.12 or later, whose Landlock also keeps signals and abstract sockets in";
            finding(
                subject,
                Level::Degraded,
                format!("mounts and Landlock, version {version}"),
                remedy,
            )
        }
        version => finding(
            subject,
            Level::Full,
            format!("mounts and Landlock, version {version}"),
            "",
        ),
    }
}

/// What was refused, and why.
pub(super) fn refusal(step: &str, errno: i32) -> String {
    format!(
        "could not {step}: {}",
        std::io::Error::from_raw_os_error(errno)
    )
}

fn network_finding(network: &NetworkMode, egress: Option<&EgressAbility>) -> Finding {
    match network {
        NetworkMode::Egress { .. } => match egress {
            Some(EgressAbility::Works) => finding(
                "network",
                Level::Full,
                "containers reach the API and the internet, not the host or its neighbours",
                "",
            ),
            Some(EgressAbility::Refused { step, errno }) => {
                let state = format!(
                    "containers reach nothing but the API; {}",
                    refusal(step, *errno)
                );
                let remedy = "provide `/dev/net/tun`, readable and writable for you: `modprobe tun`; for a container, `--device /dev/net/tun`";
                finding("network", Level::Degraded, state, remedy)
            }
            None => finding(
                "network",
                Level::Missing,
                "no network",
                "restart the server",
            ),
        },
        NetworkMode::Api { .. } => finding(
            "network",
            Level::Full,
            "containers reach nothing but the API",
            "",
        ),
        NetworkMode::Host => {
            let remedy = "use the network mode `egress`, which keeps the host itself out of reach";
            let state = "containers use the host's network, its loopback ports included";
            finding("network", Level::Degraded, state, remedy)
        }
    }
}

fn group_finding(controller: Controller, version: Option<Version>) -> Finding {
    let (subject, without) = match controller {
        Controller::Memory => (
            "memory limit",
            "a watchdog looks at memory 40 times a second",
        ),
        Controller::Pids => ("process limit", "limit of processes by user namespace"),
        Controller::Cpu => (
            "processor share",
            "containers share the processors without weights",
        ),
        Controller::Freezer => ("pausing", "processes are stopped by signals"),
    };
    match version {
        Some(Version::V1) => finding(subject, Level::Full, "control groups, version 1", ""),
        Some(Version::V2) => finding(subject, Level::Full, "control groups, version 2", ""),
        None => finding(subject, Level::Degraded, without, DELEGATION),
    }
}

fn refused(error: &StartError) -> Finding {
    let setting = |path: &str| {
        fs::read_to_string(path)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let remedy = if setting("/proc/sys/user/max_user_namespaces") == "0" {
        "allow user namespaces: `sysctl user.max_user_namespaces=15000`"
    } else if setting("/proc/sys/kernel/unprivileged_userns_clone") == "0" {
        "allow user namespaces: `sysctl kernel.unprivileged_userns_clone=1`"
    } else if setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1" {
        "allow user namespaces: `sysctl kernel.apparmor_restrict_unprivileged_userns=0`, or an AppArmor profile with `userns`"
    } else {
        "within a container, run that container with `--privileged`, or with `--security-opt seccomp=unconfined`"
    };
    let mut state = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        state = format!("{state}: {cause}");
        source = cause.source();
    }
    finding("namespaces", Level::Missing, state, remedy)
}

/// Makes a container that runs a shell.
async fn trial(factory: &SandboxFactory) -> Finding {
    let script = "echo '{\"ready\":true}' >&3; read line <&3";
    let runtime = Runtime {
        kind: "probe".to_owned(),
        command: vec!["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()],
        readable: shell(),
        environment: Vec::new(),
    };
    let spec = ContainerSpec {
        id: ContainerId::new("probe"),
        runtime: Arc::new(runtime),
        memory: ByteSize::mib(128),
        concurrency: 1,
        environment: BTreeMap::new(),
    };
    match factory.create(spec).await {
        Ok(container) => {
            container.destroy().await;
            finding("trial container", Level::Full, "started and removed", "")
        }
        Err(error) => {
            let source = std::error::Error::source(&error)
                .map(|source| format!(": {source}"))
                .unwrap_or_default();
            finding(
                "trial container",
                Level::Missing,
                format!("{error}{source}"),
                "see what the step needs on this system",
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_degraded_mechanism_has_a_remedy_of_one_line() {
        let findings = assess(
            &Abilities::default(),
            &CgroupLayout::default(),
            &NetworkMode::Host,
        );
        for finding in &findings {
            assert_eq!(
                finding.remedy.is_some(),
                finding.level != Level::Full,
                "{finding:?}"
            );
            assert!(
                !finding
                    .remedy
                    .iter()
                    .chain([&finding.state])
                    .any(|text| text.contains('\n') || text.is_empty())
            );
        }
        assert_eq!(
            findings
                .iter()
                .filter(|finding| finding.level == Level::Degraded)
                .count(),
            7
        );
    }
}
