//! What control groups would do, without them: bounds memory by looking, and stops processes by signals.

use std::collections::HashMap;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal};
use rustix::thread::ThreadNameSpaceType;

use super::spawn::{fork_plain, leave};

/// The pid namespace of a container, by which its processes are found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct PidNamespace(PathBuf);

impl PidNamespace {
    /// Returns the namespace of a process of the helper's.
    pub(super) fn of(pid: Pid) -> Option<Self> {
        Self::at(&PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero())))
    }

    fn at(process: &Path) -> Option<Self> {
        fs::read_link(process.join("ns/pid")).ok().map(Self)
    }
}

/// Memory of processes, by container.
#[derive(Debug, Default)]
pub(super) struct Usage {
    processes: HashMap<PidNamespace, Vec<PathBuf>>,
}

impl Usage {
    /// Lists all processes that the helper can see.
    pub(super) fn look() -> Self {
        let mut processes: HashMap<PidNamespace, Vec<PathBuf>> = HashMap::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let is_process = entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
            if is_process && let Some(namespace) = PidNamespace::at(&entry.path()) {
                processes.entry(namespace).or_default().push(entry.path());
            }
        }
        Self { processes }
    }

    /// Tells whether a container uses more than `limit` bytes, its `/tmp` included.
    ///
    /// Adds up what each process has mapped for itself, which counts pages twice that a process
    /// shares with the one that forked it; only if that is too much, the dearer exact count follows.
    pub(super) fn exceeds(&self, namespace: &PidNamespace, first: Pid, limit: u64) -> bool {
        let Some(processes) = self.processes.get(namespace) else {
            return false;
        };
        let files = tmp_usage(first);
        let roughly: u64 = processes.iter().map(|process| unshared(process)).sum();
        roughly + files > limit
            && processes
                .iter()
                .map(|process| proportional(process))
                .sum::<u64>()
                + files
                > limit
    }
}

/// Memory that a process has for itself, in shared mappings without a file, and in swap.
fn unshared(process: &Path) -> u64 {
    sum(
        &process.join("status"),
        &["RssAnon:", "RssShmem:", "VmSwap:"],
    )
}

/// The same, with pages that several processes map divided among them.
fn proportional(process: &Path) -> u64 {
    sum(
        &process.join("smaps_rollup"),
        &["Pss_Anon:", "Pss_Shmem:", "SwapPss:"],
    )
}

fn sum(file: &Path, names: &[&str]) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let size = |line: &str| -> Option<u64> {
        let rest = names.iter().find_map(|name| line.strip_prefix(name))?;
        rest.trim().strip_suffix(" kB")?.parse().ok()
    };
    text.lines().filter_map(size).sum::<u64>() * 1024
}

fn tmp_usage(first: Pid) -> u64 {
    let path = format!("/proc/{}/root/tmp", first.as_raw_nonzero());
    rustix::fs::statvfs(path).map_or(0, |status| {
        (status.f_blocks - status.f_bfree) * status.f_frsize
    })
}

/// Stops all processes of a container, lets them go on, or kills them.
///
/// `own` is the helper's pid namespace. The first process is told from outside; a process within the
/// namespace signals all others in one step, so none can escape by forking.
pub(super) fn signal_all(pidfd: &OwnedFd, own: &OwnedFd, signal: Signal) -> rustix::io::Result<()> {
    rustix::process::pidfd_send_signal(pidfd, signal)?;
    rustix::thread::move_into_thread_name_spaces(pidfd.as_fd(), ThreadNameSpaceType::PROCESS_ID)?;
    let forked = fork_plain();
    let back = rustix::thread::move_into_link_name_space(own.as_fd(), None);
    match forked {
        Ok(None) => {
            // There may be no other process, which is as good.
            let _ = signal_others(signal);
            leave(0)
        }
        Ok(Some(pid)) => {
            back?;
            rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty()).map(drop)
        }
        Err(errno) => Err(errno),
    }
}

#[expect(unsafe_code, reason = "rustix does not signal all processes at once")]
fn signal_others(signal: Signal) -> bool {
    // SAFETY: a plain system call without memory; the calling process is in a container's pid
    // namespace, so it reaches that container only.
    unsafe { libc::kill(-1, signal.as_raw()) == 0 }
}
