//! Packets from and to a container: what is read of them, and the answers that no socket gives.

use std::net::{IpAddr, SocketAddr};

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    Icmpv4DstUnreachable, Icmpv4Packet, Icmpv4Repr, Icmpv6DstUnreachable, Icmpv6Packet, Icmpv6Repr,
    IpAddress, IpProtocol, IpRepr, Ipv4Packet, Ipv4Repr, Ipv6Packet, Ipv6Repr, TcpControl,
    TcpPacket, TcpRepr, TcpSeqNumber, UdpPacket, UdpRepr,
};

use super::{CONTAINER_V4, CONTAINER_V6, GATEWAY_V4, GATEWAY_V6};

/// How far our packets would travel; they only go into the container.
const HOPS: u8 = 64;
/// How much of a packet comes back in a report that it was not delivered.
const QUOTED: usize = 28;

/// What belongs to one conversation of a container: its own port and whom it talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Flow {
    pub(super) port: u16,
    pub(super) target: SocketAddr,
}

impl Flow {
    /// The container's own address in this conversation.
    pub(super) fn container(&self) -> IpAddr {
        match self.target {
            SocketAddr::V4(_) => CONTAINER_V4.into(),
            SocketAddr::V6(_) => CONTAINER_V6.into(),
        }
    }
}

/// A packet that a container has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outgoing<'a> {
    pub(super) flow: Flow,
    pub(super) content: Content<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content<'a> {
    /// The first packet of a connection, with its sequence number.
    Syn(u32),
    /// Any other packet of a connection. If it calls for an answer where there is no connection: the
    /// sequence number of that answer.
    Segment(Option<u32>),
    Datagram(&'a [u8]),
}

/// Reads a packet; nothing if it is damaged, of another kind, a fragment, or not from the container's
/// own address.
pub(super) fn parse(packet: &[u8]) -> Option<Outgoing<'_>> {
    let (source, target, protocol, payload) = match packet.first()? >> 4 {
        4 => {
            let ip = Ipv4Packet::new_checked(packet).ok()?;
            if ip.version() != 4 || ip.more_frags() || ip.frag_offset() != 0 {
                return None;
            }
            // The header's own check stands; it is what finds a damaged length.
            let (source, target) = (IpAddr::V4(ip.src_addr()), IpAddr::V4(ip.dst_addr()));
            let payload = packet.get(ip.header_len().into()..ip.total_len().into())?;
            (source, target, ip.next_header(), payload)
        }
        6 => {
            let ip = Ipv6Packet::new_checked(packet).ok()?;
            let (source, target) = (IpAddr::V6(ip.src_addr()), IpAddr::V6(ip.dst_addr()));
            let payload = packet.get(ip.header_len()..ip.total_len())?;
            (source, target, ip.next_header(), payload)
        }
        _ => return None,
    };
    let (port, target_port, content) = match protocol {
        IpProtocol::Tcp => {
            let tcp = TcpPacket::new_checked(payload).ok()?;
            let content = if tcp.syn() && !tcp.ack() && !tcp.rst() && !tcp.fin() {
                // Data in it is not taken; the container sends it again.
                Content::Syn(tcp.seq_number().0.cast_unsigned())
            } else {
                let answered = tcp.ack() && !tcp.rst();
                Content::Segment(answered.then(|| tcp.ack_number().0.cast_unsigned()))
            };
            (tcp.src_port(), tcp.dst_port(), content)
        }
        IpProtocol::Udp => {
            let udp = UdpPacket::new_checked(payload).ok()?;
            let data = payload.get(8..udp.len().into())?;
            (udp.src_port(), udp.dst_port(), Content::Datagram(data))
        }
        _ => return None,
    };
    let flow = Flow {
        port,
        target: SocketAddr::new(target, target_port),
    };
    let is_sound = source == flow.container() && port != 0 && target_port != 0;
    is_sound.then_some(Outgoing { flow, content })
}

/// Why something is not delivered, as a container's kernel understands it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreachable {
    Network,
    Host,
    Port,
    /// By our rules.
    Prohibited,
}

impl Unreachable {
    fn v4(self) -> Icmpv4DstUnreachable {
        match self {
            Self::Network => Icmpv4DstUnreachable::NetUnreachable,
            Self::Host => Icmpv4DstUnreachable::HostUnreachable,
            Self::Port => Icmpv4DstUnreachable::PortUnreachable,
            Self::Prohibited => Icmpv4DstUnreachable::CommProhibited,
        }
    }

    fn v6(self) -> Icmpv6DstUnreachable {
        match self {
            Self::Network => Icmpv6DstUnreachable::NoRoute,
            Self::Host => Icmpv6DstUnreachable::AddrUnreachable,
            Self::Port => Icmpv6DstUnreachable::PortUnreachable,
            Self::Prohibited => Icmpv6DstUnreachable::AdminProhibit,
        }
    }
}

