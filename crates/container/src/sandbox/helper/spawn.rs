//! Making a process in namespaces of its own.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::process::Pid;

/// The constant of `libc` has the wrong type.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Which side of the fork this is.
pub(super) enum Side {
    Parent { pid: Pid, pidfd: OwnedFd },
    Child,
}

/// Forks into new mount, pid, ipc and uts namespaces, and into a version 2 control group if one is given.
///
/// The caller must be single-threaded: then the child may do whatever the parent may.
#[expect(
    unsafe_code,
    reason = "neither std nor rustix has clone3, which alone makes the pidfd and places the process in its group"
)]
pub(super) fn fork(cradle: Option<BorrowedFd<'_>>) -> rustix::io::Result<Side> {
    let mut pidfd: i32 = -1;
    let flags = libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_PIDFD;
    let mut arguments = libc::clone_args {
        flags: u64::from(flags.unsigned_abs()),
        pidfd: &raw mut pidfd as u64,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: u64::from(libc::SIGCHLD.unsigned_abs()),
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: 0,
    };
    if let Some(cradle) = cradle {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = u64::from(cradle.as_raw_fd().unsigned_abs());
    }
    // SAFETY: the arguments are valid for the size given and live across the call. Without CLONE_VM
    // the child has its own copy of memory and goes on on the same stack, as after fork; the process
    // has one thread, so no lock is held by a thread that the child lacks.
    let result = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw mut arguments,
            size_of::<libc::clone_args>(),
        )
    };
    match i32::try_from(result) {
        Ok(0) => Ok(Side::Child),
        Ok(raw) if raw > 0 => {
            let pid = Pid::from_raw(raw).ok_or(rustix::io::Errno::INVAL)?;
            // SAFETY: the kernel has just made this descriptor for us and nobody else owns it.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Side::Parent { pid, pidfd })
        }
        _ => Err(last_error()),
    }
}

/// Forks a plain child, for work beside the helper's; returns nothing in the child.
#[expect(unsafe_code, reason = "std has no fork")]
pub(super) fn fork_plain() -> rustix::io::Result<Option<Pid>> {
    // SAFETY: the process has one thread, so the child may do whatever the parent may.
    match unsafe { libc::fork() } {
        pid if pid < 0 => Err(last_error()),
        pid => Ok(Pid::from_raw(pid)),
    }
}

/// Ends the calling process at once, without the parent's exit handlers.
#[expect(
    unsafe_code,
    reason = "std's exit runs the handlers of the parent's copy"
)]
pub(super) fn leave(code: i32) -> ! {
    // SAFETY: ends the process; nothing of it is used afterwards.
    unsafe { libc::_exit(code) }
}

pub(super) fn last_error() -> rustix::io::Errno {
    rustix::io::Errno::from_io_error(&std::io::Error::last_os_error())
        .unwrap_or(rustix::io::Errno::IO)
}
