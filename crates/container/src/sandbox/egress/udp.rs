//! Datagram conversations: one socket for each pair of a container's port and a remote.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::SendFlags;
use smoltcp::wire::IpProtocol;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::task::{AbortHandle, JoinSet};

use super::packet::{self, Flow, Unreachable};
use super::tunnel::Shared;
use crate::Traffic;

/// Conversations of a container at once; the one that rested longest makes room.
const MOST: usize = 128;
/// What the kernel may hold of a conversation in each direction: it takes double of what it is asked
/// for, which is what sockets have where nobody has set it otherwise. Three of the longest datagrams.
const KERNEL_BUFFER: usize = 104 * 1024;
/// Rest after which a conversation is over.
const IDLE: Duration = Duration::from_secs(60);
/// Datagrams that are passed on before others get their turn.
const TURNS: usize = 32;
/// A report that a datagram was not delivered is heard as well.
const HEARD: Interest = Interest::READABLE.add(Interest::ERROR);

/// The conversations of a container.
#[derive(Debug, Default)]
pub(super) struct Conversations(RefCell<HashMap<Flow, Conversation>>);

#[derive(Debug)]
struct Conversation {
    socket: Rc<UdpSocket>,
    used: Rc<Cell<Instant>>,
    task: AbortHandle,
}

impl Conversations {
    /// Passes a datagram on, opening a conversation if there is none.
    pub(super) fn send(
        &self,
        shared: &Rc<Shared>,
        flow: Flow,
        data: &[u8],
        tasks: &mut JoinSet<()>,
    ) {
        let sent = match self.socket(&flow) {
            Some(socket) => pass_on(&socket, data),
            None => shared
                .permits(flow.target.ip())
                .and_then(|()| self.open(shared, flow, tasks))
                .and_then(|socket| pass_on(&socket, data)),
        };
        match sent {
            Ok(()) => shared.meter.add(Traffic {
                sent: u64::try_from(data.len()).unwrap_or_default(),
                ..Traffic::default()
            }),
            Err(why) => report(shared, &flow, why),
        }
    }

    /// The socket of a conversation, which is thereby in use.
    fn socket(&self, flow: &Flow) -> Option<Rc<UdpSocket>> {
        let conversations = self.0.borrow();
        let conversation = conversations.get(flow)?;
        conversation.used.set(Instant::now());
        Some(conversation.socket.clone())
    }

    fn open(
        &self,
        shared: &Rc<Shared>,
        flow: Flow,
        tasks: &mut JoinSet<()>,
    ) -> Result<Rc<UdpSocket>, Unreachable> {
        self.make_room();
        let share = shared.descriptor().ok_or(Unreachable::Port)?;
        let socket = connected(flow.target).map_err(|error| unreachable_by(&error))?;
        let socket = Rc::new(socket);
        let used = Rc::new(Cell::new(Instant::now()));
        let listening = listen(shared.clone(), flow, socket.clone(), used.clone());
        let task = tasks.spawn_local(async move {
            listening.await;
            drop(share);
        });
        let conversation = Conversation {
            socket: socket.clone(),
            used,
            task,
        };
        self.0.borrow_mut().insert(flow, conversation);
        shared.meter.add(Traffic {
            connections: 1,
            ..Traffic::default()
        });
        Ok(socket)
    }

    fn make_room(&self) {
        let mut conversations = self.0.borrow_mut();
        if conversations.len() < MOST {
            return;
        }
        let longest = conversations
            .iter()
            .min_by_key(|(_, conversation)| conversation.used.get());
        let longest = longest.map(|(flow, _)| *flow);
        if let Some(conversation) = longest.and_then(|flow| conversations.remove(&flow)) {
            conversation.task.abort();
        }
    }
}

/// Opens a socket that hears of one remote only.
pub(super) fn connected(target: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match target {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = std::net::UdpSocket::bind(any)?;
    socket.set_nonblocking(true)?;
    rustix::net::sockopt::set_socket_recv_buffer_size(&socket, KERNEL_BUFFER)?;
    rustix::net::sockopt::set_socket_send_buffer_size(&socket, KERNEL_BUFFER)?;
    socket.connect(target)?;
    UdpSocket::from_std(socket)
}

fn pass_on(socket: &UdpSocket, data: &[u8]) -> Result<(), Unreachable> {
    // Straight to the kernel: the runtime would first have to hear that a new socket is writable.
    match rustix::net::send(socket, data, SendFlags::DONTWAIT) {
        Ok(_) => Ok(()),
        // Datagrams may be lost, and these are where the way out is full.
        Err(Errno::AGAIN) => Ok(()),
        Err(errno) => Err(unreachable_by(&errno.into())),
    }
}

/// What an error of a socket means to whoever wanted to reach its remote.
pub(super) fn unreachable_by(error: &io::Error) -> Unreachable {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Unreachable::Port,
        io::ErrorKind::NetworkUnreachable => Unreachable::Network,
        io::ErrorKind::PermissionDenied => Unreachable::Prohibited,
        _ => Unreachable::Host,
    }
}

fn report(shared: &Shared, flow: &Flow, why: Unreachable) {
    // The container's kernel looks at the ports only.
    let quoted = packet::quoted(flow, 8 << 16);
    let report = packet::unreachable(flow, &quoted, IpProtocol::Udp, why);
    shared.tun.send(&report);
}

/// Hands the remote's datagrams to the container until the conversation has rested for long.
async fn listen(shared: Rc<Shared>, flow: Flow, socket: Rc<UdpSocket>, used: Rc<Cell<Instant>>) {
    loop {
        let end = used.get() + IDLE;
        match tokio::time::timeout_at(end.into(), socket.ready(HEARD)).await {
            Err(_) if used.get() + IDLE > Instant::now() => {}
            Err(_) | Ok(Err(_)) => break,
            Ok(Ok(_ready)) => {
                used.set(Instant::now());
                if let Some(error) = undelivered(&socket) {
                    report(&shared, &flow, unreachable_by(&error));
                }
                take_datagrams(&shared, &flow, &socket);
                tokio::task::yield_now().await;
            }
        }
    }
    shared.conversations.0.borrow_mut().remove(&flow);
}

/// What the socket has heard of an earlier datagram.
fn undelivered(socket: &UdpSocket) -> Option<io::Error> {
    let look = || {
        socket
            .take_error()?
            .ok_or_else(|| io::ErrorKind::WouldBlock.into())
    };
    socket.try_io(Interest::ERROR, look).ok()
}

fn take_datagrams(shared: &Shared, flow: &Flow, socket: &UdpSocket) {
    for _ in 0..TURNS {
        let received: io::Result<_> = shared.tun.buffers().lend(|buffer| {
            let length = socket.try_recv(buffer)?;
            let data = buffer.get(..length).unwrap_or_default();
            Ok((length, packet::datagram(flow, data)))
        });
        match received {
            Ok((length, datagram)) => {
                shared.tun.send(&datagram);
                shared.meter.add(Traffic {
                    received: u64::try_from(length).unwrap_or_default(),
                    ..Traffic::default()
                });
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => report(shared, flow, unreachable_by(&error)),
        }
    }
}