/// Tells the container that a packet of a conversation was not delivered. `quoted` is the beginning
/// of its TCP or UDP header, at least 8 bytes.
pub(super) fn unreachable(
    flow: &Flow,
    quoted: &[u8],
    protocol: IpProtocol,
    why: Unreachable,
) -> Vec<u8> {
    let data = quoted.get(..QUOTED).unwrap_or(quoted);
    match flow.target.ip() {
        IpAddr::V4(target) => {
            let header = Ipv4Repr {
                src_addr: CONTAINER_V4,
                dst_addr: target,
                next_header: protocol,
                payload_len: data.len(),
                hop_limit: HOPS,
            };
            let report = Icmpv4Repr::DstUnreachable {
                reason: why.v4(),
                header,
                data,
            };
            let ip = IpRepr::Ipv4(Ipv4Repr {
                src_addr: GATEWAY_V4,
                dst_addr: CONTAINER_V4,
                next_header: IpProtocol::Icmp,
                payload_len: report.buffer_len(),
                hop_limit: HOPS,
            });
            assemble(&ip, |payload, checksums| {
                report.emit(&mut Icmpv4Packet::new_unchecked(payload), checksums);
            })
        }
        IpAddr::V6(target) => {
            let header = Ipv6Repr {
                src_addr: CONTAINER_V6,
                dst_addr: target,
                next_header: protocol,
                payload_len: data.len(),
                hop_limit: HOPS,
            };
            let report = Icmpv6Repr::DstUnreachable {
                reason: why.v6(),
                header,
                data,
            };
            let ip = IpRepr::Ipv6(Ipv6Repr {
                src_addr: GATEWAY_V6,
                dst_addr: CONTAINER_V6,
                next_header: IpProtocol::Icmpv6,
                payload_len: report.buffer_len(),
                hop_limit: HOPS,
            });
            assemble(&ip, |payload, checksums| {
                let packet = &mut Icmpv6Packet::new_unchecked(payload);
                report.emit(&GATEWAY_V6, &CONTAINER_V6, packet, checksums);
            })
        }
    }
}

/// The beginning of a header with the ports and the sequence number of a connection's first packet,
/// or with the length of a datagram.
pub(super) fn quoted(flow: &Flow, after_ports: u32) -> [u8; 8] {
    let [a, b] = flow.port.to_be_bytes();
    let [c, d] = flow.target.port().to_be_bytes();
    let [e, f, g, h] = after_ports.to_be_bytes();
    [a, b, c, d, e, f, g, h]
}

/// Refuses a connection: the answer to its first packet.
pub(super) fn refuse(flow: &Flow, sequence: u32) -> Vec<u8> {
    reset(
        flow,
        TcpSeqNumber(0),
        Some(TcpSeqNumber(sequence.cast_signed()) + 1),
    )
}

/// Ends what the container takes for a connection.
pub(super) fn reset_stray(flow: &Flow, sequence: u32) -> Vec<u8> {
    reset(flow, TcpSeqNumber(sequence.cast_signed()), None)
}

fn reset(flow: &Flow, seq_number: TcpSeqNumber, ack_number: Option<TcpSeqNumber>) -> Vec<u8> {
    let answer = TcpRepr {
        src_port: flow.target.port(),
        dst_port: flow.port,
        control: TcpControl::Rst,
        seq_number,
        ack_number,
        window_len: 0,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    };
    let (from, to, ip) = answer_header(flow, IpProtocol::Tcp, answer.buffer_len());
    assemble(&ip, |payload, checksums| {
        answer.emit(
            &mut TcpPacket::new_unchecked(payload),
            &from,
            &to,
            checksums,
        );
    })
}

/// A datagram from whom the container talks to.
pub(super) fn datagram(flow: &Flow, data: &[u8]) -> Vec<u8> {
    let header = UdpRepr {
        src_port: flow.target.port(),
        dst_port: flow.port,
    };
    let (from, to, ip) = answer_header(flow, IpProtocol::Udp, header.header_len() + data.len());
    assemble(&ip, |payload, checksums| {
        let packet = &mut UdpPacket::new_unchecked(payload);
        let fill = |buffer: &mut [u8]| buffer.copy_from_slice(data);
        header.emit(packet, &from, &to, data.len(), fill, checksums);
    })
}

fn answer_header(
    flow: &Flow,
    protocol: IpProtocol,
    length: usize,
) -> (IpAddress, IpAddress, IpRepr) {
    let (from, to) = (
        IpAddress::from(flow.target.ip()),
        IpAddress::from(flow.container()),
    );
    (from, to, IpRepr::new(from, to, protocol, length, HOPS))
}

fn assemble(ip: &IpRepr, fill: impl FnOnce(&mut [u8], &ChecksumCapabilities)) -> Vec<u8> {
    let checksums = ChecksumCapabilities::default();
    let mut packet = vec![0; ip.buffer_len()];
    ip.emit(&mut packet, &checksums);
    fill(
        packet.get_mut(ip.header_len()..).unwrap_or_default(),
        &checksums,
    );
    packet
}

#[cfg(test)]
mod tests;
