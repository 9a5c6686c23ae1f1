//! One TCP connection: the container's side ends in a stack of ours, the other side is a socket.
//!
//! Bytes wait in the two buffers of the stack and nowhere else. While one is full nothing more is
//! read from where it is filled, so whoever is fast waits for whoever is slow.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::phy::{Checksum, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr, IpListenEndpoint};
use tokio::io::AsyncWrite as _;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Sleep;

use super::packet::Flow;
use super::traffic::Meter;
use super::tun::{MTU, Missing, Tun};
use crate::Traffic;

/// Bytes that wait in one direction at most: two of the largest segments, so that one can be on its
/// way while the other is dealt with, and nothing is left over for a third.
pub(super) const BUFFER: usize = 2 * (MTU as usize - 40);
/// How long a connection may stay half open or half closed without a byte: then one side is taken for gone.
const HALF_CLOSED: Duration = Duration::from_secs(120);
/// Turns of moving bytes before others get their turn.
const TURNS: usize = 16;

/// What a connection leads to.
#[derive(Debug)]
pub(super) enum Remote {
    Internet(TcpStream),
    /// Our resolver.
    Resolver(UnixStream),
}

impl Remote {
    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Internet(stream) => stream.poll_write_ready(context),
            Self::Resolver(stream) => stream.poll_write_ready(context),
        }
    }

    fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Internet(stream) => stream.poll_read_ready(context),
            Self::Resolver(stream) => stream.poll_read_ready(context),
        }
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Internet(stream) => stream.try_write(bytes),
            Self::Resolver(stream) => stream.try_write(bytes),
        }
    }

    fn try_read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Internet(stream) => stream.try_read(bytes),
            Self::Resolver(stream) => stream.try_read(bytes),
        }
    }

    /// Tells the other side that no more comes; sockets do so at once.
    fn finish(&mut self, context: &mut Context<'_>) {
        // Whoever is gone does not need to know.
        let _done = match self {
            Self::Internet(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Resolver(stream) => Pin::new(stream).poll_shutdown(context),
        };
    }

    /// Has the other side find the connection broken, rather than ended, when this is dropped.
    fn break_off(&self) {
        if let Self::Internet(stream) = self {
            let at_once = Some(Duration::ZERO);
            // It ends one way or the other.
            let _set = rustix::net::sockopt::set_socket_linger(stream, at_once);
        }
    }
}

/// The stack's access to the device, with at most one packet to take in.
struct Link<'a> {
    tun: &'a Tun,
    incoming: Option<&'a [u8]>,
    version: Missing,
}

struct Received<'a>(&'a [u8]);

struct Sending<'a>(&'a Tun, Missing);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, use_it: F) -> R {
        use_it(self.0)
    }
}

impl TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        self.0.fill_and_send(length, Some(self.1), fill)
    }
}

impl Device for Link<'_> {
    type RxToken<'b>
        = Received<'b>
    where
        Self: 'b;
    type TxToken<'b>
        = Sending<'b>
    where
        Self: 'b;

    fn receive(&mut self, _: smoltcp::time::Instant) -> Option<(Received<'_>, Sending<'_>)> {
        let packet = self.incoming.take()?;
        Some((Received(packet), Sending(self.tun, self.version)))
    }

    fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Sending<'_>> {
        Some(Sending(self.tun, self.version))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU as usize;
        // Packets never leave the machine's memory; see `Missing`.
        capabilities.checksum.tcp = Checksum::None;
        capabilities.checksum.ipv4 = Checksum::Tx;
        capabilities
    }
}

/// What has ended of a connection.
#[derive(Debug, Default)]
struct Ended {
    /// The container sends no more, and the remote was told so.
    sending: bool,
    /// The remote sends no more, and the stack was told so.
    receiving: bool,
    /// One side has failed, and the other was told so.
    broken: bool,
}

