//! Which addresses an action may reach.
//!
//! The order of the questions: what no setting opens (loopback, link-local, metadata …), the lists of
//! the settings, then where the host's routing leads right now. The last question is asked again for
//! each connection, so a name that suddenly means something else gains nothing.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

/// Lists of the settings. The longest prefix that holds an address decides; of equal ones, the refusal.
///
/// Private networks are refused with empty lists too. The default is empty lists.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressRules {
    /// Networks that are opened: neighbours of the host, private networks or parts of `deny`.
    pub allow: Vec<IpNet>,
    /// Networks that are refused.
    pub deny: Vec<IpNet>,
}

/// Networks that are refused unless they, or parts of them, are allowed: those that are not the internet: private ones (RFC 1918, RFC 4193) and the shared range of
/// carriers (RFC 6598).
const PRIVATE: [IpNet; 5] = [
    v4(Ipv4Addr::new(10, 0, 0, 0), 8),
    v4(Ipv4Addr::new(172, 16, 0, 0), 12),
    v4(Ipv4Addr::new(192, 168, 0, 0), 16),
    v4(Ipv4Addr::new(100, 64, 0, 0), 10),
    v6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
];

/// What no setting opens, with the reason. The network of the containers' own tunnels is within
/// `192.0.0.0/24` (RFC 6890: no such address is on the internet).
const NEVER: [(IpNet, Refusal); 17] = [
    (v4(Ipv4Addr::UNSPECIFIED, 8), Refusal::NoHost),
    (v4(Ipv4Addr::new(127, 0, 0, 0), 8), Refusal::Loopback),
    (v4(Ipv4Addr::new(169, 254, 0, 0), 16), Refusal::LinkLocal),
    (v4(Ipv4Addr::new(192, 0, 0, 0), 24), Refusal::Tunnel),
    (v4(Ipv4Addr::new(224, 0, 0, 0), 4), Refusal::NoHost),
    (v4(Ipv4Addr::new(240, 0, 0, 0), 4), Refusal::NoHost),
    // Metadata services of clouds that are not link-local: Alibaba, Azure, AWS, Google.
    (v4(Ipv4Addr::new(100, 100, 100, 200), 32), Refusal::Metadata),
    (v4(Ipv4Addr::new(168, 63, 129, 16), 32), Refusal::Metadata),
    (
        v6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32),
        Refusal::Metadata,
    ),
    (
        v6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0), 32),
        Refusal::Metadata,
    ),
    // Unspecified, loopback, and forms of IPv4 addresses that no route leads to.
    (v6(Ipv6Addr::UNSPECIFIED, 16), Refusal::NoHost),
    (
        v6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
        Refusal::LinkLocal,
    ),
    (
        v6(Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10),
        Refusal::LinkLocal,
    ),
    (
        v6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),
        Refusal::NoHost,
    ),
    // Teredo: an IPv4 address in disguise.
    (
        v6(Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32),
        Refusal::NoHost,
    ),
    // NAT64 of a network of its own (RFC 8215): where in it the IPv4 address is, only the translator knows.
    (
        v6(Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48),
        Refusal::NoHost,
    ),
    (v6(super::TUNNEL_V6, 64), Refusal::Tunnel),
];

const fn v4(address: Ipv4Addr, length: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(address, length))
}

const fn v6(address: Ipv6Addr, length: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(address, length))
}

/// Why an address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Loopback,
    LinkLocal,
    Metadata,
    /// Multicast, broadcast, reserved or unspecified.
    NoHost,
    /// The network between a container and its tunnel.
    Tunnel,
    /// In a list of the settings.
    Denied,
    /// In a private network.
    Private,
    /// One of the host's own addresses.
    Host,
    /// On a network to which the host is attached.
    Neighbour,
    /// No route leads there.
    Nowhere,
    /// Nobody could say where it leads.
    Unknown,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "loopback",
            Self::LinkLocal => "link-local",
            Self::Metadata => "metadata service",
            Self::NoHost => "no host",
            Self::Tunnel => "own network",
            Self::Denied => "denied by the settings",
            Self::Private => "private network",
            Self::Host => "address of the host",
            Self::Neighbour => "neighbour of the host",
            Self::Nowhere => "no route",
            Self::Unknown => "unknown place",
        })
    }
}

/// Where the host's routing leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// To the host itself.
    Host,
    /// To a network that the host is attached to.
    Neighbour,
    /// To a gateway, or down the default route.
    Beyond,
    /// Nowhere.
    Nowhere,
}

impl EgressRules {
    /// Decides about an address; `place` asks where the host's routing leads.
    ///
    /// # Errors
    /// The reason of the refusal. What cannot be found out is refused.
    pub(crate) fn judge(
        &self,
        address: IpAddr,
        place: impl Fn(IpAddr) -> io::Result<Place>,
    ) -> Result<(), Refusal> {
        let address = address.to_canonical();
        self.judge_one(address, &place)?;
        // A translator on the way makes an IPv4 connection of it, and may well be the host.
        match embedded(address).map(|inner| self.judge_one(inner.into(), &place)) {
            // A host without IPv4 leaves that to a translator elsewhere.
            None | Some(Err(Refusal::Nowhere)) => Ok(()),
            Some(judged) => judged,
        }
    }

    fn judge_one(
        &self,
        address: IpAddr,
        place: impl Fn(IpAddr) -> io::Result<Place>,
    ) -> Result<(), Refusal> {
        never(address)?;
        let opened = self.listed(address)?;
        match place(address) {
            Err(_) => Err(Refusal::Unknown),
            Ok(Place::Host) => Err(Refusal::Host),
            Ok(Place::Neighbour) if !opened => Err(Refusal::Neighbour),
            // Not dialled: by then it might lead to the host.
            Ok(Place::Nowhere) => Err(Refusal::Nowhere),
            Ok(Place::Neighbour | Place::Beyond) => Ok(()),
        }
    }

    /// Returns whether the settings open an address.
    fn listed(&self, address: IpAddr) -> Result<bool, Refusal> {
        let longest = |nets: &[IpNet]| {
            let holding = nets.iter().filter(|net| net.contains(&address));
            holding.map(IpNet::prefix_len).max()
        };
        let allow = longest(&self.allow);
        if longest(&self.deny).is_some_and(|deny| allow <= Some(deny)) {
            return Err(Refusal::Denied);
        }
        // Whoever names a private network means it; whoever allows everything does not.
        if longest(&PRIVATE).is_some_and(|private| allow < Some(private)) {
            return Err(Refusal::Private);
        }
        Ok(allow.is_some())
    }
}

fn never(address: IpAddr) -> Result<(), Refusal> {
    if address.is_loopback() {
        return Err(Refusal::Loopback);
    }
    let found = NEVER.iter().find(|(net, _)| net.contains(&address));
    found.map_or(Ok(()), |&(_, refusal)| Err(refusal))
}

/// The IPv4 address that an IPv6 address stands for: NAT64 (`64:ff9b::/96`) and 6to4 (`2002::/16`).
/// Networks may have NAT64 prefixes of their own, of which nobody here can know.
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else {
        return None;
    };
    let join = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        [0x2002, high, low, ..] => Some(join(high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(join(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
