//! The server's side of the helper: starts it, sends orders, hands reports on.

use std::collections::HashMap;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{oneshot, watch};

use super::helper::SOCKET_NUMBER;
use super::wire::{self, Abilities, Order, Report};
use crate::watched::watch;

/// Name (first argument) under which the helper program is started.
pub const HELPER_NAME: &str = "oxwhisk-sandbox-helper";

/// How a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) memory_exhausted: bool,
}

/// A container that nobody has taken over yet; dropping it kills the container.
#[derive(Debug)]
pub(super) struct Unclaimed(Option<OwnedFd>);

impl Unclaimed {
    /// Takes the container over; returns its pidfd.
    pub(super) fn claim(mut self) -> Option<OwnedFd> {
        self.0.take()
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        if let Some(pidfd) = &self.0 {
            // It may have ended already.
            let _ = rustix::process::pidfd_send_signal(pidfd, rustix::process::Signal::KILL);
        }
    }
}

/// What the helper answered to the order to make a container.
#[derive(Debug)]
pub(super) enum Creation {
    Created {
        process: Unclaimed,
        freezer: Option<OwnedFd>,
        listener: Option<OwnedFd>,
        traffic: Option<OwnedFd>,
    },
    Refused {
        step: String,
        errno: i32,
    },
}

#[derive(Debug, Default)]
struct Waiting {
    started: Option<oneshot::Sender<Abilities>>,
    created: HashMap<u64, oneshot::Sender<Creation>>,
    stopped: HashMap<u64, oneshot::Sender<Option<i32>>>,
    ended: HashMap<u64, watch::Sender<Option<Ended>>>,
    closed: bool,
}

/// A running helper.
#[derive(Debug)]
pub(super) struct Connection {
    socket: AsyncFd<OwnedFd>,
    process: OwnedFd,
    /// A std lock: never held across an await.
    waiting: Mutex<Waiting>,
}

impl Connection {
    /// Starts the helper program; [`Connection::read`] must run for anything to be answered.
    pub(super) fn start(program: &Path) -> io::Result<Arc<Self>> {
        let flags = SocketFlags::CLOEXEC;
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        rustix::io::ioctl_fionbio(&ours, true)?;
        let program = CString::new(program.as_os_str().as_bytes())?;
        let (told, hears) = std::sync::mpsc::sync_channel(1);
        // The helper's death signal comes when the thread that made it ends, so this one stays.
        std::thread::Builder::new()
            .name("sandbox-helper".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || {
                let started = start_helper(&program, &theirs);
                drop(theirs);
                let pid = started.as_ref().ok().copied();
                let process = started.and_then(|pid| {
                    let flags = rustix::process::PidfdFlags::empty();
                    Ok(rustix::process::pidfd_open(pid, flags)?)
                });
                // The receiver waits for it.
                let _ = told.send(process);
                if let Some(pid) = pid {
                    // Its status does not matter: the closed socket tells that it has ended.
                    let _ =
                        rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
                }
            })?;
        let process = hears
            .recv()
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))??;
        Ok(Arc::new(Self {
            socket: watch(ours, Interest::READABLE | Interest::WRITABLE)?,
            process,
            waiting: Mutex::default(),
        }))
    }

    /// Reads the helper's reports until it has ended.
    pub(super) async fn read(self: Arc<Self>) {
        let mut buffer = Vec::new();
        while let Ok(mut guard) = self.socket.readable().await {
            match guard.try_io(|socket| wire::receive::<Report>(socket.get_ref(), &mut buffer)) {
                Ok(Ok(Some((report, fds)))) => self.handle(report, fds),
                Ok(Ok(None)) => break,
                Ok(Err(error)) => {
                    tracing::error!(%error, "could not read from the sandbox helper");
                    break;
                }
                Err(_would_block) => {}
            }
        }
        // Dropping the senders wakes everybody who waits.
        let mut waiting = self.waiting();
        *waiting = Waiting {
            closed: true,
            ..Waiting::default()
        };
    }

    fn handle(&self, report: Report, fds: Vec<OwnedFd>) {
        let mut waiting = self.waiting();
        // A receiver that is gone does not need its message any more.
        match report {
            Report::Started(abilities) => {
                let _ = waiting.started.take().map(|sender| sender.send(abilities));
            }
            Report::Created {
                serial,
                freezer,
                listener,
                traffic,
            } => {
                let mut fds = fds.into_iter();
                let Some(pidfd) = fds.next() else { return };
                let freezer = if freezer { fds.next() } else { None };
                let listener = if listener { fds.next() } else { None };
                let traffic = if traffic { fds.next() } else { None };
                let creation = Creation::Created {
                    process: Unclaimed(Some(pidfd)),
                    freezer,
                    listener,
                    traffic,
                };
                let _ = waiting
                    .created
                    .remove(&serial)
                    .map(|sender| sender.send(creation));
            }
            Report::Refused {
                serial,
                step,
                errno,
            } => {
                waiting.ended.remove(&serial);
                let _ = waiting
                    .created
                    .remove(&serial)
                    .map(|sender| sender.send(Creation::Refused { step, errno }));
            }
            Report::Stopped { serial, errno } => {
                let _ = waiting
                    .stopped
                    .remove(&serial)
                    .map(|sender| sender.send(errno));
            }
            Report::Ended {
                serial,
                memory_exhausted,
            } => {
                if let Some(sender) = waiting.ended.remove(&serial) {
                    sender.send_replace(Some(Ended { memory_exhausted }));
                }
            }
        }
    }

    /// Sends an order, waiting while the helper's queue is full.
    pub(super) async fn order(&self, order: &Order, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        loop {
            let mut guard = self.socket.writable().await?;
            match guard.try_io(|socket| wire::send(socket.get_ref(), order, fds)) {
                Ok(sent) => return sent,
                Err(_would_block) => {}
            }
        }
    }

    /// Returns what will receive the helper's first report.
    pub(super) fn expect_started(&self) -> oneshot::Receiver<Abilities> {
        let (sender, receiver) = oneshot::channel();
        self.waiting().started = Some(sender);
        receiver
    }

    /// Returns what will receive the outcome of making a container, and its end.
    pub(super) fn expect_container(
        &self,
        serial: u64,
    ) -> (oneshot::Receiver<Creation>, watch::Receiver<Option<Ended>>) {
        let (created, creation) = oneshot::channel();
        let (ended, end) = watch::channel(None);
        let mut waiting = self.waiting();
        if !waiting.closed {
            waiting.created.insert(serial, created);
            waiting.ended.insert(serial, ended);
        }
        (creation, end)
    }

    /// Returns what will receive the outcome of stopping a container's processes or letting them go on.
    pub(super) fn expect_stopped(&self, serial: u64) -> oneshot::Receiver<Option<i32>> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting();
        if !waiting.closed {
            waiting.stopped.insert(serial, sender);
        }
        receiver
    }

    /// Tells whether the helper has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.waiting().closed
    }

    /// Lets the helper end.
    pub(super) fn close(&self) {
        // Already closed is as good.
        let _ = rustix::net::shutdown(self.socket.get_ref(), rustix::net::Shutdown::Write);
    }

    /// Ends the helper, and with it the kernel ends all containers.
    pub(super) fn kill(&self) {
        // It may have ended already.
        let _ = rustix::process::pidfd_send_signal(&self.process, rustix::process::Signal::KILL);
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forks and executes the helper in a pid namespace of its own, within a user namespace if need be.
fn start_helper(program: &CString, socket: &OwnedFd) -> io::Result<rustix::process::Pid> {
    match fork_helper(program, socket, libc::CLONE_NEWPID) {
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
            fork_helper(program, socket, libc::CLONE_NEWPID | libc::CLONE_NEWUSER)
        }
        other => other,
    }
}

