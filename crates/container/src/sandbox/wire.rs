//! Messages between the server and its sandbox helper: one JSON text a packet, with descriptors.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::cgroup::CgroupLayout;
use super::egress::process::EgressOrder;

/// No message is longer than this; the kernel's buffer for a packet is about 200 KiB.
pub(crate) const MESSAGE_MAX: usize = 128 * 1024;
/// No message carries more descriptors than this.
const FDS_MAX: usize = 4;

/// From the server to the helper.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// The first message.
    Start(Start),
    /// Prepare a root for a runtime; later orders name it by its number.
    Runtime(RuntimeOrder),
    /// Make a container. Descriptors: its socket, standard output, standard error.
    Create(CreateOrder),
    /// Stop (or let go on) all processes of a container that has no freezer.
    Stop { serial: u64, stopped: bool },
    /// Kill all processes of a container at once. Without effect on one that has ended.
    Kill { serial: u64 },
}

/// What the helper must know before anything else.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    /// Where control groups are made.
    pub(crate) cgroups: CgroupLayout,
    /// Port of the API inside each network namespace; without it containers use the host's network.
    pub(crate) api_port: Option<u16>,
    /// Network namespaces kept ready.
    pub(crate) network_pool: usize,
    /// The way out beyond the API, if there is to be one.
    pub(crate) egress: Option<EgressOrder>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RuntimeOrder {
    pub(crate) number: u32,
    pub(crate) command: Vec<String>,
    pub(crate) readable: Vec<PathBuf>,
    pub(crate) environment: Vec<(String, String)>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CreateOrder {
    /// Number of the container; never used twice.
    pub(crate) serial: u64,
    pub(crate) name: String,
    pub(crate) runtime: u32,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) limits: Limits,
}

/// Bounds of one container.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// Bytes of memory of all its processes together.
    pub(crate) memory: u64,
    /// Processes and threads.
    pub(crate) pids: u32,
    /// Open files of a process.
    pub(crate) open_files: u64,
    /// Bytes in `/tmp`.
    pub(crate) tmp: u64,
    /// Files and folders in `/tmp`.
    pub(crate) tmp_files: u64,
}

/// From the helper to the server.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The helper takes orders.
    Started(Abilities),
    /// A container runs. Descriptors: its pidfd, then its freezer, its API listener and the numbers of its
    /// traffic, as far as it has them.
    Created {
        serial: u64,
        freezer: bool,
        listener: bool,
        traffic: bool,
    },
    /// A container could not be made.
    Refused {
        serial: u64,
        step: String,
        errno: i32,
    },
    /// All processes of the container were stopped or let go on, unless there is an error number.
    Stopped { serial: u64, errno: Option<i32> },
    /// Nothing of the container is left.
    Ended { serial: u64, memory_exhausted: bool },
}

/// What the helper found that it can do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Abilities {
    /// It may map container users to any user of the host.
    pub(crate) privileged: bool,
    /// A fresh `/proc` can be mounted.
    pub(crate) proc: bool,
    /// The version of Landlock's interface, 0 without Landlock.
    pub(crate) landlock: i32,
    /// Network namespaces can be made.
    pub(crate) network: bool,
    /// Whether containers have a way out; nothing if that was not ordered.
    pub(crate) egress: Option<EgressAbility>,
}

/// Whether containers have a way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum EgressAbility {
    Works,
    /// They have none: this step was refused.
    Refused {
        step: String,
        errno: i32,
    },
}

/// Sends one message.
pub(crate) fn send(
    socket: impl AsFd,
    message: &impl Serialize,
    fds: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    rustix::net::sendmsg(
        socket,
        &[io::IoSlice::new(&text)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

/// Receives one message and its descriptors (close-on-exec); `None` when the other side has closed.
pub(crate) fn receive<M: DeserializeOwned>(
    socket: impl AsFd,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
    buffer.resize(MESSAGE_MAX, 0);
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [io::IoSliceMut::new(buffer)];
    let received =
        rustix::net::recvmsg(socket, &mut slices, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    if received.bytes == 0 {
        return Ok(None);
    }
    let text = buffer.get(..received.bytes).unwrap_or_default();
    Ok(Some((serde_json::from_slice(text)?, fds)))
}
