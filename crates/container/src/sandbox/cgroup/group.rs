//! The control groups of one container, made and removed by the helper.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::{CgroupLayout, Controller, Version};

/// The server's folders, held open: they stay reachable when the helper has left the host's root.
#[derive(Debug)]
pub(crate) struct Groups {
    places: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    version: Version,
    folder: OwnedFd,
    parent: OwnedFd,
    name: OsString,
    controllers: Vec<Controller>,
}

/// What a container may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GroupLimits {
    /// Bytes.
    pub(crate) memory: u64,
    /// Processes and threads.
    pub(crate) pids: u32,
}

/// The groups of one container.
#[derive(Debug)]
pub(crate) struct ContainerGroup {
    name: String,
    /// Version 1 files to which a process writes `0` to enter.
    entrances: Vec<OwnedFd>,
    /// The version 2 group, in which the first process is born.
    cradle: Option<OwnedFd>,
}

impl Groups {
    /// Opens the folders of the layout.
    pub(crate) fn open(layout: &CgroupLayout) -> io::Result<Self> {
        let open = |hierarchy: &super::Hierarchy| -> io::Result<Place> {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let path = &hierarchy.folder;
            Ok(Place {
                version: hierarchy.version,
                folder: rustix::fs::open(path, flags, Mode::empty())?,
                parent: rustix::fs::open(path.parent().unwrap_or(path), flags, Mode::empty())?,
                name: path.file_name().unwrap_or_default().to_owned(),
                controllers: hierarchy.controllers.clone(),
            })
        };
        Ok(Self {
            places: layout
                .hierarchies
                .iter()
                .map(open)
                .collect::<io::Result<_>>()?,
        })
    }

    /// Tells whether a controller is at work.
    pub(crate) fn has(&self, controller: Controller) -> bool {
        self.places
            .iter()
            .any(|place| place.controllers.contains(&controller))
    }

    /// Makes the groups of a container and sets their limits.
    pub(crate) fn create(&self, name: &str, limits: GroupLimits) -> io::Result<ContainerGroup> {
        let mut group = ContainerGroup {
            name: name.to_owned(),
            entrances: Vec::new(),
            cradle: None,
        };
        let made = self
            .places
            .iter()
            .try_for_each(|place| place.create(&mut group, limits));
        if made.is_err() {
            self.remove(&group);
        }
        made.map(|()| group)
    }

    /// Opens the file that stops and lets go on all processes of the container, if there is one.
    pub(crate) fn freezer(&self, group: &ContainerGroup) -> Option<OwnedFd> {
        let place = self
            .places
            .iter()
            .find(|place| place.controllers.contains(&Controller::Freezer))?;
        let file = match place.version {
            Version::V1 => "freezer.state",
            Version::V2 => "cgroup.freeze",
        };
        let path = format!("{}/{file}", group.name);
        rustix::fs::openat(
            &place.folder,
            path,
            OFlags::RDWR | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .ok()
    }

    /// Tells whether the system killed a process of the container for its memory.
    pub(crate) fn memory_exhausted(&self, group: &ContainerGroup) -> bool {
        let Some(place) = self
            .places
            .iter()
            .find(|place| place.controllers.contains(&Controller::Memory))
        else {
            return false;
        };
        let file = match place.version {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        };
        let text = place.read(&group.name, file).unwrap_or_default();
        text.lines()
            .filter_map(|line| line.strip_prefix("oom_kill "))
            .any(|count| count.trim() != "0")
    }

    /// Removes the groups of a container whose processes have all ended.
    pub(crate) fn remove(&self, group: &ContainerGroup) -> bool {
        let mut removed = true;
        for place in &self.places {
            match rustix::fs::unlinkat(&place.folder, &*group.name, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(_) => removed = false,
            }
        }
        removed
    }

    /// Removes the server's folders once no container is left.
    pub(crate) fn remove_all(&self) {
        for place in &self.places {
            // What is left over is removed when the next server starts.
            let _ = rustix::fs::unlinkat(&place.parent, &*place.name, AtFlags::REMOVEDIR);
        }
    }
}

impl Place {
    fn create(&self, group: &mut ContainerGroup, limits: GroupLimits) -> io::Result<()> {
        rustix::fs::mkdirat(&self.folder, &*group.name, Mode::from_raw_mode(0o755))?;
        let name = &group.name;
        for controller in &self.controllers {
            self.limit(name, *controller, limits)?;
        }
        match self.version {
            Version::V1 => {
                let path = format!("{name}/tasks");
                group.entrances.push(rustix::fs::openat(
                    &self.folder,
                    path,
                    OFlags::WRONLY | OFlags::CLOEXEC,
                    Mode::empty(),
                )?);
            }
            Version::V2 => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                group.cradle = Some(rustix::fs::openat(
                    &self.folder,
                    &**name,
                    flags,
                    Mode::empty(),
                )?);
            }
        }
        Ok(())
    }

