//! The way out for actions: the network mode `egress`.
//!
//! Each container's network namespace has a TUN device besides loopback, made and configured by the
//! process that makes the namespace. A process of its own ([`process`]) holds the other ends: it ends
//! each TCP connection there in a user-space stack (`smoltcp`) and dials the same address from the
//! host, passes datagrams on, and answers questions about names with what the host's resolvers say.
//! It asks [`rules`] about each connection. Nothing of the host is configured, and no privilege is needed.
//!
//! A process of its own, and not a task of the server: what actions send is read by a process that
//! can do little but dial (no capabilities, no files but lists of resolvers and what is beside them, no
//! sockets of other programs, a system call filter), a transfer at full speed does not delay other
//! invocations (the server has one thread), and its buffers and descriptors are not the server's.
//!
//! `smoltcp` because it is maintained, has no unsafe code and no dependency to speak of, and lets all
//! memory be given out by us: each connection is an interface with one socket and two buffers.
//! `ipstack` keeps unbounded queues between its tasks; the crates around lwIP are C.

mod descriptors;
mod dns;
pub(crate) mod netlink;
mod packet;
pub(crate) mod process;
mod resolvers;
pub(crate) mod rules;
mod tcp;
pub(crate) mod traffic;
pub(crate) mod tun;
mod tunnel;
mod udp;

use std::net::{Ipv4Addr, Ipv6Addr};

pub use rules::EgressRules;

/// The container's own address, the same in each: every container is alone in its network. Of the
/// range for the inner end of IPv4 tunnels (RFC 7335), which nothing else uses.
pub(crate) const CONTAINER_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 2);
/// Our end, which is also the resolver.
pub(crate) const GATEWAY_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 1);
/// Length of the prefix of both.
pub(crate) const PREFIX_V4: u8 = 29;
/// The tunnel's IPv6 network, from the unique local range.
pub(crate) const TUNNEL_V6: Ipv6Addr = Ipv6Addr::new(0xfd6f, 0x7877, 0x6869, 0x736b, 0, 0, 0, 0);
/// The container's own IPv6 address.
pub(crate) const CONTAINER_V6: Ipv6Addr = Ipv6Addr::new(0xfd6f, 0x7877, 0x6869, 0x736b, 0, 0, 0, 2);
/// Our end.
pub(crate) const GATEWAY_V6: Ipv6Addr = Ipv6Addr::new(0xfd6f, 0x7877, 0x6869, 0x736b, 0, 0, 0, 1);
/// Length of the prefix of both.
pub(crate) const PREFIX_V6: u8 = 64;
