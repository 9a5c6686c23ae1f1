//! What the first process of a container gives up before it runs foreign code.

use std::fs::File;
use std::io::Write;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, Scope,
};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::process::{Gid, Resource, Rlimit, Uid};
use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags};

use super::seccomp::Filters;
use super::{Failure, InStep};
use crate::sandbox::wire::Limits;

/// The user and group that a container's processes see themselves as.
pub(super) const INNER_ID: u32 = 1000;

/// Where lists of resolvers are: the folder of the file itself, those to which services of the host and
/// WSL have it lead, and where it leads.
const RESOLVER_LISTS: [&str; 4] = ["etc", "run", "mnt/wsl", "etc/resolv.conf"];
const PATH_ONLY: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// Becomes an unprivileged user of the host and enters a user namespace that knows only this user.
///
/// `outer` is the user as the helper's namespace knows it. `proc` is the helper's `/proc`, where
/// `self` is the calling process.
pub(super) fn become_user(
    proc: BorrowedFd<'_>,
    outer: u32,
    privileged: bool,
) -> Result<(), Failure> {
    let step = "become an unprivileged user";
    if privileged {
        rustix::thread::set_thread_groups(&[]).in_step(step)?;
        let (uid, gid) = (Uid::from_raw(outer), Gid::from_raw(outer));
        rustix::thread::set_thread_res_gid(gid, gid, gid).in_step(step)?;
        rustix::thread::set_thread_res_uid(uid, uid, uid).in_step(step)?;
    }
    // Changing the user has made `/proc/self` the superuser's.
    dumpable().in_step(step)?;
    unshare_user().in_step("create the user namespace")?;
    for (file, text) in [
        ("self/setgroups", "deny".to_owned()),
        ("self/uid_map", format!("{INNER_ID} {outer} 1")),
        ("self/gid_map", format!("{INNER_ID} {outer} 1")),
    ] {
        let fd = rustix::fs::openat(proc, file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
            .in_step("map the user")?;
        File::from(fd)
            .write_all(text.as_bytes())
            .in_step("map the user")?;
    }
    Ok(())
}

fn dumpable() -> rustix::io::Result<()> {
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable)
}

#[expect(
    unsafe_code,
    reason = "rustix marks unshare as unsafe for the sake of file tables"
)]
fn unshare_user() -> rustix::io::Result<()> {
    // SAFETY: only the user namespace is left; file descriptors are not concerned.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUSER) }
}

/// Leaves the calling process the right to use the network, and no other: an unprivileged user, no
/// capabilities, no file but below the folders where `host` lists its resolvers, and those only to
/// read, no socket of another process, the containers' system call filter.
pub(super) fn become_dialler(
    user: u32,
    privileged: bool,
    host: &Path,
    filters: &Filters,
) -> std::io::Result<()> {
    let plain = |failure: Failure| std::io::Error::from_raw_os_error(failure.errno);
    // Another user may not do this any more.
    bound_capabilities();
    if privileged {
        rustix::thread::set_thread_groups(&[])?;
        let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(user));
        rustix::thread::set_thread_res_gid(gid, gid, gid)?;
        rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    }
    drop_capabilities().map_err(plain)?;
    leave_resolver_lists(host)
        .map_err(|_| std::io::Error::from(std::io::ErrorKind::PermissionDenied))?;
    filters.apply_to_dialler().map_err(plain)
}

/// Bounds file access to reading where the list of resolvers is: the folders, as the files in them are
/// replaced, and the file that is the list now, should it be elsewhere.
fn leave_resolver_lists(host: &Path) -> Result<(), RulesetError> {
    let abi = ABI::V6;
    let root = rustix::fs::open(host, PATH_ONLY, Mode::empty()).ok();
    let open = |path| {
        let (mode, within) = (Mode::empty(), ResolveFlags::IN_ROOT);
        // What is not there has no list.
        rustix::fs::openat2(root.as_ref()?, path, PATH_ONLY, mode, within).ok()
    };
    let rules = RESOLVER_LISTS.into_iter().filter_map(open);
    let rules = rules.map(|fd| Ok::<_, RulesetError>(PathBeneath::new(fd, AccessFs::ReadFile)));
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::from_all(abi))?
        .create()?
        .add_rules(rules)?
        .no_new_privs(false)
        .restrict_self();
    // A kernel without Landlock has the other bounds; what it has is applied.
    status.map(drop)
}

/// Gives up all capabilities for good.
pub(super) fn drop_capabilities() -> Result<(), Failure> {
    let step = "drop the capabilities";
    bound_capabilities();
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none).in_step(step)?;
    rustix::thread::set_no_new_privs(true).in_step(step)
}

/// Leaves no capability that a program could get.
fn bound_capabilities() {
    for number in 0..64 {
        // The first refusal names the first capability that this kernel does not know.
        if rustix::thread::remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(
            1 << number,
        ))
        .is_err()
        {
            break;
        }
    }
}

