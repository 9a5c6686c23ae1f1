//! The other end of one container's device: takes its packets apart and gives each to whom it belongs.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use smoltcp::wire::IpProtocol;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::task::JoinSet;

use super::descriptors::{Descriptors, Share};
use super::netlink::Netlink;
use super::packet::{self, Content, Flow, Outgoing, Unreachable};
use super::resolvers::{self, Resolvers};
use super::rules::{EgressRules, Refusal};
use super::tcp::{Connection, Remote};
use super::traffic::Meter;
use super::tun::Tun;
use super::udp::{self, Conversations};
use super::{GATEWAY_V4, dns, process};
use crate::Traffic;

/// How long a remote may take to accept a connection.
const DIAL_PATIENCE: Duration = Duration::from_secs(30);
/// Questions about names that a container may have open at once, in datagrams; more are not answered.
const QUESTIONS: usize = 32;
/// Descriptors of a connection: a pair of sockets and one to a resolver at most.
const CONNECTION: usize = 3;
/// What the kernel may hold of a connection in each direction: it takes double of what it is asked for.
/// It would grow to many megabytes by itself.
const KERNEL_BUFFER: u32 = 256 * 1024;
/// Packets that are read before others get their turn.
const TURNS: usize = 32;

/// What the tunnels of all containers have in common.
#[derive(Debug)]
pub(super) struct World {
    pub(super) rules: EgressRules,
    /// Connections of a container at once, and as many that it has just closed.
    pub(super) connections: usize,
    pub(super) netlink: Netlink,
    pub(super) resolvers: Resolvers,
    pub(super) descriptors: Descriptors,
}

/// What the tasks of one tunnel share; all run on one thread.
#[derive(Debug)]
pub(super) struct Shared {
    world: Rc<World>,
    pub(super) tun: Tun,
    pub(super) meter: Meter,
    connections: RefCell<HashMap<Flow, Slot>>,
    pub(super) conversations: Conversations,
    questions: Cell<usize>,
}

#[derive(Debug)]
enum Slot {
    /// The first packet waits until the remote has answered.
    Dialling,
    Open(Rc<RefCell<Connection>>),
}

