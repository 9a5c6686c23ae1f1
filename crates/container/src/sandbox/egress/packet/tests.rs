use proptest::prelude::*;

use super::*;

fn flow(target: &str) -> Flow {
    Flow {
        port: 40_000,
        target: target.parse().unwrap(),
    }
}

/// A packet as a container would send it: the answer to it, turned round.
fn sent_by_container(flow: &Flow, protocol: IpProtocol, payload: &[u8]) -> Vec<u8> {
    let (from, to) = (flow.container().into(), flow.target.ip().into());
    let ip = IpRepr::new(from, to, protocol, payload.len(), HOPS);
    assemble(&ip, |buffer, _| buffer.copy_from_slice(payload))
}

fn udp_header(flow: &Flow, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + data.len()).unwrap();
    let mut header = flow.port.to_be_bytes().to_vec();
    header.extend(flow.target.port().to_be_bytes());
    header.extend(length.to_be_bytes());
    header.extend([0, 0]);
    header.extend(data);
    header
}

fn tcp_header(flow: &Flow, flags: u8) -> Vec<u8> {
    let mut header = quoted(flow, 77).to_vec();
    header.extend([0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    header
}

#[test]
fn datagrams_and_connections_are_told_apart() {
    for target in ["203.0.113.5:53", "[2001:db8::1]:53"] {
        let flow = flow(target);
        let udp = sent_by_container(&flow, IpProtocol::Udp, &udp_header(&flow, b"hello"));
        let content = Content::Datagram(b"hello");
        assert_eq!(parse(&udp), Some(Outgoing { flow, content }));
        let syn = sent_by_container(&flow, IpProtocol::Tcp, &tcp_header(&flow, 0x02));
        let content = Content::Syn(77);
        assert_eq!(parse(&syn), Some(Outgoing { flow, content }));
        for (flags, answered) in [(0x10, true), (0x12, true), (0x14, false), (0x01, false)] {
            let other = sent_by_container(&flow, IpProtocol::Tcp, &tcp_header(&flow, flags));
            let content = Content::Segment(answered.then_some(0));
            assert_eq!(
                parse(&other),
                Some(Outgoing { flow, content }),
                "{flags:#x}"
            );
        }
    }
}

#[test]
fn what_is_not_from_the_container_or_not_whole_is_dropped() {
    let flow = flow("203.0.113.5:53");
    let sound = sent_by_container(&flow, IpProtocol::Udp, &udp_header(&flow, b"hello"));
    let with = |place: usize, byte: u8| {
        let mut changed = sound.clone();
        changed[place] = byte;
        changed
    };
    assert!(parse(&sound).is_some());
    assert_eq!(parse(&with(12, 9)), None, "foreign source");
    assert_eq!(parse(&with(6, 0x20)), None, "first fragment");
    assert_eq!(parse(&with(7, 1)), None, "later fragment");
    assert_eq!(parse(&with(9, 1)), None, "another protocol");
    assert_eq!(parse(&with(0, 0x55)), None, "another version");
    assert_eq!(parse(&with(25, 200)), None, "length beyond the packet");
    for length in 0..sound.len() {
        assert_eq!(parse(&sound[..length]), None, "{length} bytes");
    }
}

#[test]
fn answers_are_sound_packets() {
    for target in ["203.0.113.5:80", "[2001:db8::1]:80"] {
        let flow = flow(target);
        let caps = ChecksumCapabilities::default();
        for packet in [refuse(&flow, 7), datagram(&flow, &[1; 70])] {
            let (protocol, payload, from, to) = opened(&packet);
            assert_eq!(from, flow.target.ip().into());
            assert_eq!(to, flow.container().into());
            match protocol {
                IpProtocol::Tcp => {
                    let packet = TcpPacket::new_checked(payload).unwrap();
                    let answer = TcpRepr::parse(&packet, &from, &to, &caps).unwrap();
                    assert_eq!(answer.control, TcpControl::Rst);
                    assert_eq!(answer.ack_number, Some(TcpSeqNumber(8)));
                }
                _ => {
                    let packet = UdpPacket::new_checked(payload).unwrap();
                    UdpRepr::parse(&packet, &from, &to, &caps).unwrap();
                    assert_eq!(packet.payload(), [1; 70]);
                }
            }
        }
        let report = unreachable(&flow, &quoted(&flow, 7), IpProtocol::Tcp, Unreachable::Host);
        let (protocol, _, from, to) = opened(&report);
        assert!(matches!(protocol, IpProtocol::Icmp | IpProtocol::Icmpv6));
        assert_ne!(from, flow.target.ip().into());
        assert_eq!(to, flow.container().into());
    }
}

fn opened(packet: &[u8]) -> (IpProtocol, &[u8], IpAddress, IpAddress) {
    if packet[0] >> 4 == 4 {
        let ip = Ipv4Packet::new_checked(packet).unwrap();
        assert!(ip.verify_checksum());
        (
            ip.next_header(),
            ip.payload(),
            ip.src_addr().into(),
            ip.dst_addr().into(),
        )
    } else {
        let ip = Ipv6Packet::new_checked(packet).unwrap();
        (
            ip.next_header(),
            &packet[40..],
            ip.src_addr().into(),
            ip.dst_addr().into(),
        )
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_dropped(packet in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _either = parse(&packet);
    }

    #[test]
    fn sound_packets_with_damage_are_read_or_dropped(
        v6: bool,
        udp: bool,
        data in proptest::collection::vec(any::<u8>(), 0..100),
        damage in proptest::collection::vec((0_usize..160, any::<u8>()), 0..6),
        cut in 0_usize..160,
    ) {
        let flow = flow(if v6 { "[2001:db8::1]:9" } else { "203.0.113.5:9" });
        let mut packet = if udp {
            sent_by_container(&flow, IpProtocol::Udp, &udp_header(&flow, &data))
        } else {
            sent_by_container(&flow, IpProtocol::Tcp, &[tcp_header(&flow, 0x18), data].concat())
        };
        for (place, byte) in damage {
            if let Some(old) = packet.get_mut(place) {
                *old = byte;
            }
        }
        packet.truncate(cut.max(1));
        if let Some(outgoing) = parse(&packet) {
            // Whatever is read can be answered.
            let _packets = (
                refuse(&outgoing.flow, u32::MAX),
                reset_stray(&outgoing.flow, u32::MAX),
                datagram(&outgoing.flow, &packet),
                unreachable(&outgoing.flow, &packet, IpProtocol::Udp, Unreachable::Port),
            );
        }
    }
}
