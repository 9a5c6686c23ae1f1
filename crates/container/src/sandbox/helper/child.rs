//! The steps from a fresh fork to the runtime, within the new process.

use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};

use rustix::io::{DupFlags, FdFlags};
use rustix::mount::{MountFlags, UnmountFlags};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

use super::root::{Template, mount_proc};
use super::seccomp::Filters;
use super::spawn::leave;
use super::{Failure, InStep, confine};
use crate::sandbox::cgroup::ContainerGroup;
use crate::sandbox::wire::Limits;

/// All that a container is made from; everything was prepared by the parent.
pub(super) struct Plan<'a> {
    pub(super) name: &'a str,
    pub(super) template: &'a Template,
    pub(super) group: &'a ContainerGroup,
    pub(super) memory_group: bool,
    pub(super) network: Option<BorrowedFd<'a>>,
    /// The helper's `/proc`.
    pub(super) proc: BorrowedFd<'a>,
    pub(super) mount_proc: bool,
    /// The user on the host (or in the helper's user namespace).
    pub(super) user: u32,
    pub(super) privileged: bool,
    pub(super) landlock: bool,
    pub(super) filters: &'a Filters,
    pub(super) limits: &'a Limits,
    pub(super) environment: &'a [CString],
    pub(super) socket: OwnedFd,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

/// Turns the calling process into the runtime. A step that fails is told over the runtime's socket.
pub(super) fn become_container(plan: Plan<'_>) -> ! {
    // The platform's end must hear of a failure even if the descriptors are being rearranged.
    let socket = plan.socket.try_clone();
    let Err(failure) = set_up(plan);
    if let Ok(socket) = socket {
        let line = format!(
            "{{\"failed\":{{\"step\":\"{}\",\"errno\":{}}}}}\n",
            failure.step, failure.errno
        );
        // If nobody listens any more, nobody needs to know.
        let _ = rustix::io::write(socket, line.as_bytes());
    }
    leave(127)
}

fn set_up(plan: Plan<'_>) -> Result<Infallible, Failure> {
    plan.group.enter().in_step("enter the control groups")?;
    unshare_groups().in_step("create the control group namespace")?;
    if let Some(network) = plan.network {
        let kind = Some(LinkNameSpaceType::Network);
        rustix::thread::move_into_link_name_space(network, kind)
            .in_step("enter the network namespace")?;
    }
    rustix::system::sethostname(plan.name.get(..63).unwrap_or(plan.name).as_bytes())
        .in_step("set the host name")?;
    enter_root(&plan)?;
    // Group leader of its own session: no terminal, no signals of the server's terminal.
    rustix::process::setsid().in_step("start a session")?;
    confine::become_user(plan.proc, plan.user, plan.privileged)?;
    confine::set_limits(plan.limits, plan.memory_group)?;
    confine::drop_capabilities()?;
    if plan.landlock {
        confine::restrict_files()?;
    }
    let Plan {
        template,
        memory_group,
        environment,
        filters,
        socket,
        stdout,
        stderr,
        ..
    } = plan;
    arrange_descriptors(socket, stdout, stderr).in_step("arrange the descriptors")?;
    reset_signals();
    filters.apply(memory_group)?;
    execute(template, environment)
}

#[expect(
    unsafe_code,
    reason = "rustix marks unshare as unsafe for the sake of file tables"
)]
fn unshare_groups() -> rustix::io::Result<()> {
    // SAFETY: only the control group namespace is left; file descriptors are not concerned.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWCGROUP) }
}

fn enter_root(plan: &Plan<'_>) -> Result<(), Failure> {
    rustix::process::chdir(&*plan.template.root).in_step("enter the root")?;
    let Limits { tmp, tmp_files, .. } = plan.limits;
    let options = format!(
        "size={tmp},nr_inodes={tmp_files},mode=1777,uid={0},gid={0}",
        plan.user
    );
    let options = CString::new(options)
        .map_err(std::io::Error::from)
        .in_step("mount `/tmp`")?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount("tmpfs", "tmp", "tmpfs", flags, &*options).in_step("mount `/tmp`")?;
    for path in &plan.template.in_tmp {
        path.mount().in_step("mount the root")?;
    }
    if plan.mount_proc {
        mount_proc("proc", MountFlags::RDONLY).in_step("mount `/proc`")?;
        for file in &plan.template.hidden_files {
            rustix::mount::mount_bind("dev/null", &**file).in_step("hide parts of `/proc`")?;
        }
        for folder in &plan.template.hidden_folders {
            rustix::mount::mount_bind("/empty", &**folder).in_step("hide parts of `/proc`")?;
        }
    }
    // The old root is put over the new one and then taken away from there.
    rustix::process::pivot_root(".", ".").in_step("enter the root")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).in_step("leave the host's root")?;
    rustix::process::chdir("/tmp").in_step("enter the root")
}

/// Leaves exactly the descriptors 0 to 3 open in the runtime.
fn arrange_descriptors(
    socket: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
) -> rustix::io::Result<()> {
    let null = rustix::fs::open(
        "/dev/null",
        rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )?;
    // All sources are above 3 first, or one could be overwritten before it is used.
    let lift = |fd: OwnedFd| rustix::io::fcntl_dupfd_cloexec(&fd, 10);
    let sources = [lift(null)?, lift(stdout)?, lift(stderr)?, lift(socket)?];
    for (number, source) in (0..).zip(&sources) {
        place(source, number)?;
    }
    Ok(())
}

#[expect(unsafe_code, reason = "descriptors with fixed numbers cannot be owned")]
fn place(source: &OwnedFd, number: i32) -> rustix::io::Result<()> {
    // SAFETY: nothing in this process uses the number any more: it is about to become the runtime.
    let mut target = unsafe { <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(number) };
    let placed = rustix::io::dup3(source, &mut target, DupFlags::empty());
    // Stays open for the runtime.
    let _ = target.into_raw_fd();
    placed
}

#[expect(
    unsafe_code,
    reason = "neither std nor rustix resets signal dispositions"
)]
fn reset_signals() {
    // SAFETY: the set is initialised before use; default actions and an empty mask are what a new
    // program expects. Rust ignores SIGPIPE; others were reset when the helper started.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

#[expect(
    unsafe_code,
    reason = "std's exec changes signal state and searches the path, which this must not"
)]
fn execute(template: &Template, environment: &[CString]) -> Result<Infallible, Failure> {
    let pointers = |texts: &mut dyn Iterator<Item = &CString>| -> Vec<*const libc::c_char> {
        texts
            .map(|text| text.as_ptr())
            .chain([std::ptr::null()])
            .collect()
    };
    let arguments = pointers(&mut template.command.iter());
    let variables = pointers(&mut template.environment.iter().chain(environment));
    let program: &CStr = template.command.first().ok_or(Failure {
        step: "start the runtime",
        errno: libc::ENOENT,
    })?;
    // SAFETY: both arrays end with a null pointer and point to texts that live until the call
    // replaces the process, or returns.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), variables.as_ptr()) };
    Err(super::spawn::last_error()).in_step("start the runtime")
}

/// Makes sure that a descriptor is not inherited by other containers.
pub(super) fn close_on_exec(fd: &OwnedFd) -> rustix::io::Result<()> {
    debug_assert!(fd.as_raw_fd() > 2, "standard descriptors are never passed");
    rustix::io::fcntl_setfd(fd.as_fd(), FdFlags::CLOEXEC)
}
