//! Finds places for control groups, takes possession of them and clears away what a dead server left.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{FlockOperation, Mode, OFlags};
use serde::{Deserialize, Serialize};

use super::mounts::{self, CgroupMount};
use crate::sandbox::ControlGroups;

/// Folders of servers start with this.
const PREFIX: &str = "oxwhisk-";

/// The interface of a hierarchy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Version {
    V1,
    V2,
}

/// What a control group bounds or does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Controller {
    Memory,
    Pids,
    Cpu,
    Freezer,
}

impl Controller {
    const ALL: [Self; 4] = [Self::Memory, Self::Pids, Self::Cpu, Self::Freezer];

    fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Cpu => "cpu",
            Self::Freezer => "freezer",
        }
    }
}

/// One folder in which groups of containers are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hierarchy {
    pub(crate) version: Version,
    /// The server's folder, as the host sees it.
    pub(crate) folder: PathBuf,
    pub(crate) controllers: Vec<Controller>,
}

/// All folders; no controller is in two of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CgroupLayout {
    pub(crate) hierarchies: Vec<Hierarchy>,
}

impl CgroupLayout {
    /// Returns the interface through which a controller works, if it does.
    pub(crate) fn version_of(&self, controller: Controller) -> Option<Version> {
        self.hierarchies
            .iter()
            .find(|hierarchy| hierarchy.controllers.contains(&controller))
            .map(|found| found.version)
    }
}

/// Holds the server's folders; other servers leave locked folders alone.
#[derive(Debug)]
pub(crate) struct CgroupLocks {
    _folders: Vec<OwnedFd>,
}

