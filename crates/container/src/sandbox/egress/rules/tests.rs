use proptest::prelude::*;

use super::*;

fn beyond(_: IpAddr) -> io::Result<Place> {
    Ok(Place::Beyond)
}

fn rules(allow: &[&str], deny: &[&str]) -> EgressRules {
    let nets = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    EgressRules {
        allow: nets(allow),
        deny: nets(deny),
    }
}

fn refusal(rules: &EgressRules, address: &str) -> Option<Refusal> {
    rules.judge(address.parse().unwrap(), beyond).err()
}

#[test]
fn only_hosts_of_the_internet_are_open_by_default() {
    let cases = [
        ("203.0.113.5", None),
        ("8.8.8.8", None),
        ("2001:db8::1", None),
        ("2606:4700::1111", None),
        ("0.0.0.0", Some(Refusal::NoHost)),
        ("0.1.2.3", Some(Refusal::NoHost)),
        ("127.0.0.1", Some(Refusal::Loopback)),
        ("127.255.0.9", Some(Refusal::Loopback)),
        ("::1", Some(Refusal::Loopback)),
        ("::", Some(Refusal::NoHost)),
        ("::7f00:1", Some(Refusal::NoHost)),
        ("169.254.169.254", Some(Refusal::LinkLocal)),
        ("169.254.0.1", Some(Refusal::LinkLocal)),
        ("fe80::1", Some(Refusal::LinkLocal)),
        ("febf::1", Some(Refusal::LinkLocal)),
        ("fec0::1", Some(Refusal::LinkLocal)),
        ("224.0.0.1", Some(Refusal::NoHost)),
        ("239.255.255.250", Some(Refusal::NoHost)),
        ("240.0.0.1", Some(Refusal::NoHost)),
        ("255.255.255.255", Some(Refusal::NoHost)),
        ("ff02::1", Some(Refusal::NoHost)),
        ("192.0.0.1", Some(Refusal::Tunnel)),
        ("192.0.0.192", Some(Refusal::Tunnel)),
        ("100.100.100.200", Some(Refusal::Metadata)),
        ("168.63.129.16", Some(Refusal::Metadata)),
        ("fd00:ec2::254", Some(Refusal::Metadata)),
        ("fd20:ce::254", Some(Refusal::Metadata)),
        ("10.1.2.3", Some(Refusal::Private)),
        ("172.31.0.1", Some(Refusal::Private)),
        ("172.32.0.1", None),
        ("192.168.7.7", Some(Refusal::Private)),
        ("100.64.0.1", Some(Refusal::Private)),
        ("fd12::1", Some(Refusal::Private)),
    ];
    for (address, expected) in cases {
        assert_eq!(
            refusal(&EgressRules::default(), address),
            expected,
            "{address}"
        );
    }
}

#[test]
fn ipv4_address_in_an_ipv6_address_is_judged_too() {
    let cases = [
        ("::ffff:127.0.0.1", Some(Refusal::Loopback)),
        ("::ffff:169.254.169.254", Some(Refusal::LinkLocal)),
        ("::ffff:10.0.0.1", Some(Refusal::Private)),
        ("::ffff:203.0.113.5", None),
        ("64:ff9b::127.0.0.1", Some(Refusal::Loopback)),
        ("64:ff9b::10.0.0.1", Some(Refusal::Private)),
        ("64:ff9b::203.0.113.5", None),
        ("64:ff9b:1::169.254.169.254", Some(Refusal::NoHost)),
        // The same within a prefix of 48 bits; what is at the end says nothing.
        ("64:ff9b:1:a9fe:a9:fe00:808:808", Some(Refusal::NoHost)),
        ("2002:cb00:7105::1", None),
        ("2002:7f00:1::1", Some(Refusal::Loopback)),
        ("2002:a9fe:a9fe::1", Some(Refusal::LinkLocal)),
        ("2001:0:1:2::3", Some(Refusal::NoHost)),
    ];
    for (address, expected) in cases {
        assert_eq!(
            refusal(&EgressRules::default(), address),
            expected,
            "{address}"
        );
    }
}

#[test]
fn routing_is_asked_about_the_ipv4_address_in_an_ipv6_address() {
    let host: IpAddr = "203.0.113.5".parse().unwrap();
    let neighbour: IpAddr = "203.0.113.9".parse().unwrap();
    let place = |address| {
        Ok(match address {
            address if address == host => Place::Host,
            address if address == neighbour => Place::Neighbour,
            _ => Place::Beyond,
        })
    };
    let opening = rules(&["203.0.113.0/24"], &[]);
    let cases = [
        (
            "64:ff9b::203.0.113.5",
            Err(Refusal::Host),
            Err(Refusal::Host),
        ),
        ("64:ff9b::203.0.113.9", Err(Refusal::Neighbour), Ok(())),
        ("64:ff9b::203.0.114.1", Ok(()), Ok(())),
        ("2002:cb00:7105::1", Err(Refusal::Host), Err(Refusal::Host)),
        ("2002:cb00:7109::1", Err(Refusal::Neighbour), Ok(())),
    ];
    for (address, by_default, opened) in cases {
        let address = address.parse().unwrap();
        let judged = EgressRules::default().judge(address, place);
        assert_eq!(judged, by_default, "{address}");
        assert_eq!(opening.judge(address, place), opened, "{address}");
    }
}

#[test]
fn host_without_ipv4_reaches_ipv4_by_a_translator() {
    let place = |address: IpAddr| {
        Ok(if address.is_ipv6() {
            Place::Beyond
        } else {
            Place::Nowhere
        })
    };
    let cases = [
        ("64:ff9b::203.0.113.5", Ok(())),
        ("64:ff9b::10.0.0.1", Err(Refusal::Private)),
        ("203.0.113.5", Err(Refusal::Nowhere)),
    ];
    for (address, expected) in cases {
        let judged = EgressRules::default().judge(address.parse().unwrap(), place);
        assert_eq!(judged, expected, "{address}");
    }
}