/// A connection from a container to a remote.
pub(super) struct Connection {
    interface: Interface,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
    version: Missing,
    remote: Remote,
    ended: Ended,
    /// Whoever drives the connection, to be woken when the container has sent something.
    driver: Option<Waker>,
    timer: Pin<Box<Sleep>>,
    /// When a byte was last moved.
    moved: Instant,
    epoch: Instant,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("remote", &self.remote)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Answers the first packet of a connection whose other side is there. `seed` is random.
    ///
    /// Nothing if the stack does not take the packet.
    pub(super) fn accept(
        flow: &Flow,
        syn: &[u8],
        remote: Remote,
        tun: &Tun,
        seed: u64,
    ) -> Option<Self> {
        let target = IpAddress::from(flow.target.ip());
        let version = if flow.target.is_ipv4() {
            Missing::V4
        } else {
            Missing::V6
        };
        let mut link = Link {
            tun,
            incoming: None,
            version,
        };
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let epoch = Instant::now();
        let mut interface = Interface::new(config, &mut link, smoltcp::time::Instant::ZERO);
        // Each connection is a host of its own that has the remote's address and one neighbour.
        let everybody = IpCidr::new(target, 0);
        let mut full = false;
        interface.update_ip_addrs(|addresses| full = addresses.push(everybody).is_err());
        let buffer = || SocketBuffer::new(vec![0; BUFFER]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        let endpoint = IpListenEndpoint {
            addr: Some(target),
            port: flow.target.port(),
        };
        if full || socket.listen(endpoint).is_err() {
            return None;
        }
        let mut sockets = SocketSet::new(Vec::with_capacity(1));
        let socket = sockets.add(socket);
        let mut connection = Self {
            interface,
            sockets,
            socket,
            version,
            remote,
            ended: Ended::default(),
            driver: None,
            timer: Box::pin(tokio::time::sleep(HALF_CLOSED)),
            moved: epoch,
            epoch,
        };
        connection.take(syn, tun);
        (connection.socket().state() == State::SynReceived).then_some(connection)
    }

    /// Takes in a packet from the container.
    pub(super) fn take(&mut self, packet: &[u8], tun: &Tun) {
        let now = self.now();
        let mut link = Link {
            tun,
            incoming: Some(packet),
            version: self.version,
        };
        let _changed = self
            .interface
            .poll_ingress_single(now, &mut link, &mut self.sockets);
        if let Some(driver) = &self.driver {
            driver.wake_by_ref();
        }
    }

    /// Tells whether the container has closed the connection.
    pub(super) fn is_closed_inside(&self) -> bool {
        matches!(
            self.socket().state(),
            State::CloseWait | State::LastAck | State::Closing | State::TimeWait | State::Closed
        )
    }

    /// Moves bytes in both directions; ready when the connection is over.
    pub(super) fn poll(&mut self, context: &mut Context<'_>, tun: &Tun, meter: &Meter) -> Poll<()> {
        if !self
            .driver
            .as_ref()
            .is_some_and(|driver| driver.will_wake(context.waker()))
        {
            self.driver = Some(context.waker().clone());
        }
        for _ in 0..TURNS {
            let sent = self.send(context);
            let received = self.receive(context);
            meter.add(Traffic {
                sent,
                received,
                connections: 0,
            });
            let is_emitted = self.emit(tun);
            if sent + received > 0 {
                self.moved = Instant::now();
            } else if !is_emitted {
                if self.is_over() {
                    return Poll::Ready(());
                }
                if self.wait(context).is_pending() {
                    return Poll::Pending;
                }
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn socket(&self) -> &Socket<'static> {
        self.sockets.get(self.socket)
    }

    fn now(&self) -> smoltcp::time::Instant {
        let elapsed = i64::try_from(self.epoch.elapsed().as_micros());
        smoltcp::time::Instant::from_micros(elapsed.unwrap_or(i64::MAX))
    }

    /// Has the stack send what it has to say.
    fn emit(&mut self, tun: &Tun) -> bool {
        let now = self.now();
        let mut link = Link {
            tun,
            incoming: None,
            version: self.version,
        };
        let emitted = self
            .interface
            .poll_egress(now, &mut link, &mut self.sockets);
        emitted == PollResult::SocketStateChanged
    }

    /// From the container to the remote; returns how many bytes.
    fn send(&mut self, context: &mut Context<'_>) -> u64 {
        let Self {
            sockets,
            socket,
            remote,
            ended,
            ..
        } = self;
        let socket = sockets.get_mut::<Socket<'_>>(*socket);
        let mut count = 0;
        while socket.can_recv() && !ended.broken && !ended.sending {
            let written = match remote.poll_write_ready(context) {
                Poll::Pending => return count,
                Poll::Ready(Err(error)) => Err(error),
                Poll::Ready(Ok(())) => {
                    let write = |bytes: &mut [u8]| match remote.try_write(bytes) {
                        Ok(length) => (length, Ok(length)),
                        Err(error) => (0, Err(error)),
                    };
                    socket.recv(write).unwrap_or(Ok(0))
                }
            };
            match written {
                Ok(length) => count += u64::try_from(length).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => {
                    socket.abort();
                    ended.broken = true;
                }
            }
        }
        let has_closed = matches!(
            socket.state(),
            State::CloseWait | State::LastAck | State::Closing | State::TimeWait
        );
        if has_closed && socket.recv_queue() == 0 && !ended.sending {
            remote.finish(context);
            ended.sending = true;
        }
        count
    }

    /// From the remote to the container; returns how many bytes.
    fn receive(&mut self, context: &mut Context<'_>) -> u64 {
        let Self {
            sockets,
            socket,
            remote,
            ended,
            ..
        } = self;
        let socket = sockets.get_mut::<Socket<'_>>(*socket);
        let mut count = 0;
        while socket.can_send() && !ended.broken && !ended.receiving {
            let read = match remote.poll_read_ready(context) {
                Poll::Pending => return count,
                Poll::Ready(Err(error)) => Err(error),
                Poll::Ready(Ok(())) => {
                    let read = |bytes: &mut [u8]| match remote.try_read(bytes) {
                        Ok(length) => (length, Ok(length)),
                        Err(error) => (0, Err(error)),
                    };
                    socket.send(read).unwrap_or(Ok(0))
                }
            };
            match read {
                Ok(0) => {
                    socket.close();
                    ended.receiving = true;
                }
                Ok(length) => count += u64::try_from(length).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => {
                    socket.abort();
                    ended.broken = true;
                }
            }
        }
        count
    }

    /// Tells whether nothing can come any more. Breaks off the other side if this side has failed.
    fn is_over(&mut self) -> bool {
        match self.socket().state() {
            _ if self.ended.broken => true,
            // Both have closed. The container's kernel waits for stray packets itself.
            State::TimeWait => self.ended.sending,
            State::Closed if self.ended.receiving && self.socket().recv_queue() > 0 => false,
            // It was reset before it was there.
            State::Listen | State::Closed => {
                if !(self.ended.sending && self.ended.receiving) {
                    self.remote.break_off();
                }
                true
            }
            _ => false,
        }
    }

    /// Waits for the stack's next deadline, or that of a half closed connection; ready if it has come.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        let half_open = self.socket().state() == State::SynReceived;
        let half_closed = half_open || self.ended.sending || self.ended.receiving;
        let stack = self.interface.poll_delay(self.now(), &self.sockets);
        let stack = stack.map(|delay| now + Duration::from_micros(delay.total_micros()));
        let deadline = match (stack, half_closed.then(|| self.moved + HALF_CLOSED)) {
            (_, Some(end)) if end <= now => {
                self.sockets.get_mut::<Socket<'_>>(self.socket).abort();
                self.remote.break_off();
                self.ended.broken = true;
                return Poll::Ready(());
            }
            (None, None) => return Poll::Pending,
            (Some(stack), None) => stack,
            (None, Some(end)) => end,
            (Some(stack), Some(end)) => stack.min(end),
        };
        self.timer.as_mut().reset(deadline.into());
        self.timer.as_mut().poll(context)
    }
}
