//! The routing part of netlink: sets up interfaces and asks where an address leads.

use std::cell::Cell;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::rules::Place;

/// Longest answer that is read; those about one route are far shorter.
const ANSWER_MAX: usize = 8192;
/// Length of the header of a message.
const HEADER: usize = 16;

/// A socket to the kernel's routing tables of the network namespace in which it was opened.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: OwnedFd,
    /// Number of the last question; its answer carries it.
    asked: Cell<u32>,
}

/// A message under construction.
struct Message(Vec<u8>);

impl Message {
    fn new(kind: u16, flags: i32, body: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend([0; 4]);
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(u16::try_from(flags).unwrap_or_default().to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend(body);
        Self(bytes)
    }

    /// Adds an attribute; all sizes here are multiples of four already.
    fn with(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(4 + value.len()).unwrap_or_default();
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self
    }

    fn finish(mut self, number: u32) -> Vec<u8> {
        let length = u32::try_from(self.0.len()).unwrap_or_default();
        if let Some([a, b, c, d, _, _, _, _, e, f, g, h]) = self.0.first_chunk_mut() {
            [*a, *b, *c, *d] = length.to_ne_bytes();
            [*e, *f, *g, *h] = number.to_ne_bytes();
        }
        self.0
    }
}

/// The address as the kernel wants it, its family and its length in bits.
fn octets(address: IpAddr) -> (Vec<u8>, u8, u8) {
    match address {
        IpAddr::V4(address) => (address.octets().into(), family(AddressFamily::INET), 32),
        IpAddr::V6(address) => (address.octets().into(), family(AddressFamily::INET6), 128),
    }
}

fn family(family: AddressFamily) -> u8 {
    u8::try_from(family.as_raw()).unwrap_or_default()
}

/// A route as the kernel describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Route {
    kind: u8,
    /// Length of the prefix that holds the address, where it was asked for.
    prefix: u8,
    gateway: bool,
}

impl Netlink {
    /// Opens a socket in the current network namespace.
    pub(crate) fn open() -> io::Result<Self> {
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            // The routing part, number 0.
            None,
        )?;
        Ok(Self {
            socket,
            asked: Cell::new(0),
        })
    }

    /// Sets the size of packets and of the queue of an interface, and raises it.
    pub(crate) fn raise(&self, index: u32, mtu: u32, queue: u32) -> io::Result<()> {
        let up = u32::try_from(libc::IFF_UP).unwrap_or_default();
        let mut body = vec![0; 4];
        body.extend(index.to_ne_bytes());
        body.extend(up.to_ne_bytes());
        body.extend(up.to_ne_bytes());
        let message = Message::new(
            libc::RTM_NEWLINK,
            libc::NLM_F_ACK | libc::NLM_F_REQUEST,
            &body,
        )
        .with(libc::IFLA_MTU, &mtu.to_ne_bytes())
        .with(libc::IFLA_TXQLEN, &queue.to_ne_bytes());
        self.acknowledged(message)
    }

    /// Gives an interface an address, whose neighbours are behind it.
    pub(crate) fn add_address(&self, index: u32, address: IpAddr, prefix: u8) -> io::Result<()> {
        let (octets, family, _) = octets(address);
        let mut body = vec![family, prefix, 0, 0];
        body.extend(index.to_ne_bytes());
        let message = Message::new(libc::RTM_NEWADDR, CREATE, &body)
            .with(libc::IFA_LOCAL, &octets)
            .with(libc::IFA_ADDRESS, &octets);
        self.acknowledged(message)
    }

    /// Sends everything for which there is no other route to a gateway.
    pub(crate) fn add_default_route(&self, index: u32, gateway: IpAddr) -> io::Result<()> {
        let (octets, family, _) = octets(gateway);
        let body = [
            family,
            0,
            0,
            0,
            libc::RT_TABLE_MAIN,
            libc::RTPROT_STATIC,
            libc::RT_SCOPE_UNIVERSE,
            libc::RTN_UNICAST,
            0,
            0,
            0,
            0,
        ];
        let message = Message::new(libc::RTM_NEWROUTE, CREATE, &body)
            .with(libc::RTA_GATEWAY, &octets)
            .with(libc::RTA_OIF, &index.to_ne_bytes());
        self.acknowledged(message)
    }

    fn acknowledged(&self, message: Message) -> io::Result<()> {
        self.ask(message).map(drop)
    }

    /// Asks the kernel, with all its tables and rules, where an address leads right now.
    pub(crate) fn place_of(&self, address: IpAddr) -> io::Result<Place> {
        let route = match self.route(address, 0) {
            Ok(route) => route,
            Err(error) if leads_nowhere(&error) => return Ok(Place::Nowhere),
            Err(error) => return Err(error),
        };
        Ok(match route.kind {
            libc::RTN_LOCAL | libc::RTN_ANYCAST => Place::Host,
            libc::RTN_BROADCAST | libc::RTN_MULTICAST => Place::Neighbour,
            libc::RTN_UNICAST if route.gateway => Place::Beyond,
            // A link without addresses of its own (a modem, a tunnel) has a default route without a
            // gateway, or two halves of one; a longer prefix is a network that the host is attached to.
            libc::RTN_UNICAST if self.route(address, FIB_MATCH)?.prefix <= 1 => Place::Beyond,
            libc::RTN_UNICAST => Place::Neighbour,
            _ => Place::Nowhere,
        })
    }

    fn route(&self, address: IpAddr, flags: u32) -> io::Result<Route> {
        let (octets, family, bits) = octets(address);
        let mut body = vec![family, bits, 0, 0, 0, 0, 0, 0];
        body.extend(flags.to_ne_bytes());
        let message = Message::new(libc::RTM_GETROUTE, libc::NLM_F_REQUEST, &body)
            .with(libc::RTA_DST, &octets);
        let answer = self.ask(message)?;
        parse_route(&answer).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn ask(&self, message: Message) -> io::Result<Vec<u8>> {
        let number = self.asked.get().wrapping_add(1);
        self.asked.set(number);
        let kernel = SocketAddrNetlink::new(0, 0);
        let message = message.finish(number);
        rustix::net::sendto(&self.socket, &message, SendFlags::empty(), &kernel)?;
        loop {
            let mut answer = vec![0; ANSWER_MAX];
            let (length, _) = rustix::net::recv(&self.socket, &mut answer, RecvFlags::empty())?;
            answer.truncate(length);
            if number_of(&answer) != Some(number) {
                // To a question that was given up, after a signal or for want of memory.
                continue;
            }
            return match error_of(&answer) {
                Some(0) | None => Ok(answer),
                Some(errno) => Err(io::Error::from_raw_os_error(errno)),
            };
        }
    }
}