#[test]
fn routing_decides_about_host_and_neighbours() {
    let cases = [
        (Place::Host, Some(Refusal::Host)),
        (Place::Neighbour, Some(Refusal::Neighbour)),
        (Place::Beyond, None),
        (Place::Nowhere, Some(Refusal::Nowhere)),
    ];
    let address = "203.0.113.5".parse().unwrap();
    for (place, expected) in cases {
        let judged = EgressRules::default().judge(address, |_| Ok(place));
        assert_eq!(judged.err(), expected, "{place:?}");
    }
    let judged = EgressRules::default().judge(address, |_| Err(io::ErrorKind::Other.into()));
    assert_eq!(judged, Err(Refusal::Unknown));
}

#[test]
fn allowed_networks_open_neighbours_but_never_the_host() {
    let rules = rules(&["192.168.1.0/24"], &["192.168.0.0/16"]);
    let address = "192.168.1.9".parse().unwrap();
    assert_eq!(rules.judge(address, |_| Ok(Place::Neighbour)), Ok(()));
    assert_eq!(
        rules.judge(address, |_| Ok(Place::Host)),
        Err(Refusal::Host)
    );
    assert_eq!(refusal(&rules, "192.168.2.9"), Some(Refusal::Denied));
}

#[test]
fn longest_prefix_decides_between_the_lists() {
    let rules = rules(
        &["10.1.0.0/16", "10.2.3.4/32", "0.0.0.0/0"],
        &["10.0.0.0/8", "10.1.1.0/24", "10.2.3.4/32"],
    );
    let cases = [
        ("10.1.2.3", None),
        ("10.1.1.3", Some(Refusal::Denied)),
        ("10.9.9.9", Some(Refusal::Denied)),
        ("10.2.3.4", Some(Refusal::Denied)),
        ("203.0.113.5", None),
    ];
    for (address, expected) in cases {
        assert_eq!(refusal(&rules, address), expected, "{address}");
    }
}

#[test]
fn denying_something_else_opens_no_private_network() {
    let cases = [
        (&[][..], "10.1.2.3", Some(Refusal::Private)),
        (&[], "203.0.113.5", Some(Refusal::Denied)),
        (&["0.0.0.0/0"], "10.1.2.3", Some(Refusal::Private)),
        (&["10.0.0.0/8"], "10.1.2.3", None),
        (&["10.1.0.0/16"], "10.1.2.3", None),
        (&["10.1.0.0/16"], "10.2.2.3", Some(Refusal::Private)),
        (&["10.0.0.0/8"], "192.168.1.1", Some(Refusal::Private)),
        (&["fc00::/7"], "fd12::1", None),
    ];
    for (allow, address, expected) in cases {
        let rules = rules(allow, &["203.0.113.0/24"]);
        assert_eq!(refusal(&rules, address), expected, "{allow:?} {address}");
    }
}

/// Addresses near the edges of the special ranges as well as anywhere.
fn addresses() -> impl Strategy<Value = IpAddr> {
    let edges: Vec<IpAddr> = NEVER
        .iter()
        .map(|(net, _)| *net)
        .chain(PRIVATE)
        .flat_map(|net| [net.network(), net.broadcast()])
        .collect();
    prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::V4(bits.into())),
        any::<u128>().prop_map(|bits| IpAddr::V6(bits.into())),
        any::<u32>().prop_map(|bits| IpAddr::V6(Ipv4Addr::from(bits).to_ipv6_mapped())),
        any::<u32>().prop_map(|bits| IpAddr::V6((0x64_ff9b_u128 << 96 | u128::from(bits)).into())),
        proptest::sample::select(edges),
    ]
}

fn nets() -> impl Strategy<Value = Vec<IpNet>> {
    let net = (addresses(), 0_u8..=32)
        .prop_map(|(address, length)| IpNet::new(address, length).unwrap().trunc());
    proptest::collection::vec(net, 0..4)
}

proptest! {
    /// Whatever the settings are, what the standard library knows as no host of the internet stays shut.
    #[test]
    fn no_setting_opens_what_is_never_open(address in addresses(), allow in nets(), deny in nets()) {
        let judged = EgressRules { allow, deny }.judge(address, beyond);
        let shut = |address: Ipv4Addr| {
            address.is_loopback() || address.is_link_local() || address.is_multicast()
                || address.is_broadcast() || address.is_unspecified()
        };
        let is_shut = match address.to_canonical() {
            IpAddr::V4(address) => shut(address),
            IpAddr::V6(address) => {
                address.is_loopback() || address.is_unicast_link_local() || address.is_multicast()
                    || address.is_unspecified()
                    || (address.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0]
                        && shut((u32::try_from(u128::from(address) & 0xffff_ffff).unwrap()).into()))
            }
        };
        prop_assert!(!is_shut || judged.is_err(), "{address} is open");
    }

    /// An address and its mapped form are the same.
    #[test]
    fn mapped_form_changes_nothing(bits: u32, allow in nets(), deny in nets()) {
        let rules = EgressRules { allow, deny };
        let address = Ipv4Addr::from(bits);
        let mapped = IpAddr::V6(address.to_ipv6_mapped());
        prop_assert_eq!(rules.judge(IpAddr::V4(address), beyond), rules.judge(mapped, beyond));
    }

    /// The host is never reached, whatever is allowed.
    #[test]
    fn host_is_never_open(address in addresses(), allow in nets(), deny in nets()) {
        let rules = EgressRules { allow, deny };
        prop_assert!(rules.judge(address, |_| Ok(Place::Host)).is_err());
    }
}
