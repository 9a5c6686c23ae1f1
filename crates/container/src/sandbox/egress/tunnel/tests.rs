//! The whole path of packets, with the test in the place of a container's kernel.

mod kernel;

use std::future::Future;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use proptest::prelude::*;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use smoltcp::wire::{IpAddress, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber};
use tokio::io::{AsyncWriteExt as _, Interest};

use self::kernel::*;
use super::*;
use crate::sandbox::egress::traffic;
use crate::sandbox::egress::{CONTAINER_V4, CONTAINER_V6};
use crate::watched::watch;

#[test]
fn connections_to_the_resolver_are_bounded_like_others() {
    with_tunnel(|kernel| async {
        for port in 1..=8 {
            opened(&kernel, &to_resolver(port)).await;
        }
        assert!(is_refused(&kernel, 9).await);
        assert_eq!(traffic::read(&kernel.traffic).unwrap().connections, 8);
        kernel
    });
}

/// A resolver that accepts connections and never answers.
fn silent_resolver() -> (std::net::TcpListener, Host) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("etc")).unwrap();
    std::fs::write(
        root.path().join("etc/resolv.conf"),
        "nameserver 127.0.0.1\n",
    )
    .unwrap();
    let folder = std::fs::File::open(root.path()).unwrap();
    let port = listener.local_addr().unwrap().port();
    let host = Host {
        resolvers: Resolvers::on_port(folder.into(), port),
        folder: Some(root),
        ..Host::default()
    };
    (listener, host)
}

#[test]
fn question_ends_with_the_connection_on_which_it_was_asked() {
    // Sooner than the resolver's patience with the server ends.
    const SOON: Duration = Duration::from_secs(2);
    let (listener, host) = silent_resolver();
    with_tunnel_on(host, |kernel| async {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        for _ in 0..3 {
            // The same port each time: nothing of the one before takes anything from the next.
            let flow = to_resolver(5);
            let first = opened(&kernel, &flow).await;
            let acknowledged = Some(TcpSeqNumber(first.wrapping_add(1)));
            let question = [&[0, 19][..], &question(7)].concat();
            let asks = |tcp: &mut TcpRepr<'_>| {
                tcp.seq_number = TcpSeqNumber(1);
                tcp.ack_number = acknowledged;
            };
            kernel.send(&segment(&flow, asks, &question)).await;
            let (upstream, _) = tokio::time::timeout(PATIENCE, listener.accept())
                .await
                .unwrap()
                .unwrap();
            let resets = |tcp: &mut TcpRepr<'_>| {
                tcp.control = TcpControl::Rst;
                tcp.seq_number = TcpSeqNumber(1 + 21);
                tcp.ack_number = acknowledged;
            };
            kernel.send(&segment(&flow, resets, &[])).await;
            let ended = async {
                // The question, then the end.
                let mut bytes = [0; 64];
                loop {
                    upstream.readable().await.unwrap();
                    match upstream.try_read(&mut bytes) {
                        Ok(0) => return,
                        Ok(_) => {}
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(_reset) => return,
                    }
                }
            };
            let ended = tokio::time::timeout(SOON, ended).await;
            ended.expect("the server is asked no longer");
        }
        kernel
    });
}

/// What the tunnel answers to the first packet of a connection to the resolver: whether it refuses.
async fn is_refused(kernel: &Kernel, port: u16) -> bool {
    let syn = |tcp: &mut TcpRepr<'_>| tcp.control = TcpControl::Syn;
    kernel.send(&segment(&to_resolver(port), syn, &[])).await;
    let answer = kernel.receive().await.unwrap();
    TcpPacket::new_checked(&answer[20..]).unwrap().rst()
}

#[test]
fn connections_for_which_descriptors_are_missing_are_refused() {
    let host = Host {
        // Room for two, and what is kept for containers.
        descriptors: Descriptors::within(Some(64 + 8)),
        ..Host::default()
    };
    with_tunnel_on(host, |kernel| async {
        opened(&kernel, &to_resolver(1)).await;
        let second = opened(&kernel, &to_resolver(2)).await;
        assert!(is_refused(&kernel, 3).await);
        let resets = |tcp: &mut TcpRepr<'_>| {
            tcp.control = TcpControl::Rst;
            tcp.seq_number = TcpSeqNumber(1);
            tcp.ack_number = Some(TcpSeqNumber(second.wrapping_add(1)));
        };
        kernel.send(&segment(&to_resolver(2), resets, &[])).await;
        let freed = async { while is_refused(&kernel, 4).await {} };
        tokio::time::timeout(PATIENCE, freed).await.unwrap();
        kernel
    });
}

#[test]
fn container_that_cannot_be_taken_over_does_not_end_the_others() {
    let (helper, control) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )
    .unwrap();
    on_one_thread(async {
        let world = Host::default().world();
        let process = tokio::task::spawn_local(process::take_orders(control, Rc::new(world)));
        let (kernel, device, ended, file) = container();
        let plain = tempfile::tempfile().unwrap();
        let orders: [&[BorrowedFd<'_>]; 4] = [
            // Cut short, as by a full table.
            &[device.as_fd()],
            &[],
            // Nothing that can be waited for.
            &[plain.as_fd(), plain.as_fd(), plain.as_fd()],
            &[device.as_fd(), ended.as_fd(), file.as_fd()],
        ];
        crate::sandbox::wire::send(&helper, &"nonsense", &[]).unwrap();
        for fds in orders {
            crate::sandbox::wire::send(&helper, &(), fds).unwrap();
        }
        assert!(kernel.is_served(3).await);
        drop(helper);
        let ended = tokio::time::timeout(PATIENCE, process).await.unwrap();
        ended.unwrap().unwrap();
    });
}

