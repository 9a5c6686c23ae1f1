//! Where control group file systems are mounted, and where this process is within them.

use std::path::{Path, PathBuf};

use super::Version;

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CgroupMount {
    pub(super) version: Version,
    /// Controllers of a version 1 hierarchy, as named in the mount's options.
    pub(super) controllers: Vec<String>,
    /// The folder of the mount's root.
    pub(super) root: PathBuf,
    /// The folder of the group that this process is in, if it lies within the mount.
    pub(super) own: Option<PathBuf>,
}

/// Reads the texts of `/proc/self/mountinfo` and `/proc/self/cgroup`.
pub(super) fn parse(mountinfo: &str, membership: &str) -> Vec<CgroupMount> {
    mountinfo
        .lines()
        .filter_map(|line| mount(line, membership))
        .collect()
}

fn mount(line: &str, membership: &str) -> Option<CgroupMount> {
    let (before, after) = line.split_once(" - ")?;
    let mut fields = before.split(' ').skip(3);
    let (within, point) = (fields.next()?, fields.next()?);
    let mut after = after.split(' ');
    let (kind, options) = (after.next()?, after.nth(1)?);
    let version = match kind {
        "cgroup" => Version::V1,
        "cgroup2" => Version::V2,
        _ => return None,
    };
    let controllers: Vec<String> = match version {
        Version::V1 => options.split(',').map(str::to_owned).collect(),
        Version::V2 => Vec::new(),
    };
    let path = membership.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (names, path) = (parts.next()?, parts.next()?);
        let found = match version {
            Version::V1 => {
                !names.is_empty()
                    && names
                        .split(',')
                        .all(|name| controllers.iter().any(|own| own == name))
            }
            Version::V2 => names.is_empty(),
        };
        found.then_some(path)
    });
    let root = PathBuf::from(point);
    let own = path
        .and_then(|path| Path::new(path).strip_prefix(within).ok())
        .map(|rest| root.join(rest));
    Some(CgroupMount {
        version,
        controllers,
        root,
        own,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_found_with_the_own_group() {
        let mountinfo = "30 24 0:26 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n\
             31 24 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
             32 24 0:28 /docker/1 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
             33 24 0:29 / /proc rw - proc proc rw\n";
        let membership = "4:memory:/docker/1/a\n1:cpu,cpuacct:/\n0::/user.slice/x.scope\n";
        let mounts = parse(mountinfo, membership);
        let own: Vec<_> = mounts
            .iter()
            .map(|mount| (mount.version, mount.own.as_deref().and_then(Path::to_str)))
            .collect();
        assert_eq!(
            own,
            [
                (
                    Version::V2,
                    Some("/sys/fs/cgroup/unified/user.slice/x.scope")
                ),
                (Version::V1, Some("/sys/fs/cgroup/cpu,cpuacct/")),
                (Version::V1, Some("/sys/fs/cgroup/memory/a")),
            ]
        );
    }

    #[test]
    fn own_group_outside_the_mount_is_none() {
        let mounts = parse("1 2 0:1 /a /c rw - cgroup2 cgroup2 rw\n", "0::/b\n");
        assert_eq!(mounts[0].own, None);
    }
}
