//! What actions do not reach, and how they learn of it.

use std::net::TcpListener;

use oxwhisk_container::ContainerFactory as _;
use oxwhisk_container::sandbox::{
    EgressPolicy, EgressRules, Level, NetworkMode, SandboxConfig, SandboxFactory, probe,
};
use oxwhisk_testing::internet::{MACHINE, NEIGHBOUR, SERVER, UNREACHABLE};
use serde_json::{Value, json};

use crate::support::{API_PORT, config, python, spec, started};
use crate::way_out::*;

#[tokio::test]
#[ignore = "runs on a machine of its own"]
async fn errors_of_the_internet_are_the_actions_errors() {
    let factory = factory().await;
    let container = action(&factory, &python(), CONNECTS).await;
    let cases = [
        (SERVER, 80, "open"),
        (SERVER, 81, "ECONNREFUSED"),
        ("2001:db8:2::10", 80, "open"),
        ("2001:db8:2::10", 81, "ECONNREFUSED"),
        (UNREACHABLE, 80, "EHOSTUNREACH"),
    ];
    for (host, port, expected) in cases {
        let ended = result(&*container, &json!({"host": host, "port": port})).await;
        assert_eq!(ended["end"], expected, "{host} {port}");
    }
    container.destroy().await;
    factory.shutdown().await;
}

/// Whom no action may reach, with ports on which somebody listens.
const SHUT: [(&str, u16); 14] = [
    (MACHINE, 8080),
    ("2001:db8:1::2", 8080),
    (NEIGHBOUR, 80),
    ("2001:db8:1::1", 80),
    ("198.51.100.77", 80),
    ("169.254.169.254", 80),
    ("100.100.100.200", 80),
    ("192.0.0.1", 80),
    ("192.0.0.3", 8080),
    ("10.1.2.3", 80),
    ("255.255.255.255", 80),
    ("224.0.0.1", 80),
    ("fd00:ec2::254", 80),
    ("0.1.2.3", 8080),
];

#[tokio::test]
#[ignore = "runs on a machine of its own"]
async fn machine_neighbours_and_metadata_are_shut() {
    let open = std::net::TcpStream::connect((MACHINE, 8080));
    assert!(open.is_ok(), "the machine does listen: {open:?}");
    assert!(std::net::TcpStream::connect((NEIGHBOUR, 80)).is_ok());
    let factory = factory().await;
    let container = action(&factory, &python(), CONNECTS).await;
    for (host, port) in SHUT {
        let ended = result(&*container, &json!({"host": host, "port": port})).await;
        let refusals = ["EHOSTUNREACH", "EACCES", "ENETUNREACH", "EINVAL"];
        assert!(
            refusals.contains(&ended["end"].as_str().unwrap()),
            "{host}: {ended}"
        );
    }
    // Loopback is the container's own, where nobody but the API listens.
    for port in [8080, 53, 81] {
        let ended = result(&*container, &json!({"host": "127.0.0.1", "port": port})).await;
        assert_eq!(ended["end"], "ECONNREFUSED", "{port}");
    }
    assert_eq!(container.traffic().unwrap().connections, 0);
    container.destroy().await;
    factory.shutdown().await;
}

#[tokio::test]
#[ignore = "runs on a machine of its own"]
async fn datagrams_are_refused_by_the_same_rules() {
    const ASKS: &str = "
import errno, socket
def main(args):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.settimeout(2)
        one.connect((args['host'], args['port']))
        for _ in range(10):
            try:
                one.send(b'x')
                return {'end': one.recv(10).decode()}
            except TimeoutError:
                # Datagrams, and what is said of them, may be lost.
                end = 'late'
            except OSError as error:
                return {'end': errno.errorcode[error.errno]}
        return {'end': end}
";
    let factory = factory().await;
    let container = action(&factory, &python(), ASKS).await;
    let cases = [
        (SERVER, 7, "x"),
        (SERVER, 8, "ECONNREFUSED"),
        (MACHINE, 8080, "EHOSTUNREACH"),
        (NEIGHBOUR, 7, "EHOSTUNREACH"),
        ("169.254.169.254", 53, "EHOSTUNREACH"),
        ("192.0.0.1", 54, "EHOSTUNREACH"),
    ];
    for (host, port, expected) in cases {
        let ended = result(&*container, &json!({"host": host, "port": port})).await;
        assert_eq!(ended["end"], expected, "{host} {port}");
    }
    container.destroy().await;
    factory.shutdown().await;
}

