//! Which resolvers the host asks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, ResolveFlags};

/// Port of resolvers.
pub(super) const PORT: u16 = 53;
/// Resolvers that are asked; as many as the C library knows.
const MOST: usize = 3;
/// Longest file that is read.
const FILE_MAX: usize = 16 * 1024;

/// The host's list of resolvers.
#[derive(Debug)]
pub(super) struct Resolvers {
    root: OwnedFd,
    port: u16,
}

impl Resolvers {
    /// `root` is the host's root folder.
    pub(super) fn new(root: OwnedFd) -> Self {
        Self { root, port: PORT }
    }

    /// `root` is a folder of a test, whose resolvers listen on a port of their own.
    #[cfg(test)]
    pub(super) fn on_port(root: OwnedFd, port: u16) -> Self {
        Self { root, port }
    }

    /// Reads the list, which changes when the host moves between networks. Without one, a resolver on
    /// the host is assumed, as the C library does.
    pub(super) fn current(&self) -> Vec<SocketAddr> {
        let mut servers = parse(&self.read().unwrap_or_default());
        if servers.is_empty() {
            servers.push((Ipv4Addr::LOCALHOST, PORT).into());
        }
        for server in &mut servers {
            server.set_port(self.port);
        }
        servers
    }

    fn read(&self) -> rustix::io::Result<String> {
        // The file is often a link, which means something in the host's root.
        let file = rustix::fs::openat2(
            &self.root,
            "etc/resolv.conf",
            OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK,
            Mode::empty(),
            ResolveFlags::IN_ROOT,
        )?;
        let mut text = vec![0; FILE_MAX];
        let length = rustix::io::read(&file, &mut text)?;
        text.truncate(length);
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

fn parse(text: &str) -> Vec<SocketAddr> {
    let servers = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next())?
    });
    servers.filter_map(address).take(MOST).collect()
}

fn address(word: &str) -> Option<SocketAddr> {
    if let Some((address, zone)) = word.split_once('%') {
        let address: Ipv6Addr = address.parse().ok()?;
        let scope = zone.parse().ok().or_else(|| index_of(zone))?;
        return Some(SocketAddrV6::new(address, PORT, 0, scope).into());
    }
    let address: IpAddr = word.parse().ok()?;
    Some(SocketAddr::new(address, PORT))
}

fn index_of(interface: &str) -> Option<u32> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    rustix::net::netdevice::name_to_index(&socket, interface).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_other_kinds_are_passed_over() {
        let text = "# generated\nsearch example.org\nnameserver 127.0.0.53\n  nameserver ::1 # local\n\
                    nameserver fe80::1%lo\nnameserver\nnameserver x\noptions edns0\nnameserver 192.0.2.1\n";
        let expected: Vec<SocketAddr> = ["127.0.0.53:53", "[::1]:53", "[fe80::1%1]:53"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        assert_eq!(parse(text), expected);
    }
}