/// Sets the limits of a process. Without a control group for memory, its data is bounded here too.
pub(super) fn set_limits(limits: &Limits, memory_group: bool) -> Result<(), Failure> {
    let set = |resource, value: u64| {
        rustix::process::setrlimit(
            resource,
            Rlimit {
                current: Some(value),
                maximum: Some(value),
            },
        )
        .in_step("set the limits")
    };
    // One byte: no file is that short, and unlike zero it also keeps the crash handler of the host
    // from being started.
    set(Resource::Core, 1)?;
    set(Resource::Nofile, limits.open_files)?;
    set(Resource::Memlock, 64 * 1024)?;
    set(Resource::Msgqueue, 0)?;
    set(Resource::Sigpending, 1024)?;
    // Counted within the user namespace, so this must not be set before that is entered.
    set(Resource::Nproc, u64::from(limits.pids))?;
    if !memory_group {
        // Interpreters reserve more than they use; the watchdog bounds what is used.
        set(
            Resource::Data,
            limits
                .memory
                .saturating_mul(2)
                .saturating_add(512 * 1024 * 1024),
        )?;
    }
    Ok(())
}

/// The version of Landlock's interface that the kernel offers, 0 if none.
#[expect(
    unsafe_code,
    reason = "no crate asks for the version without making a rule set"
)]
pub(crate) fn landlock_version() -> i32 {
    const VERSION: libc::c_ulong = 1;
    // SAFETY: with this flag the call reads no memory and only returns a number.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<u8>(),
            0usize,
            VERSION,
        )
    };
    i32::try_from(version).unwrap_or(0).max(0)
}

/// Bounds file access by Landlock beside the mounts: everything may be read and run, only `/tmp` and
/// the devices written; no Unix socket or signal leaves the container.
pub(super) fn restrict_files() -> Result<(), Failure> {
    let step = "apply the Landlock rules";
    let abi = ABI::V6;
    let failed = |_| Failure {
        step,
        errno: libc::EPERM,
    };
    let beneath = |path: &str, access: BitFlags<AccessFs>| {
        PathFd::new(path)
            .map(|fd| PathBeneath::new(fd, access))
            .map_err(|_| Failure {
                step,
                errno: libc::ENOENT,
            })
    };
    let handled = AccessFs::from_all(abi) & !AccessFs::IoctlDev;
    let device = AccessFs::ReadFile | AccessFs::WriteFile;
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(handled)
        .and_then(|rules| rules.scope(Scope::from_all(abi)))
        .and_then(Ruleset::create)
        .map_err(failed)?
        .add_rule(beneath("/", AccessFs::from_read(abi))?)
        .map_err(failed)?
        .add_rule(beneath("/tmp", handled)?)
        .map_err(failed)?
        .add_rule(beneath("/dev", device)?)
        .map_err(failed)?
        .no_new_privs(false)
        .restrict_self()
        .map_err(failed)?;
    Ok(())
}

/// Keeps a descriptor of the helper's `/proc` for [`become_user`].
pub(super) fn open_proc() -> Result<OwnedFd, Failure> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open("/proc", flags, Mode::empty()).in_step("open `/proc`")
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

    use super::*;

    /// What a dialler may still do, tried on a thread that becomes one.
    #[test]
    fn dialler_reads_resolver_lists_and_connects_to_the_internet_only() {
        let host = tempfile::tempdir().unwrap();
        let path = |name: &str| host.path().join(name);
        for folder in ["etc", "home"] {
            std::fs::create_dir(path(folder)).unwrap();
        }
        std::fs::write(path("home/list"), "list").unwrap();
        // Absolute within the host's root.
        std::os::unix::fs::symlink("/home/list", path("etc/resolv.conf")).unwrap();
        std::fs::write(path("etc/other"), "list").unwrap();
        std::fs::write(path("home/secret"), "secret").unwrap();
        let _unix = UnixListener::bind(path("etc/socket")).unwrap();
        let internet = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = internet.local_addr().unwrap();
        let filters = Filters::compile().unwrap();
        let dialler = || {
            become_dialler(0, false, host.path(), &filters).unwrap();
            let kind = |error: std::io::Error| error.kind();
            let read = ["home/list", "etc/other", "home/secret"]
                .map(|name| std::fs::read_to_string(path(name)).map_err(kind));
            let listed = std::fs::read_dir(path("etc")).map(drop).map_err(kind);
            let written = std::fs::write(path("etc/new"), "x").map_err(kind);
            let unix = UnixStream::connect(path("etc/socket"))
                .map(drop)
                .map_err(kind);
            // A connected one could be connected again, or send elsewhere.
            let datagrams = UnixDatagram::pair().map(drop).map_err(kind);
            let raw = rustix::net::socketpair(
                rustix::net::AddressFamily::UNIX,
                rustix::net::SocketType::RAW,
                rustix::net::SocketFlags::CLOEXEC,
                None,
            );
            let raw = raw.map(drop).map_err(|errno| kind(errno.into()));
            let pair = UnixStream::pair().map(drop).map_err(kind);
            let dialled = TcpStream::connect(address).map(drop).map_err(kind);
            (
                read,
                [listed, written],
                [unix, datagrams, raw],
                [pair, dialled],
            )
        };
        let (read, files, sockets, open) =
            std::thread::scope(|scope| scope.spawn(dialler).join().unwrap());
        let denied = Err(ErrorKind::PermissionDenied);
        assert_eq!(sockets, [denied; 3]);
        assert_eq!(open, [Ok(()); 2]);
        let [list, other, secret] = read;
        assert_eq!([list.as_deref(), other.as_deref()], [Ok("list"); 2]);
        if landlock_version() > 0 {
            assert_eq!(secret, Err(ErrorKind::PermissionDenied));
            assert_eq!(files, [denied; 2]);
        }
    }
}