/// Makes something that must not be there yet, and has it acknowledged.
const CREATE: i32 = libc::NLM_F_REQUEST | libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
/// Asks for the entry of the table rather than what it amounts to (`RTM_F_FIB_MATCH`).
const FIB_MATCH: u32 = 0x2000;

fn leads_nowhere(error: &io::Error) -> bool {
    let errno = error.raw_os_error().unwrap_or_default();
    [
        libc::ENETUNREACH,
        libc::EHOSTUNREACH,
        libc::EACCES,
        libc::EINVAL,
        libc::ENETDOWN,
    ]
    .contains(&errno)
}

/// The number of the question that an answer is for.
fn number_of(answer: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(*answer.get(8..)?.first_chunk()?))
}

/// The error number in an answer that is an error or an acknowledgement (0).
fn error_of(answer: &[u8]) -> Option<i32> {
    let kind = u16::from_ne_bytes(*answer.get(4..)?.first_chunk()?);
    if i32::from(kind) != libc::NLMSG_ERROR {
        return None;
    }
    let errno = i32::from_ne_bytes(*answer.get(HEADER..)?.first_chunk()?);
    Some(errno.saturating_neg())
}

fn parse_route(answer: &[u8]) -> Option<Route> {
    let kind = u16::from_ne_bytes(*answer.get(4..)?.first_chunk()?);
    if kind != libc::RTM_NEWROUTE {
        return None;
    }
    let body: &[u8; 12] = answer.get(HEADER..)?.first_chunk()?;
    let [_, prefix, _, _, _, _, _, kind, ..] = *body;
    let mut rest = answer.get(HEADER + body.len()..)?;
    let mut gateway = false;
    while let [a, b, c, d, ..] = *rest {
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let attribute = u16::from_ne_bytes([c, d]);
        gateway |= attribute == libc::RTA_GATEWAY || attribute == RTA_VIA;
        rest = rest
            .get(length.max(4).next_multiple_of(4)..)
            .unwrap_or_default();
    }
    Some(Route {
        kind,
        prefix,
        gateway,
    })
}

/// A gateway of the other address family.
const RTA_VIA: u16 = 18;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn loopback_is_the_host() {
        let netlink = Netlink::open().unwrap();
        let place = netlink.place_of("127.0.0.1".parse().unwrap()).unwrap();
        assert_eq!(place, Place::Host);
    }

    #[test]
    fn answer_to_an_earlier_question_is_passed_over() {
        let netlink = Netlink::open().unwrap();
        // A question that is given up after it was sent.
        let given_up = Message::new(libc::RTM_GETROUTE, libc::NLM_F_REQUEST, &[u8::MAX; 12]);
        let kernel = SocketAddrNetlink::new(0, 0);
        let message = given_up.finish(u32::MAX);
        rustix::net::sendto(&netlink.socket, &message, SendFlags::empty(), &kernel).unwrap();
        for _ in 0..2 {
            let place = netlink.place_of("127.0.0.1".parse().unwrap()).unwrap();
            assert_eq!(place, Place::Host);
        }
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(answer in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _either = (parse_route(&answer), error_of(&answer));
        }
    }
}
