//! Network namespaces with loopback, and a device for the way out if there is one, made ahead by a
//! process of their own.
//!
//! A process that has moved to a new network namespace cannot come back as an ordinary user, so the
//! helper does not make them itself; and making one takes up to some milliseconds, which nobody waits
//! for while some are ready.

use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::thread::UnshareFlags;
use serde::{Deserialize, Serialize};

use super::spawn::{fork_plain, last_error, leave};
use super::{Failure, InStep};
use crate::sandbox::egress::netlink::Netlink;
use crate::sandbox::egress::process::close_all_but;
use crate::sandbox::egress::{
    CONTAINER_V4, CONTAINER_V6, GATEWAY_V4, GATEWAY_V6, PREFIX_V4, PREFIX_V6, tun,
};
use crate::sandbox::wire;

const STEP: &str = "create the network namespace";
const TUNNEL_STEP: &str = "create the tunnel device";
/// Where the helper and its children see what makes tunnel devices.
const TUN_CONTROL: &str = "/host/dev/net/tun";

/// A namespace, the socket in it on which the API is answered, and our end of the way out.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) namespace: OwnedFd,
    pub(super) listener: OwnedFd,
    pub(super) device: Option<OwnedFd>,
}

/// Which networks are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only the API.
    Closed,
    /// With a device for the way out.
    Open,
}

#[derive(Debug, Serialize, Deserialize)]
enum Made {
    Network,
    Refused { is_device: bool, errno: i32 },
}

/// The namespaces that are ready and the process that makes more.
#[derive(Debug)]
pub(super) struct NetworkPool {
    maker: OwnedFd,
    ready: Vec<Network>,
    /// Asked for, not yet here.
    ordered: usize,
    buffer: Vec<u8>,
    port: u16,
    size: usize,
    kind: Kind,
    /// The maker has ended; the next one who needs a namespace starts another.
    ended: bool,
}

impl NetworkPool {
    /// Starts the maker and orders the first `size` namespaces.
    pub(super) fn start(port: u16, size: usize, kind: Kind) -> Result<Self, Failure> {
        let flags = SocketFlags::CLOEXEC;
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
                .in_step(STEP)?;
        if fork_plain().in_step(STEP)?.is_none() {
            // Of all descriptors of the helper it keeps one: whoever waits for the end of another, such as
            // the egress process for that of its orders, would wait for the maker's end too.
            close_all_but(theirs.as_fd());
            make_networks(&theirs, port, kind);
        }
        let mut pool = Self {
            maker: ours,
            ready: Vec::new(),
            ordered: 0,
            buffer: Vec::new(),
            port,
            size,
            kind,
            ended: false,
        };
        for _ in 0..size.max(1) {
            pool.order()?;
        }
        Ok(pool)
    }

    fn order(&mut self) -> Result<(), Failure> {
        rustix::io::write(&self.maker, b"1").in_step(STEP)?;
        self.ordered += 1;
        Ok(())
    }

    /// Descriptor that is readable when a namespace has become ready, while there is a maker.
    pub(super) fn maker(&self) -> Option<&OwnedFd> {
        (!self.ended).then_some(&self.maker)
    }

    /// Takes in one namespace from the maker, waiting for it if need be.
    pub(super) fn collect(&mut self) -> Result<(), Failure> {
        let received = wire::receive::<Made>(&self.maker, &mut self.buffer).in_step(STEP)?;
        self.ordered = self.ordered.saturating_sub(1);
        let Some((Made::Network, fds)) = received else {
            self.ended |= received.is_none();
            let (step, errno) = match received {
                Some((
                    Made::Refused {
                        is_device: true,
                        errno,
                    },
                    _,
                )) => (TUNNEL_STEP, errno),
                Some((Made::Refused { errno, .. }, _)) => (STEP, errno),
                _ => (STEP, libc::EPIPE),
            };
            return Err(Failure { step, errno });
        };
        let mut fds = fds.into_iter();
        let (Some(namespace), Some(listener), device) = (fds.next(), fds.next(), fds.next()) else {
            return Err(Failure {
                step: STEP,
                errno: libc::EPROTO,
            });
        };
        self.ready.push(Network {
            namespace,
            listener,
            device,
        });
        Ok(())
    }