#[tokio::test]
#[ignore = "runs on a machine of its own"]
async fn names_of_shut_addresses_open_nothing() {
    let factory = factory().await;
    let container = action(&factory, &python(), CONNECTS).await;
    let cases = [
        ("machine.example.test", 8080, "EHOSTUNREACH"),
        ("metadata.example.test", 80, "EHOSTUNREACH"),
        ("loopback.example.test", 8080, "ECONNREFUSED"),
    ];
    for (host, port, expected) in cases {
        let ended = result(&*container, &json!({"host": host, "port": port})).await;
        assert_eq!(ended["end"], expected, "{host}");
    }
    container.destroy().await;
    factory.shutdown().await;
}

#[tokio::test]
#[ignore = "runs on a machine of its own"]
async fn containers_do_not_reach_each_other() {
    const LISTENS: &str = "
import socket
listener = socket.create_server(('', 8000))
def main(args):
    return {}
";
    let factory = factory().await;
    let listening = action(&factory, &python(), LISTENS).await;
    let container = action(&factory, &python(), CONNECTS).await;
    for host in ["127.0.0.1", "192.0.0.2"] {
        let ended = result(&*container, &json!({"host": host, "port": 8000})).await;
        assert_eq!(ended["end"], "ECONNREFUSED", "its own address");
    }
    let ended = result(&*container, &json!({"host": "192.0.0.3", "port": 8000})).await;
    assert_eq!(ended["end"], "EHOSTUNREACH");
    listening.destroy().await;
    container.destroy().await;
    factory.shutdown().await;
}

#[tokio::test]
#[ignore = "runs on a machine of its own"]
async fn settings_open_neighbours_and_shut_servers() {
    let rules = EgressRules {
        allow: vec!["198.51.100.0/24".parse().unwrap()],
        deny: vec!["203.0.113.0/24".parse().unwrap()],
    };
    let policy = EgressPolicy {
        rules,
        ..EgressPolicy::default()
    };
    let factory = SandboxFactory::start(open(policy)).await.unwrap();
    let container = action(&factory, &python(), CONNECTS).await;
    let cases = [
        (NEIGHBOUR, 80, "open"),
        (MACHINE, 8080, "EHOSTUNREACH"),
        (SERVER, 80, "EHOSTUNREACH"),
    ];
    for (host, port, expected) in cases {
        let ended = result(&*container, &json!({"host": host, "port": port})).await;
        assert_eq!(ended["end"], expected, "{host}");
    }
    container.destroy().await;
    factory.shutdown().await;
}

#[tokio::test]
#[ignore = "runs on a machine of its own"]
async fn api_is_reached_as_without_a_way_out() {
    let listeners = std::sync::Arc::new(crate::support::Listeners::default());
    let network = NetworkMode::Egress {
        port: API_PORT,
        listeners: listeners.clone(),
        policy: EgressPolicy::default(),
    };
    let factory = SandboxFactory::start(SandboxConfig {
        network,
        ..config()
    })
    .await
    .unwrap();
    let one = spec(&python());
    let id = one.id.clone();
    let container = started(&factory, one, CONNECTS).await;
    let listener: TcpListener = listeners.0.lock().unwrap()[&id].try_clone().unwrap();
    let ended = result(&*container, &json!({"host": "127.0.0.1", "port": API_PORT})).await;
    assert_eq!(ended["end"], "open");
    assert!(listener.accept().is_ok(), "it was the server's socket");
    container.destroy().await;
    factory.shutdown().await;
}

#[tokio::test]
#[ignore = "runs on a machine of its own"]
async fn host_mode_reaches_what_the_way_out_does_not() {
    let network = NetworkMode::Host;
    let factory = SandboxFactory::start(SandboxConfig {
        network,
        ..config()
    })
    .await
    .unwrap();
    let container = action(&factory, &python(), CONNECTS).await;
    for (host, port) in [("127.0.0.1", 8080), (NEIGHBOUR, 80), (SERVER, 80)] {
        let ended: Value = result(&*container, &json!({"host": host, "port": port})).await;
        assert_eq!(ended["end"], "open", "{host}");
    }
    assert_eq!(container.traffic(), None);
    container.destroy().await;
    factory.shutdown().await;
}

#[tokio::test]
#[ignore = "runs on a machine of its own"]
async fn doctor_says_that_the_way_out_works() {
    let findings = probe(open(EgressPolicy::default())).await;
    let network = findings
        .iter()
        .find(|finding| finding.subject == "network")
        .unwrap();
    assert_eq!(network.level, Level::Full, "{network:?}");
}