/// What the kernel may hold of a socket, received and to send.
fn held_by_the_kernel(socket: impl AsFd) -> [usize; 2] {
    let socket = socket.as_fd();
    [
        rustix::net::sockopt::socket_recv_buffer_size(socket).unwrap(),
        rustix::net::sockopt::socket_send_buffer_size(socket).unwrap(),
    ]
}

#[test]
fn buffers_of_the_kernel_are_bounded() {
    on_one_thread(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stream, accepted) = tokio::join!(dial(address), listener.accept());
        let (mut accepted, _) = accepted.unwrap();
        let stream = stream.unwrap();
        // Neither do they grow while bytes are moved.
        let block = vec![7; 1 << 16];
        let writes = async {
            for _ in 0..256 {
                accepted.write_all(&block).await.unwrap();
            }
            drop(accepted);
        };
        let reads = async {
            let mut bytes = vec![0; 1 << 16];
            loop {
                stream.readable().await.unwrap();
                if matches!(stream.try_read(&mut bytes), Ok(0)) {
                    return;
                }
            }
        };
        tokio::join!(writes, reads);
        for size in held_by_the_kernel(&stream) {
            assert!(size <= 512 << 10, "{size} of a connection");
        }
        for size in held_by_the_kernel(udp::connected(address).unwrap()) {
            assert!(size <= 208 << 10, "{size} of a conversation");
        }
    });
}

#[test]
fn stray_segment_is_reset() {
    with_tunnel(|kernel| async {
        let stray = |tcp: &mut TcpRepr<'_>| tcp.ack_number = Some(TcpSeqNumber(5));
        kernel.send(&segment(&to_resolver(7), stray, b"data")).await;
        let answer = kernel.receive().await.unwrap();
        let tcp = TcpPacket::new_checked(&answer[20..]).unwrap();
        assert!(tcp.rst());
        assert_eq!(tcp.seq_number(), TcpSeqNumber(5));
        kernel
    });
}

/// Packets of every kind, most of them damaged, from the container's own addresses or others.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let header = (
        any::<bool>(),
        any::<bool>(),
        proptest::sample::select(vec![6_u8, 17, 1, 58, 0]),
    );
    let body = proptest::collection::vec(any::<u8>(), 0..120);
    let framed = (header, body).prop_map(|((is_v4, is_own, protocol), body)| {
        let own_4 = if is_own {
            CONTAINER_V4
        } else {
            [10, 0, 0, 1].into()
        };
        let mut packet = if is_v4 {
            let length = u8::try_from(20 + body.len()).unwrap();
            let mut packet = vec![0x45, 0, 0, length, 0, 0, 0, 0, 64, protocol, 0, 0];
            packet.extend(own_4.octets());
            packet.extend([203, 0, 113, 9]);
            packet
        } else {
            let length = u8::try_from(body.len()).unwrap();
            let mut packet = vec![0x60, 0, 0, 0, 0, length, protocol, 64];
            packet.extend(CONTAINER_V6.octets());
            packet.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
            packet
        };
        packet.extend(body);
        packet
    });
    prop_oneof![proptest::collection::vec(any::<u8>(), 0..200), framed]
}

/// Segments of a connection that is there: any flags, any place, any data.
fn segments() -> impl Strategy<Value = (u8, i32, i32, u16, Vec<u8>)> {
    let near = prop_oneof![-3_i32..3000, any::<i32>()];
    let data = proptest::collection::vec(any::<u8>(), 0..80);
    (any::<u8>(), near.clone(), near, any::<u16>(), data)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn tunnel_outlives_any_packets(frames in proptest::collection::vec(frames(), 1..100)) {
        with_tunnel(|kernel| async move {
            for frame in &frames {
                kernel.send(frame).await;
            }
            assert!(kernel.is_served(1).await);
            kernel
        });
    }

    #[test]
    fn tunnel_outlives_any_segments(
        segments in proptest::collection::vec(segments(), 1..60),
        damage in proptest::collection::vec((40_usize..100, any::<u8>()), 0..4),
    ) {
        with_tunnel(|kernel| async move {
            let flow = to_resolver(999);
            let first = opened(&kernel, &flow).await;
            for (flags, sequence, acknowledged, window, data) in &segments {
                let change = |tcp: &mut TcpRepr<'_>| {
                    tcp.seq_number = TcpSeqNumber(sequence.wrapping_add(1));
                    tcp.ack_number = Some(TcpSeqNumber(acknowledged.wrapping_add(first)));
                    tcp.window_len = *window;
                };
                let mut packet = segment(&flow, change, data);
                packet[33] = *flags;
                for &(place, byte) in &damage {
                    if let Some(old) = packet.get_mut(place) {
                        *old = byte;
                    }
                }
                kernel.send(&packet).await;
            }
            assert!(kernel.is_served(2).await);
            kernel
        });
    }
}
