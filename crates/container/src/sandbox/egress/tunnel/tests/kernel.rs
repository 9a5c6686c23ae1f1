//! A container's kernel, as far as a tunnel sees it, and the packets it sends.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{IpRepr, Ipv4Packet};
use tokio::task::LocalSet;

use super::*;
use crate::sandbox::egress::tun::Buffers;

/// What is before each packet.
pub(super) const PREFIX: [u8; 10] = [0; 10];
/// How long an answer may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A container's side of a tunnel.
pub(super) struct Kernel {
    pub(super) device: AsyncFd<OwnedFd>,
    /// Closing it ends the container.
    pub(super) alive: Option<OwnedFd>,
    pub(super) traffic: OwnedFd,
}

impl Kernel {
    pub(super) async fn send(&self, packet: &[u8]) {
        let frame = [&PREFIX, packet].concat();
        loop {
            let mut ready = self.device.writable().await.unwrap();
            let sent = ready.try_io(|device| Ok(rustix::io::write(device.get_ref(), &frame)?));
            if let Ok(sent) = sent {
                sent.unwrap();
                return;
            }
        }
    }

    /// The next packet from the tunnel; nothing if it has ended.
    pub(super) async fn receive(&self) -> Option<Vec<u8>> {
        let mut frame = vec![0; 70_000];
        loop {
            let mut ready = self.device.readable().await.unwrap();
            let read = ready.try_io(|device| Ok(rustix::io::read(device.get_ref(), &mut frame)?));
            if let Ok(length) = read {
                let length = length.unwrap();
                return (length > 0).then(|| frame[PREFIX.len()..length].to_vec());
            }
        }
    }

    /// Asks what is answered without asking anybody, and waits for the answer among all that comes.
    pub(super) async fn is_served(&self, number: u8) -> bool {
        let mut question = question(number);
        // A kind of question that the tunnel does not pass on.
        question[2] = 0x28;
        let flow = Flow {
            port: 4000,
            target: resolver(),
        };
        // The packet of an answer, turned round.
        let mut packet = packet::datagram(&flow, &question);
        let (from, to) = (packet[12..16].to_vec(), packet[16..20].to_vec());
        packet[12..16].copy_from_slice(&to);
        packet[16..20].copy_from_slice(&from);
        packet[20..24].rotate_left(2);
        let answered = async {
            loop {
                self.send(&packet).await;
                let patient = tokio::time::timeout(Duration::from_millis(200), async {
                    while let Some(packet) = self.receive().await {
                        if packet.get(28..30) == Some(&[number, 77]) {
                            return true;
                        }
                    }
                    false
                });
                if let Ok(answered) = patient.await {
                    return answered;
                }
            }
        };
        tokio::time::timeout(PATIENCE, answered)
            .await
            .unwrap_or(false)
    }
}

/// What a test may want otherwise.
pub(super) struct Host {
    pub(super) resolvers: Resolvers,
    /// Where the resolvers are named, until the test has ended.
    pub(super) folder: Option<tempfile::TempDir>,
    pub(super) descriptors: Descriptors,
}

impl Host {
    /// Where every address is refused.
    pub(super) fn world(self) -> World {
        World {
            rules: EgressRules {
                allow: vec![],
                deny: vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()],
            },
            connections: 8,
            netlink: Netlink::open().unwrap(),
            resolvers: self.resolvers,
            descriptors: self.descriptors,
        }
    }
}

impl Default for Host {
    fn default() -> Self {
        let root = std::fs::File::open("/").unwrap();
        Self {
            resolvers: Resolvers::new(root.into()),
            folder: None,
            descriptors: Descriptors::within(None),
        }
    }
}

/// Runs a test with a tunnel that refuses every address, then expects that the tunnel ends with the container.
pub(super) fn with_tunnel<T: Future<Output = Kernel>>(test: impl FnOnce(Kernel) -> T) {
    with_tunnel_on(Host::default(), test);
}

