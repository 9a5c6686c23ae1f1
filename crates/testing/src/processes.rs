//! What the system tells of processes and their control groups.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Deepest folder in which a server's control groups are looked for.
const DEEPEST: usize = 6;

/// Returns the processes below a process, itself not included.
#[must_use]
pub fn descendants(pid: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for child in all() {
        if let Some(parent) = parent(child) {
            children.entry(parent).or_default().push(child);
        }
    }
    let mut found = Vec::new();
    let mut open = vec![pid];
    while let Some(next) = open.pop() {
        let below = children.remove(&next).unwrap_or_default();
        open.extend(&below);
        found.extend(below);
    }
    found
}

/// Returns the resident memory of a process in KiB; 0 if it is gone.
#[must_use]
pub fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}

/// Returns the control groups of containers that servers with these process ids (or their helpers')
/// have made, in all hierarchies.
#[must_use]
pub fn container_groups(pids: &[u32]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    search(Path::new("/sys/fs/cgroup"), pids, DEEPEST, &mut found);
    found
}

/// Returns whether the freezer holds a process, by version 1 or 2 of control groups.
#[must_use]
pub fn is_frozen(pid: u32) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let reads = |path: String, wanted: &str| {
        fs::read_to_string(path).is_ok_and(|found| found.lines().any(|line| line == wanted))
    };
    text.lines().any(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, group) = (
            parts.next().unwrap_or_default(),
            parts.next().unwrap_or_default(),
        );
        let folder = |mount: &str| format!("/sys/fs/cgroup{mount}{group}");
        if controllers == "freezer" {
            reads(folder("/freezer") + "/freezer.state", "FROZEN")
        } else {
            controllers.is_empty() && reads(folder("") + "/cgroup.events", "frozen 1")
        }
    })
}

fn all() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// The parent of a process that is not a zombie.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything.
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_ascii_whitespace();
    (fields.next()? != "Z").then(|| fields.next()?.parse().ok())?
}

fn search(folder: &Path, pids: &[u32], depth: usize, found: &mut Vec<PathBuf>) {
    for folder in folders(folder) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let owner = name
            .strip_prefix("oxwhisk-")
            .and_then(|rest| rest.split('-').next()?.parse().ok());
        match owner {
            Some(owner) if pids.contains(&owner) => found.extend(folders(&folder)),
            Some(_) => {}
            None if depth > 0 => search(&folder, pids, depth - 1, found),
            None => {}
        }
    }
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn children_of_children_are_found_and_the_dead_are_not() {
        let mut shell = Command::new("sh")
            .args(["-c", "sleep 60 & echo; read line; kill $!"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = [0];
        std::io::Read::read_exact(shell.stdout.as_mut().unwrap(), &mut line).unwrap();
        let below = descendants(std::process::id());
        assert!(below.contains(&shell.id()) && below.len() >= 2, "{below:?}");
        assert!(resident_kib(shell.id()) > 0);
        drop(shell.stdin.take());
        shell.wait().unwrap();
        assert!(!descendants(std::process::id()).contains(&shell.id()));
    }
}
