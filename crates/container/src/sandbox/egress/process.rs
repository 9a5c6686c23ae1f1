//! The process that holds the other ends of all containers' devices.
//!
//! It is a child of the helper, in the host's network namespace, and ends with it. It can do little but
//! dial: it has no capabilities, reads no file but those where the list of resolvers is, writes none,
//! connects to no Unix socket, and the containers' system call filter applies to it.

use std::fmt;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;

use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::{Resource, Rlimit};
use serde::{Deserialize, Serialize};
use tokio::io::Interest;

use super::descriptors::Descriptors;
use super::netlink::Netlink;
use super::resolvers::Resolvers;
use super::rules::EgressRules;
use super::traffic::Meter;
use super::tun::{Buffers, Tun};
use super::tunnel::{World, serve};
use crate::sandbox::wire;
use crate::watched::watch;

/// What the process is told at its start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EgressOrder {
    pub(crate) rules: EgressRules,
    /// Connections of a container at once.
    pub(crate) connections: usize,
}

/// Takes over a container. Descriptors: its device, its pidfd, its numbers.
#[derive(Debug, Serialize, Deserialize)]
struct Serve;

/// The helper's side.
#[derive(Debug)]
pub(crate) struct Control(OwnedFd);

impl Control {
    /// Makes the two ends: the helper's, and the one for [`run`].
    pub(crate) fn pair() -> io::Result<(Self, OwnedFd)> {
        let flags = SocketFlags::CLOEXEC;
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        // The helper must not wait for this process, whatever it does.
        rustix::io::ioctl_fionbio(&ours, true)?;
        Ok((Self(ours), theirs))
    }

    /// Has the process serve a container until that has ended.
    pub(crate) fn serve(
        &self,
        device: &OwnedFd,
        container: &OwnedFd,
        traffic: &OwnedFd,
    ) -> io::Result<()> {
        wire::send(
            &self.0,
            &Serve,
            &[device.as_fd(), container.as_fd(), traffic.as_fd()],
        )
    }
}

/// The life of the process, after it was forked and before it gives up its rights, which `confine` does.
pub(crate) fn run(
    control: OwnedFd,
    order: EgressOrder,
    root: &Path,
    confine: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    rustix::thread::set_name(c"oxwhisk-egress")?;
    // Signals of the server's terminal are not for this process: actions that still run need it.
    rustix::process::setsid()?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(root, flags, Mode::empty())?;
    let limit = rustix::process::getrlimit(Resource::Nofile);
    rustix::process::setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    )?;
    let world = Rc::new(World {
        rules: order.rules,
        connections: order.connections,
        netlink: Netlink::open()?,
        resolvers: Resolvers::new(root),
        descriptors: Descriptors::within(limit.maximum),
    });
    rustix::io::ioctl_fionbio(&control, true)?;
    keep_buffers_apart();
    confine()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .enable_all()
        .build()?;
    tokio::task::LocalSet::new().block_on(&runtime, take_orders(control, world))
}

/// Takes over one container after the other until the helper is gone. One that cannot be taken over
/// has no way out; those of others are not touched.
pub(super) async fn take_orders(control: OwnedFd, world: Rc<World>) -> io::Result<()> {
    let control = watch(control, Interest::READABLE)?;
    let buffers = Rc::new(Buffers::new());
    let mut text = Vec::new();
    loop {
        let mut ready = control.readable().await?;
        let received = ready.try_io(|control| wire::receive::<Serve>(control.get_ref(), &mut text));
        let Ok(received) = received else { continue };
        let taken = match received {
            Ok(Some((Serve, fds))) => take_over(fds, &world, &buffers),
            Ok(None) => return Ok(()),
            Err(error) if is_passing(&error) => Err(error),
            Err(error) => return Err(error),
        };
        if let Err(error) = taken {
            warn(format_args!("a container has no way out: {error}"));
        }
    }
}

/// Tells whether the next message may well be received.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::Interrupted | io::ErrorKind::OutOfMemory
    )
}

/// Serves the container whose descriptors these are. The kernel leaves out those for which there is no room.
fn take_over(fds: Vec<OwnedFd>, world: &Rc<World>, buffers: &Rc<Buffers>) -> io::Result<()> {
    let full = io::ErrorKind::QuotaExceeded;
    let [device, container, traffic] = <[OwnedFd; 3]>::try_from(fds).map_err(|_| full)?;
    let share = world.descriptors.for_container(3).ok_or(full)?;
    let tun = Tun::new(device, buffers.clone())?;
    let container = watch(container, Interest::READABLE)?;
    let served = serve(world.clone(), tun, Meter::new(traffic), container);
    // Ends with its container, and this process with the helper.
    tokio::task::spawn_local(async move {
        served.await;
        drop(share);
    });
    Ok(())
}

/// Tells what an operator may want to know. Standard error is the server's.
pub(super) fn warn(text: fmt::Arguments<'_>) {
    // If nobody hears it there is nobody else to tell.
    let _told = writeln!(io::stderr(), "oxwhisk-egress: {text}");
}

/// Has the allocator take buffers of connections straight from the system and give them straight back:
/// so only what was ever used of one takes memory.
#[cfg_attr(
    target_env = "gnu",
    expect(unsafe_code, reason = "std has no settings of the allocator")
)]
fn keep_buffers_apart() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets a number of the allocator, before there are other threads. A refusal costs memory only.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 64 * 1024);
    }
}

/// Closes every descriptor but the standard ones and one more.
#[expect(
    unsafe_code,
    reason = "neither std nor rustix closes ranges of descriptors"
)]
pub(crate) fn close_all_but(kept: BorrowedFd<'_>) {
    let kept = kept.as_raw_fd().unsigned_abs();
    let close = |first: u32, last: u32| {
        // SAFETY: the caller's process never comes back to what owns these descriptors: it runs
        // nothing but this module until its end, which drops nothing of what it was forked from.
        unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    };
    if kept > 3 {
        close(3, kept - 1);
    }
    close(kept + 1, u32::MAX);
}