pub(super) fn with_tunnel_on<T: Future<Output = Kernel>>(
    mut host: Host,
    test: impl FnOnce(Kernel) -> T,
) {
    let folder = host.folder.take();
    on_one_thread(async {
        let world = Rc::new(host.world());
        let (kernel, device, ended, file) = container();
        let tun = Tun::new(device, Rc::new(Buffers::new())).unwrap();
        let container = watch(ended, Interest::READABLE).unwrap();
        let tunnel = tokio::task::spawn_local(serve(world, tun, Meter::new(file), container));
        let mut kernel = test(kernel).await;
        drop(kernel.alive.take());
        tokio::time::timeout(PATIENCE, tunnel)
            .await
            .unwrap()
            .unwrap();
        // Its end of the device is closed, on another thread.
        let closed = async { while kernel.receive().await.is_some() {} };
        tokio::time::timeout(PATIENCE, closed).await.unwrap();
    });
    drop(folder);
}

pub(super) fn on_one_thread(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, test);
}

/// A container's side, and what serving it takes: its device, what ends with it, and its numbers.
pub(super) fn container() -> (Kernel, OwnedFd, OwnedFd, OwnedFd) {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (ours, theirs) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
    let (ended, alive) = rustix::pipe::pipe().unwrap();
    let file = traffic::file().unwrap();
    let kernel = Kernel {
        device: watch(ours, Interest::READABLE | Interest::WRITABLE).unwrap(),
        alive: Some(alive),
        traffic: file.try_clone().unwrap(),
    };
    (kernel, theirs, ended, file)
}

/// A question about the name `a`, with a number.
pub(super) fn question(number: u8) -> Vec<u8> {
    let header = [number, 77, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    [&header[..], b"\x01a\x00\x00\x01\x00\x01"].concat()
}

/// A TCP packet from the container.
pub(super) fn segment(
    flow: &Flow,
    change: impl FnOnce(&mut TcpRepr<'_>),
    payload: &[u8],
) -> Vec<u8> {
    let mut tcp = TcpRepr {
        src_port: flow.port,
        dst_port: flow.target.port(),
        control: TcpControl::None,
        seq_number: TcpSeqNumber(0),
        ack_number: None,
        window_len: 60_000,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload,
    };
    change(&mut tcp);
    let (from, to) = (
        IpAddress::from(flow.container()),
        IpAddress::from(flow.target.ip()),
    );
    let ip = IpRepr::new(from, to, IpProtocol::Tcp, tcp.buffer_len(), 64);
    let caps = ChecksumCapabilities::default();
    let mut packet = vec![0; ip.buffer_len()];
    ip.emit(&mut packet, &caps);
    let place = ip.header_len();
    tcp.emit(
        &mut TcpPacket::new_unchecked(&mut packet[place..]),
        &from,
        &to,
        &caps,
    );
    packet
}

/// Opens a connection to the resolver; returns the number with which the tunnel begins.
pub(super) async fn opened(kernel: &Kernel, flow: &Flow) -> i32 {
    let syn = |tcp: &mut TcpRepr<'_>| {
        tcp.control = TcpControl::Syn;
        tcp.max_seg_size = Some(1400);
        tcp.window_scale = Some(7);
    };
    kernel.send(&segment(flow, syn, &[])).await;
    loop {
        let answer = kernel.receive().await.unwrap();
        let ip = Ipv4Packet::new_checked(&answer[..]).unwrap();
        let tcp = TcpPacket::new_checked(ip.payload()).unwrap();
        assert!(!tcp.rst(), "{tcp}");
        // Others belong to an earlier connection.
        if tcp.syn() && tcp.ack() {
            return tcp.seq_number().0;
        }
    }
}

pub(super) fn to_resolver(port: u16) -> Flow {
    Flow {
        port,
        target: resolver(),
    }
}