/// Serves a container until it has ended: `container` is its pidfd.
pub(super) async fn serve(world: Rc<World>, tun: Tun, meter: Meter, container: AsyncFd<OwnedFd>) {
    let shared = Rc::new(Shared {
        world,
        tun,
        meter,
        connections: RefCell::default(),
        conversations: Conversations::default(),
        questions: Cell::new(0),
    });
    // Dropped with all tasks in it, so nothing outlives the container. As many as there are
    // connections, conversations and questions, each of which has a bound.
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            _ended = container.readable() => break,
            Some(finished) = tasks.join_next() => {
                // One that panicked has lost its own connection only.
                if let Err(error) = finished && error.is_panic() {
                    process::warn(format_args!("a connection has failed: {error}"));
                    debug_assert!(false, "a task of a tunnel panicked");
                }
            }
            ready = shared.tun.readable() => {
                let take = |packet: &[u8]| shared.take(packet, &mut tasks);
                let read = ready.and_then(|ready| shared.tun.read(ready, TURNS, take));
                if read.is_err() {
                    // The device is gone, and the container with it.
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
    }
}

impl Shared {
    /// Takes the descriptor of a conversation, if there are enough.
    pub(super) fn descriptor(&self) -> Option<Share> {
        self.world.descriptors.for_connection(1)
    }

    /// Asks the rules about an address, and the host's routing.
    pub(super) fn permits(&self, address: IpAddr) -> Result<(), Unreachable> {
        let World { rules, netlink, .. } = &*self.world;
        rules
            .judge(address, |address| netlink.place_of(address))
            .map_err(|refusal| match refusal {
                Refusal::Nowhere => Unreachable::Network,
                _ => Unreachable::Prohibited,
            })
    }

    fn take(self: &Rc<Self>, packet: &[u8], tasks: &mut JoinSet<()>) {
        let Some(Outgoing { flow, content }) = packet::parse(packet) else {
            return;
        };
        match content {
            Content::Datagram(data) if flow.target == resolver() => self.ask(flow, data, tasks),
            Content::Datagram(data) => self.conversations.send(self, flow, data, tasks),
            Content::Syn(sequence) => self.take_first(flow, sequence, packet, tasks),
            Content::Segment(answered) => self.take_next(&flow, answered, packet),
        }
    }

    fn ask(self: &Rc<Self>, flow: Flow, question: &[u8], tasks: &mut JoinSet<()>) {
        if self.questions.get() >= QUESTIONS {
            // Lost; whoever asks asks again.
            return;
        }
        let Some(share) = self.world.descriptors.for_connection(1) else {
            return;
        };
        let (asked, question) = (Asked::new(self.clone(), share), question.to_vec());
        tasks.spawn_local(async move {
            let shared = &asked.shared;
            let answer = dns::answer_datagram(&shared.world.resolvers, &question).await;
            let received = answer.as_ref().map_or(0, Vec::len);
            if let Some(answer) = answer {
                shared.tun.send(&packet::datagram(&flow, &answer));
            }
            shared.meter.add(Traffic {
                sent: u64::try_from(question.len()).unwrap_or_default(),
                received: u64::try_from(received).unwrap_or_default(),
                connections: 0,
            });
        });
    }

    fn take_first(self: &Rc<Self>, flow: Flow, sequence: u32, syn: &[u8], tasks: &mut JoinSet<()>) {
        let mut connections = self.connections.borrow_mut();
        match connections.get(&flow) {
            // Sent again because the remote takes its time.
            Some(Slot::Dialling) => {}
            Some(Slot::Open(connection)) => connection.borrow_mut().take(syn, &self.tun),
            // The container's kernel tries again when some have ended, of which it knows nothing.
            None if connections.len() >= 2 * self.world.connections => {}
            None if self.is_full(&connections) => {
                self.tun.send(&packet::refuse(&flow, sequence));
            }
            None => {
                let Some(share) = self.world.descriptors.for_connection(CONNECTION) else {
                    return self.tun.send(&packet::refuse(&flow, sequence));
                };
                connections.insert(flow, Slot::Dialling);
                let (shared, syn) = (self.clone(), syn.to_vec());
                tasks.spawn_local(async move {
                    let held = Held {
                        shared,
                        flow,
                        _share: share,
                    };
                    held.shared.connect(&held.flow, sequence, &syn).await;
                });
            }
        }
    }

    /// Tells whether the container has as many connections as it may have. Those that it has closed,
    /// whose last bytes may still be on their way, do not count.
    fn is_full(&self, connections: &HashMap<Flow, Slot>) -> bool {
        let most = self.world.connections;
        let counts = |slot: &&Slot| match slot {
            Slot::Dialling => true,
            Slot::Open(connection) => !connection.borrow().is_closed_inside(),
        };
        connections.len() >= most && connections.values().filter(counts).count() >= most
    }

    fn take_next(&self, flow: &Flow, answered: Option<u32>, packet: &[u8]) {
        match self.connections.borrow().get(flow) {
            Some(Slot::Dialling) => {}
            Some(Slot::Open(connection)) => connection.borrow_mut().take(packet, &self.tun),
            None => {
                if let Some(sequence) = answered {
                    self.tun.send(&packet::reset_stray(flow, sequence));
                }
            }
        }
    }

    /// Lives one connection from its first packet to its end.
    async fn connect(&self, flow: &Flow, sequence: u32, syn: &[u8]) {
        if flow.target == resolver() {
            let Ok((ours, theirs)) = UnixStream::pair() else {
                return self.tun.send(&packet::refuse(flow, sequence));
            };
            let relayed = self.relay(flow, syn, Remote::Resolver(ours));
            // Of the two only the connection's end ends both: a resolver that has no more to say must not
            // cut off its last answer, and an open question must not outlive whoever has asked it.
            let served = async {
                dns::serve(theirs, &self.world.resolvers).await;
                std::future::pending().await
            };
            return tokio::select! { () = relayed => {}, () = served => {} };
        }
        let dialled = match self.permits(flow.target.ip()) {
            Ok(()) => dial(flow.target).await,
            Err(why) => Err(why),
        };
        match dialled {
            Ok(stream) => self.relay(flow, syn, Remote::Internet(stream)).await,
            Err(Unreachable::Port) => self.tun.send(&packet::refuse(flow, sequence)),
            Err(why) => {
                let quoted = packet::quoted(flow, sequence);
                let report = packet::unreachable(flow, &quoted, IpProtocol::Tcp, why);
                self.tun.send(&report);
            }
        }
    }

    async fn relay(&self, flow: &Flow, syn: &[u8], remote: Remote) {
        let seed = RandomState::new().build_hasher().finish();
        let Some(connection) = Connection::accept(flow, syn, remote, &self.tun, seed) else {
            return;
        };
        self.meter.add(Traffic {
            connections: 1,
            ..Traffic::default()
        });
        let connection = Rc::new(RefCell::new(connection));
        let open = Slot::Open(connection.clone());
        self.connections.borrow_mut().insert(*flow, open);
        std::future::poll_fn(|context| {
            connection
                .borrow_mut()
                .poll(context, &self.tun, &self.meter)
        })
        .await;
    }
}

/// A place in the table of connections, free again when its task ends, whatever way, and not before:
/// what the table bounds is tasks with all they hold.
struct Held {
    shared: Rc<Shared>,
    flow: Flow,
    _share: Share,
}

impl Drop for Held {
    fn drop(&mut self) {
        let released = self.shared.connections.borrow_mut().remove(&self.flow);
        // Only when the table is free again: more may end with it.
        drop(released);
    }
}

/// One of the open questions, whatever way its task ends.
struct Asked {
    shared: Rc<Shared>,
    _share: Share,
}

impl Asked {
    fn new(shared: Rc<Shared>, share: Share) -> Self {
        shared.questions.set(shared.questions.get() + 1);
        Self {
            shared,
            _share: share,
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let questions = &self.shared.questions;
        questions.set(questions.get().saturating_sub(1));
    }
}

/// Where containers ask about names.
fn resolver() -> SocketAddr {
    (GATEWAY_V4, resolvers::PORT).into()
}

async fn dial(target: SocketAddr) -> Result<TcpStream, Unreachable> {
    let connected = async {
        let socket = match target {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // Before connecting, which decides about the largest window.
        socket.set_recv_buffer_size(KERNEL_BUFFER)?;
        socket.set_send_buffer_size(KERNEL_BUFFER)?;
        let stream = socket.connect(target).await?;
        // The container's kernel has already decided what belongs into one packet.
        stream.set_nodelay(true)?;
        io::Result::Ok(stream)
    };
    match tokio::time::timeout(DIAL_PATIENCE, connected).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(udp::unreachable_by(&error)),
        Err(_late) => Err(Unreachable::Host),
    }
}

#[cfg(test)]
mod tests;
