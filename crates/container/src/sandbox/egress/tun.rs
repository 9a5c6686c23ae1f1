//! The device whose other end is a container's only way out.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;

use rustix::fs::{Mode, OFlags};
use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};

use crate::watched::watch;

/// Largest packet, the most that an IP packet's length can say. The only network on the way is this
/// machine's memory, so packets are as large as they can be: the fewer, the faster.
pub(crate) const MTU: u32 = 65_535;
/// Packets that may wait until they are read; the kernel drops more.
pub(crate) const QUEUE: u32 = 256;
/// Name of the device in the container.
pub(crate) const NAME: &str = "tun0";

/// Before each packet: what the kernel need not compute or check (`struct virtio_net_hdr`).
const PREFIX: usize = 10;
const NEEDS_CHECKSUM: u8 = 1;

/// Makes the device in the current network namespace.
#[expect(unsafe_code, reason = "no crate here makes such a device")]
pub(crate) fn create(control: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let device = rustix::fs::open(control, flags, Mode::empty())?;
    // SAFETY: an all-zero request is valid: an empty name and no flags.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(NAME.bytes()) {
        *to = from.cast_signed();
    }
    let flags = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
    request.ifr_ifru.ifru_flags = i16::try_from(flags).unwrap_or_default();
    // SAFETY: the request lives across the call, which reads and writes an `ifreq`.
    let made = unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    if made < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: takes a number. Without it the kernel computes checksums that nobody reads, no more.
    unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETOFFLOAD, libc::TUN_F_CSUM) };
    Ok(device)
}

/// Space for packets that all devices of the process share. Each is borrowed within one call only.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    read: RefCell<Vec<u8>>,
    written: RefCell<Vec<u8>>,
}

impl Buffers {
    pub(super) fn new() -> Self {
        Self {
            read: RefCell::new(vec![0; PREFIX + MTU as usize]),
            written: RefCell::new(vec![0; PREFIX + MTU as usize]),
        }
    }

    /// Lends space for a whole packet.
    pub(super) fn lend<R>(&self, use_it: impl FnOnce(&mut [u8]) -> R) -> R {
        use_it(&mut self.read.borrow_mut())
    }
}

/// The device of one container.
#[derive(Debug)]
pub(super) struct Tun {
    device: Option<AsyncFd<OwnedFd>>,
    buffers: Rc<Buffers>,
}

impl Tun {
    pub(super) fn new(device: OwnedFd, buffers: Rc<Buffers>) -> io::Result<Self> {
        Ok(Self {
            device: Some(watch(device, Interest::READABLE)?),
            buffers,
        })
    }

    /// Returns the space that is shared.
    pub(super) fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// Waits until there may be packets. Cancel-safe.
    pub(super) async fn readable(&self) -> io::Result<AsyncFdReadyGuard<'_, OwnedFd>> {
        let device = self.device.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        device.readable().await
    }

    /// Hands over the packets that are there, but not more than `most`.
    pub(super) fn read(
        &self,
        mut ready: AsyncFdReadyGuard<'_, OwnedFd>,
        most: usize,
        mut take: impl FnMut(&[u8]),
    ) -> io::Result<()> {
        for _ in 0..most {
            let read = ready.try_io(|device| {
                self.buffers.lend(|buffer| {
                    let length = rustix::io::read(device.get_ref(), &mut *buffer)?;
                    take(buffer.get(PREFIX..length).unwrap_or_default());
                    Ok(())
                })
            });
            match read {
                Ok(result) => result?,
                Err(_would_block) => break,
            }
        }
        Ok(())
    }

    /// Sends a packet that is whole.
    pub(super) fn send(&self, packet: &[u8]) {
        self.fill_and_send(packet.len(), None, |buffer| buffer.copy_from_slice(packet));
    }

    /// Has a packet filled in and sends it. `missing` says that its TCP checksum is not in it.
    pub(super) fn fill_and_send<R>(
        &self,
        length: usize,
        missing: Option<Missing>,
        fill: impl FnOnce(&mut [u8]) -> R,
    ) -> R {
        let mut buffer = self.buffers.written.borrow_mut();
        if buffer.len() < PREFIX + length {
            debug_assert!(false, "nobody makes packets beyond the largest");
            buffer.resize(PREFIX + length, 0);
        }
        // What is left of an earlier packet is written over.
        let (frame, _) = buffer.split_at_mut(PREFIX + length);
        let (prefix, packet) = frame.split_at_mut(PREFIX);
        let result = fill(packet);
        prefix.copy_from_slice(&missing.map_or([0; PREFIX], Missing::prefix));
        if let Some(device) = &self.device {
            // Lost, as on any network, if the kernel has no room; and not missed if the container is gone.
            let _sent_or_lost = rustix::io::write(device.get_ref(), frame);
        }
        result
    }
}

/// That a TCP checksum is missing, by the version of IP, whose header has no options. The kernel
/// takes such a packet for one of this machine, which it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Missing {
    V4,
    V6,
}

impl Missing {
    fn prefix(self) -> [u8; PREFIX] {
        let start: u16 = match self {
            Self::V4 => 20,
            Self::V6 => 40,
        };
        let [a, b] = start.to_ne_bytes();
        let [c, d] = 16_u16.to_ne_bytes();
        [NEEDS_CHECKSUM, 0, 0, 0, 0, 0, a, b, c, d]
    }
}

impl Drop for Tun {
    /// Closes the device on a thread of its own: the kernel takes it down in 10 ms and more, for which
    /// other containers must not wait.
    fn drop(&mut self) {
        let Some(device) = self.device.take() else {
            return;
        };
        let device = device.into_inner();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || drop(device));
        }
    }
}
