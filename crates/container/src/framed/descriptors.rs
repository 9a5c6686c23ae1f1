//! Reading and writing a container's descriptors without waiting.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::Bytes;
use rustix::net::{SendAncillaryBuffer, SendFlags};
use tokio::io::Ready;
use tokio::io::unix::AsyncFd;

use crate::Stream;
use crate::log_buffer::LogBuffer;

/// Reads of one pipe in one turn; a container that prints without end must not starve other tasks.
pub(super) const READS_PER_TURN: usize = 8;
/// Bytes of one read of a log pipe.
const LOG_READ: usize = 16 * 1024;

/// The platform's ends of a container's descriptors, all non-blocking.
#[derive(Debug)]
pub(crate) struct Pipes {
    /// Connected to descriptor 3 of the launcher.
    pub(crate) socket: OwnedFd,
    /// Reads what the container writes to standard output.
    pub(crate) stdout: OwnedFd,
    /// Reads what it writes to standard error.
    pub(crate) stderr: OwnedFd,
}

/// What a turn of driving achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Turn {
    /// Nothing could be read or written; the wakers are registered.
    Idle,
    /// Something moved: look again.
    Progress,
    /// Something moved and more is there, but other tasks must have their turn.
    Busy,
}

/// Reads what a log pipe holds, up to a bound.
pub(super) fn read_log(
    fd: &AsyncFd<OwnedFd>,
    stream: Stream,
    open: &mut bool,
    log: &mut LogBuffer,
    cx: &mut Context<'_>,
) -> Turn {
    let mut turn = Turn::Idle;
    let mut buffer = [MaybeUninit::<u8>::uninit(); LOG_READ];
    for _ in 0..READS_PER_TURN {
        if !*open {
            return turn;
        }
        let Poll::Ready(guard) = fd.poll_read_ready(cx) else {
            return turn;
        };
        turn = Turn::Progress;
        let Ok(mut guard) = guard else {
            *open = false;
            return turn;
        };
        match rustix::io::read(fd.get_ref(), &mut buffer) {
            Ok((bytes, rest)) if !bytes.is_empty() => {
                log.feed(stream, bytes, SystemTime::now());
                if !rest.is_empty() {
                    guard.clear_ready_matching(Ready::READABLE);
                }
            }
            Err(rustix::io::Errno::AGAIN) => guard.clear_ready_matching(Ready::READABLE),
            Err(rustix::io::Errno::INTR) => {}
            Ok(_) | Err(_) => {
                *open = false;
                log.close(stream, SystemTime::now());
            }
        }
    }
    Turn::Busy
}

/// Writes as much of the parts as the socket takes.
pub(super) fn write_vectored(fd: &OwnedFd, parts: &[&[u8]]) -> Result<usize, rustix::io::Errno> {
    let mut slices = [
        io::IoSlice::new(&[]),
        io::IoSlice::new(&[]),
        io::IoSlice::new(&[]),
    ];
    for (slice, part) in slices.iter_mut().zip(parts) {
        *slice = io::IoSlice::new(part);
    }
    rustix::net::sendmsg(
        fd,
        &slices,
        &mut SendAncillaryBuffer::default(),
        SendFlags::NOSIGNAL,
    )
}

/// Returns the JSON text in one line: a raw line break stands between tokens, where a blank is as good.
pub(super) fn one_line(body: Bytes) -> Bytes {
    if memchr::memchr2(b'\n', b'\r', &body).is_none() {
        return body;
    }
    body.iter()
        .map(|&byte| {
            if byte == b'\n' || byte == b'\r' {
                b' '
            } else {
                byte
            }
        })
        .collect()
}