#[expect(unsafe_code, reason = "std cannot start a process in new namespaces")]
fn fork_helper(
    program: &CString,
    socket: &OwnedFd,
    namespaces: i32,
) -> io::Result<rustix::process::Pid> {
    let name = CString::new(HELPER_NAME)?;
    let arguments = [name.as_ptr(), std::ptr::null()];
    let environment = [std::ptr::null()];
    let (uid, gid) = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    let maps = if namespaces & libc::CLONE_NEWUSER == 0 {
        None
    } else {
        Some([
            (c"/proc/self/setgroups", CString::new("deny")?),
            (c"/proc/self/uid_map", CString::new(format!("0 {uid} 1"))?),
            (c"/proc/self/gid_map", CString::new(format!("0 {gid} 1"))?),
        ])
    };
    let flags = u64::from((namespaces | libc::SIGCHLD).unsigned_abs());
    // SAFETY: without CLONE_VM this is a fork. Other threads of the server may have held locks, so
    // until the exec the child calls only what is safe in a signal handler: no allocation, no locks.
    // All texts were made before and end with a zero byte.
    unsafe {
        let stack = std::ptr::null_mut::<libc::c_void>();
        match libc::syscall(libc::SYS_clone, flags, stack, stack, stack, 0) {
            0 => {
                for (file, text) in maps.iter().flatten() {
                    let fd = libc::open(file.as_ptr(), libc::O_WRONLY);
                    if libc::write(fd, text.as_ptr().cast(), text.count_bytes()) < 0 {
                        libc::_exit(126);
                    }
                    libc::close(fd);
                }
                let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
                libc::dup2(null, 0);
                libc::dup2(null, 1);
                // The descriptor may already have the number; then only its flag must go.
                if socket.as_raw_fd() == SOCKET_NUMBER {
                    libc::fcntl(SOCKET_NUMBER, libc::F_SETFD, 0);
                } else {
                    libc::dup2(socket.as_raw_fd(), SOCKET_NUMBER);
                }
                libc::syscall(libc::SYS_close_range, 4, libc::c_uint::MAX, 0);
                libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr());
                libc::_exit(127)
            }
            pid if pid > 0 => i32::try_from(pid)
                .ok()
                .and_then(rustix::process::Pid::from_raw)
                .ok_or_else(|| io::ErrorKind::InvalidData.into()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Borrows several descriptors.
pub(super) fn borrow(fds: &[OwnedFd]) -> Vec<BorrowedFd<'_>> {
    fds.iter().map(AsFd::as_fd).collect()
}