/// Makes a folder of this server in each hierarchy that has a wanted controller and can be written.
pub(crate) fn prepare(wanted: ControlGroups, root: bool) -> (CgroupLayout, CgroupLocks) {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let mut found = mounts::parse(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"));
    // The freezer comes first: what a dead server left frozen can only be killed when it is thawed.
    found.sort_by_key(|mount| {
        !mount
            .controllers
            .iter()
            .any(|name| name == Controller::Freezer.name())
    });
    let mut layout = CgroupLayout::default();
    let mut locks = Vec::new();
    // Version 1 comes first: a controller that is bound there is not available in version 2.
    let versions: &[Version] = match wanted {
        ControlGroups::Any => &[Version::V1, Version::V2],
        ControlGroups::OnlyVersion2 => &[Version::V2],
        ControlGroups::Off => &[],
    };
    for &version in versions {
        for mount in found.iter().filter(|mount| mount.version == version) {
            let missing: Vec<_> = Controller::ALL
                .into_iter()
                .filter(|&one| layout.version_of(one).is_none())
                .collect();
            let place = places(mount, root)
                .into_iter()
                .find_map(|place| take(mount, &place, &missing).ok());
            if let Some((hierarchy, lock)) = place {
                layout.hierarchies.push(hierarchy);
                locks.push(lock);
            }
        }
    }
    (layout, CgroupLocks { _folders: locks })
}

/// A name that no other folder has: process id, start time and a number.
///
/// Servers in different pid namespaces may share the first two; then the one that comes second takes another number.
fn new_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let start = after.split_ascii_whitespace().nth(19).unwrap_or("0");
    format!(
        "{PREFIX}{}-{start}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

fn places(mount: &CgroupMount, root: bool) -> Vec<PathBuf> {
    let mut places = Vec::new();
    if root {
        places.push(mount.root.clone());
    }
    places.extend(mount.own.clone());
    places
}

fn take(
    mount: &CgroupMount,
    place: &Path,
    missing: &[Controller],
) -> io::Result<(Hierarchy, OwnedFd)> {
    let offered: Vec<_> = match mount.version {
        Version::V1 => {
            let has = |one: &Controller| mount.controllers.iter().any(|name| name == one.name());
            missing.iter().copied().filter(has).collect()
        }
        Version::V2 => missing.to_vec(),
    };
    if offered.is_empty() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    remove_dead(place);
    let (folder, lock) = new_folder(place)?;
    let controllers = match mount.version {
        Version::V1 => Ok(offered),
        Version::V2 => enable(place, &folder, &offered),
    };
    let controllers = controllers.inspect(|controllers| {
        if controllers.contains(&Controller::Cpu) {
            weigh(&folder, mount.version);
        }
    });
    match controllers {
        Ok(controllers) => Ok((
            Hierarchy {
                version: mount.version,
                folder,
                controllers,
            },
            lock,
        )),
        Err(error) => {
            drop(fs::remove_dir(&folder));
            Err(error)
        }
    }
}

/// Gives all containers together the weight of four busy threads on each processor.
///
/// A folder counts as one thread otherwise, and containers would starve beside a busy server, whose
/// threads are not in a folder; with more, containers that never rest would starve the server.
fn weigh(folder: &Path, version: Version) {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (file, one, most) = match version {
        Version::V1 => ("cpu.shares", 1024, 262_144),
        Version::V2 => ("cpu.weight", 100, 10_000),
    };
    let weight = processors.saturating_mul(4 * one).min(most);
    if let Err(error) = write(&folder.join(file), &weight.to_string()) {
        tracing::debug!(%error, "containers share the processors as one process would");
    }
}

/// Makes and locks a folder. Another server may take it for a dead one's before it is locked; then there is another try.
fn new_folder(place: &Path) -> io::Result<(PathBuf, OwnedFd)> {
    let mut problem = io::Error::from(io::ErrorKind::AlreadyExists);
    for _ in 0..20 {
        let folder = place.join(new_name());
        let taken = fs::create_dir(&folder).and_then(|()| lock(&folder));
        match taken {
            Ok(lock) if is_same(&folder, &lock) => return Ok((folder, lock)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
            Err(error) => problem = error,
        }
    }
    Err(problem)
}

fn is_same(folder: &Path, lock: &OwnedFd) -> bool {
    let inode = |status: rustix::fs::Stat| status.st_ino;
    rustix::fs::stat(folder)
        .map(inode)
        .is_ok_and(|there| rustix::fs::fstat(lock).map(inode) == Ok(there))
}

/// Lets children of `folder` use the controllers and returns those that they can.
fn enable(place: &Path, folder: &Path, offered: &[Controller]) -> io::Result<Vec<Controller>> {
    let enabled = |folder: &Path| {
        fs::read_to_string(folder.join("cgroup.subtree_control")).unwrap_or_default()
    };
    for controller in offered.iter().filter(|&&one| one != Controller::Freezer) {
        let text = format!("+{}", controller.name());
        if !enabled(place)
            .split_ascii_whitespace()
            .any(|name| name == controller.name())
        {
            let first = write(&place.join("cgroup.subtree_control"), &text);
            // A group with processes of its own cannot hand controllers down: this process steps aside.
            if first.is_err_and(|error| error.raw_os_error() == Some(libc::EBUSY))
                && step_aside(place).is_ok()
            {
                // When other processes are in the way too, the controller is simply not used.
                let _ = write(&place.join("cgroup.subtree_control"), &text);
            }
        }
        let _ = write(&folder.join("cgroup.subtree_control"), &text);
    }
    let given = enabled(folder);
    let works = |one: &Controller| match one {
        // Not a controller in version 2, but a file of each group since Linux 5.2.
        Controller::Freezer => folder.join("cgroup.freeze").exists(),
        Controller::Memory | Controller::Pids | Controller::Cpu => given
            .split_ascii_whitespace()
            .any(|name| name == one.name()),
    };
    let controllers: Vec<_> = offered.iter().copied().filter(works).collect();
    if controllers.is_empty() {
        Err(io::ErrorKind::Unsupported.into())
    } else {
        Ok(controllers)
    }
}

fn step_aside(place: &Path) -> io::Result<()> {
    let aside = place.join("oxwhisk.server");
    match fs::create_dir(&aside) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    write(&aside.join("cgroup.procs"), "0")
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .open(path)?
        .write_all(text.as_bytes())
}

fn lock(folder: &Path) -> io::Result<OwnedFd> {
    let fd = rustix::fs::open(
        folder,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive)?;
    Ok(fd)
}

/// Removes folders whose server has died, with what still runs in them.
fn remove_dead(place: &Path) {
    let Ok(entries) = fs::read_dir(place) else {
        return;
    };
    for entry in entries.flatten() {
        let folder = entry.path();
        let ours = folder
            .file_name()
            .and_then(OsStr::to_str)
            .is_some_and(|name| name.starts_with(PREFIX));
        if !ours {
            continue;
        }
        // An error means that the server lives, or that another one is removing its folder. The lock is
        // held to the end: whoever has just made the folder must not find it free and then gone.
        if let Ok(_lock) = lock(&folder) {
            remove_tree(&folder);
        }
    }
}

fn remove_tree(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    // Thawed first: frozen processes of version 1 do not die.
    let _ = write(&folder.join("freezer.state"), "THAWED");
    for _ in 0..50 {
        kill_members(folder);
        match fs::remove_dir(folder) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            _ => return,
        }
    }
    tracing::warn!(folder = %folder.display(), "could not remove the control group of a dead server");
}

fn kill_members(folder: &Path) {
    let members = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    for pid in members
        .lines()
        .filter_map(|line| line.parse().ok())
        .filter_map(rustix::process::Pid::from_raw)
    {
        // It may have ended meanwhile.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn new_folders_stay_while_other_servers_clear_away_dead_ones() {
        let place = tempfile::tempdir().unwrap();
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        remove_dead(place.path());
                    }
                });
            }
            let gone = (0..2000).find(|_| {
                // All tries may be lost to threads that do nothing but clear away.
                let Ok((folder, _lock)) = new_folder(place.path()) else {
                    return false;
                };
                std::thread::yield_now();
                !folder.exists()
            });
            is_over.store(true, Ordering::Relaxed);
            assert_eq!(gone, None, "a folder of a living server was removed");
        });
    }

    #[test]
    fn folders_of_dead_servers_are_removed() {
        let place = tempfile::tempdir().unwrap();
        let (folder, lock) = new_folder(place.path()).unwrap();
        fs::create_dir(folder.join("container")).unwrap();
        let other = place.path().join("other");
        fs::create_dir(&other).unwrap();
        remove_dead(place.path());
        assert!(folder.exists(), "its server lives");
        drop(lock);
        remove_dead(place.path());
        assert!(!folder.exists(), "its server has died");
        assert!(other.exists(), "it is not ours");
    }
}