    fn limit(&self, name: &str, controller: Controller, limits: GroupLimits) -> io::Result<()> {
        // Shares follow memory, as a quarter of 1024 for each 64 MiB, so 256 MiB have the system's default.
        let shares = (limits.memory / (256 * 1024)).clamp(2, 262_144);
        match (self.version, controller) {
            (_, Controller::Freezer) => Ok(()),
            (_, Controller::Pids) => self.write(name, "pids.max", limits.pids.into()),
            (Version::V1, Controller::Memory) => {
                self.write(name, "memory.limit_in_bytes", limits.memory)?;
                // What sockets hold is not in the limit above in version 1.
                let sockets = limits.memory / 4;
                optional(self.write(name, "memory.kmem.tcp.limit_in_bytes", sockets))?;
                optional(self.write(name, "memory.memsw.limit_in_bytes", limits.memory))
            }
            (Version::V2, Controller::Memory) => {
                self.write(name, "memory.max", limits.memory)?;
                optional(self.write(name, "memory.oom.group", 1))?;
                optional(self.write(name, "memory.swap.max", 0))
            }
            (Version::V1, Controller::Cpu) => self.write(name, "cpu.shares", shares),
            (Version::V2, Controller::Cpu) => {
                self.write(name, "cpu.weight", 1 + (shares - 2) * 9999 / 262_142)
            }
        }
    }

    fn write(&self, name: &str, file: &str, value: u64) -> io::Result<()> {
        let path = format!("{name}/{file}");
        let fd = rustix::fs::openat(
            &self.folder,
            path,
            OFlags::WRONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        rustix::io::write(fd, value.to_string().as_bytes())?;
        Ok(())
    }

    fn read(&self, name: &str, file: &str) -> io::Result<String> {
        let path = format!("{name}/{file}");
        let fd = rustix::fs::openat(
            &self.folder,
            path,
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let mut buffer = [0; 4096];
        let count = rustix::io::read(fd, &mut buffer)?;
        Ok(String::from_utf8_lossy(buffer.get(..count).unwrap_or_default()).into_owned())
    }
}

/// Accounting of swap is an option of the kernel; without swap there is nothing to bound.
fn optional(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                || error.raw_os_error() == Some(libc::EOPNOTSUPP) =>
        {
            Ok(())
        }
        other => other,
    }
}

impl ContainerGroup {
    /// The group in which to make the first process, for `clone3`.
    pub(crate) fn cradle(&self) -> Option<BorrowedFd<'_>> {
        self.cradle.as_ref().map(AsFd::as_fd)
    }

    /// Moves the calling process, which has one thread, into the version 1 groups.
    ///
    /// A thread that moves itself needs no lock of the whole system, unlike one that is moved.
    pub(crate) fn enter(&self) -> rustix::io::Result<()> {
        self.entrances
            .iter()
            .try_for_each(|entrance| rustix::io::write(entrance, b"0").map(drop))
    }

    /// Closes what is only needed while the container is made.
    pub(crate) fn settle(&mut self) {
        self.entrances.clear();
        self.cradle = None;
    }
}