    /// Takes one namespace and orders another.
    pub(super) fn take(&mut self) -> Result<Network, Failure> {
        if self.ended {
            *self = Self::start(self.port, self.size, self.kind)?;
        }
        self.order()?;
        loop {
            if let Some(network) = self.ready.pop() {
                return Ok(network);
            }
            self.collect()?;
        }
    }
}

/// The maker's life: one namespace for each byte, until the helper is gone.
fn make_networks(helper: &OwnedFd, port: u16, kind: Kind) -> ! {
    let mut order = [0; 1];
    while matches!(rustix::io::read(helper, &mut order), Ok(1)) {
        let sent = match make(port, kind) {
            Ok(network) => {
                let fds = [
                    Some(&network.namespace),
                    Some(&network.listener),
                    network.device.as_ref(),
                ];
                let fds: Vec<BorrowedFd<'_>> = fds.into_iter().flatten().map(AsFd::as_fd).collect();
                wire::send(helper, &Made::Network, &fds)
            }
            Err(Failure { step, errno }) => {
                let is_device = step == TUNNEL_STEP;
                wire::send(helper, &Made::Refused { is_device, errno }, &[])
            }
        };
        if sent.is_err() {
            break;
        }
    }
    leave(0)
}

fn make(port: u16, kind: Kind) -> Result<Network, Failure> {
    let (namespace, listener) = make_closed(port).in_step(STEP)?;
    let device = match kind {
        Kind::Closed => None,
        Kind::Open => Some(make_way_out().in_step(TUNNEL_STEP)?),
    };
    Ok(Network {
        namespace,
        listener,
        device,
    })
}

fn make_closed(port: u16) -> std::io::Result<(OwnedFd, OwnedFd)> {
    unshare_network()?;
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
    let namespace = rustix::fs::open("/proc/self/ns/net", flags, rustix::fs::Mode::empty())?;
    raise_loopback()?;
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    Ok((namespace, listener.into()))
}

/// Makes the device in the namespace just entered, with its addresses and the default routes.
fn make_way_out() -> std::io::Result<OwnedFd> {
    let device = tun::create(Path::new(TUN_CONTROL))?;
    let netlink = Netlink::open()?;
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    let index = rustix::net::netdevice::name_to_index(&socket, tun::NAME)?;
    // A link-local address would only have the kernel look for routers and neighbours. `/proc` may
    // not be writable; then it looks, and nobody answers.
    let _silent = std::fs::write("/proc/sys/net/ipv6/conf/tun0/addr_gen_mode", "1");
    netlink.raise(index, tun::MTU, tun::QUEUE)?;
    netlink.add_address(index, CONTAINER_V4.into(), PREFIX_V4)?;
    netlink.add_default_route(index, GATEWAY_V4.into())?;
    // Where the kernel has no IPv6, containers have none.
    let _either = netlink
        .add_address(index, CONTAINER_V6.into(), PREFIX_V6)
        .and_then(|()| netlink.add_default_route(index, GATEWAY_V6.into()));
    Ok(device)
}

#[expect(
    unsafe_code,
    reason = "rustix marks unshare as unsafe for the sake of file tables"
)]
fn unshare_network() -> rustix::io::Result<()> {
    // SAFETY: only the network namespace is left; file descriptors are not concerned.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }
}

#[expect(unsafe_code, reason = "neither std nor rustix sets interface flags")]
fn raise_loopback() -> std::io::Result<()> {
    let socket = rustix::net::socket_with(
        AddressFamily::INET,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    // SAFETY: an all-zero request is valid: an empty name and no flags.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags =
        i16::try_from(libc::IFF_UP | libc::IFF_RUNNING).unwrap_or(i16::MAX);
    // SAFETY: the request lives across the call, which reads an `ifreq`.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    if result == 0 {
        Ok(())
    } else {
        Err(last_error().into())
    }
}
