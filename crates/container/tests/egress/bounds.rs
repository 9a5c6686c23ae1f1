//! What an action can use up, and what it cannot.

use std::time::Duration;

use oxwhisk_container::ContainerFactory as _;
use oxwhisk_container::sandbox::{EgressPolicy, SandboxFactory};
use oxwhisk_testing::eventually;
use oxwhisk_testing::internet::SERVER;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{node, python};
use crate::way_out::*;

#[tokio::test]
#[ignore = "runs on a machine of its own"]
async fn connections_over_the_bound_are_refused_until_others_end() {
    const OPENS: &str = "
import errno, socket
def main(args):
    kept, ends = [], {}
    for _ in range(args['count']):
        one = socket.socket()
        one.settimeout(20)
        try:
            one.connect((args['host'], 9))
            kept.append(one)
            end = 'open'
        except OSError as error:
            end = errno.errorcode[error.errno]
        ends[end] = ends.get(end, 0) + 1
    for one in kept: one.close()
    return ends
";
    let policy = EgressPolicy {
        connections: 20,
        ..EgressPolicy::default()
    };
    let factory = SandboxFactory::start(open(policy)).await.unwrap();
    let greedy = action(&factory, &python(), OPENS).await;
    let modest = action(&factory, &python(), CONNECTS).await;
    let ends = result(&*greedy, &json!({"host": SERVER, "count": 50})).await;
    assert_eq!(ends, json!({"open": 20, "ECONNREFUSED": 30}));
    let ended = result(&*modest, &json!({"host": SERVER, "port": 80})).await;
    assert_eq!(ended["end"], "open", "another container has its own bound");
    greedy.destroy().await;
    modest.destroy().await;
    factory.shutdown().await;
}

#[tokio::test]
#[ignore = "runs on a machine of its own"]
async fn connections_that_end_make_room() {
    const OPENS: &str = "
import socket
def main(args):
    for number in range(args['count']):
        with socket.create_connection((args['host'], 7), timeout=20) as one:
            one.sendall(b'%d' % number)
            if one.recv(10) != b'%d' % number: return {'wrong': number}
    return {'done': args['count']}
";
    let policy = EgressPolicy {
        connections: 4,
        ..EgressPolicy::default()
    };
    let factory = SandboxFactory::start(open(policy)).await.unwrap();
    let container = action(&factory, &python(), OPENS).await;
    let done = result(&*container, &json!({"host": SERVER, "count": 300})).await;
    assert_eq!(done, json!({"done": 300}));
    container.destroy().await;
    factory.shutdown().await;
}

#[tokio::test]
#[ignore = "runs on a machine of its own"]
async fn connections_that_the_action_has_closed_do_not_count() {
    const OPENS: &str = "
import socket
def main(args):
    for _ in range(args['count']):
        with socket.create_connection((args['host'], 10), timeout=20) as one:
            one.sendall(b'x')
    return {'done': args['count']}
";
    let policy = EgressPolicy {
        connections: 3,
        ..EgressPolicy::default()
    };
    let factory = SandboxFactory::start(open(policy)).await.unwrap();
    let container = action(&factory, &python(), OPENS).await;
    // Faster than the server closes its sides.
    let done = result(&*container, &json!({"host": SERVER, "count": 30})).await;
    assert_eq!(done, json!({"done": 30}));
    container.destroy().await;
    factory.shutdown().await;
}

#[tokio::test]
#[ignore = "runs on a machine of its own"]
async fn whoever_sends_waits_for_whoever_does_not_read() {
    const FLOODS: &str = "
import socket
def main(args):
    with socket.create_connection((args['host'], args['port']), timeout=20) as one:
        one.settimeout(2)
        sent = 0
        try:
            while sent < 1 << 28: sent += one.send(bytes(1 << 20))
        except TimeoutError:
            pass
        return {'sent': sent}
";
    let factory = factory().await;
    let container = action(&factory, &python(), FLOODS).await;
    let flooded = result(&*container, &json!({"host": SERVER, "port": 9})).await;
    // Buffers of three kernels, and ours; far from what was offered.
    assert!(flooded["sent"].as_u64().unwrap() < 8 << 20, "{flooded}");
    assert_eq!(container.traffic().unwrap().connections, 1);
    container.destroy().await;
    factory.shutdown().await;
}

/// What the server on port 20 has got rid of, and for how long it has got rid of nothing.
async fn progress() -> (u64, Duration) {
    let mut web = TcpStream::connect((SERVER, 80)).await.unwrap();
    web.write_all(b"GET /progress HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    web.read_to_string(&mut answer).await.unwrap();
    let (_, numbers) = answer.split_once("\r\n\r\n").unwrap();
    let (written, resting) = numbers.split_once(' ').unwrap();
    let resting = Duration::from_millis(resting.parse().unwrap());
    (written.parse().unwrap(), resting)
}

#[tokio::test]
#[ignore = "runs on a machine of its own"]
async fn action_that_does_not_read_holds_the_server_up() {
    const IGNORES: &str = "
const net = require('net')
let socket
function main({host, port, read}) {
  return new Promise(resolve => {
    if (!socket) {
      socket = net.connect(port, host)
      socket.pause()
    }
    if (!read) return socket.once('connect', () => resolve({}))
    let count = 0
    socket.on('data', data => {
      count += data.length
      if (count > read) { socket.destroy(); resolve({count}) }
    })
    socket.resume()
  })
}";
    let factory = factory().await;
    let container = action(&factory, &node(), IGNORES).await;
    result(&*container, &json!({"host": SERVER, "port": 20})).await;
    // The server gets rid of nothing more once what is between them is full.
    let held_up = eventually(Duration::from_secs(20), async || {
        let (written, resting) = progress().await;
        (written > 128 << 10 && resting > Duration::from_secs(1)).then_some(written)
    });
    let written = held_up.await.expect("the server is held up");
    // Buffers of three kernels, and ours.
    assert!(written < 8 << 20, "{written}");
    // A paused container is one that does not read, and nothing is lost meanwhile.
    container.pause().await.unwrap();
    container.resume().await.unwrap();
    let read = result(
        &*container,
        &json!({"host": SERVER, "port": 20, "read": 100_000_000}),
    )
    .await;
    assert!(read["count"].as_u64().unwrap() > 100_000_000);
    container.destroy().await;
    factory.shutdown().await;
}

#[tokio::test]
#[ignore = "runs on a machine of its own"]
async fn floods_of_conversations_do_not_end_the_way_out() {
    const FLOODS: &str = "
import socket
def main(args):
    for port in range(20000, 22000):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            try: one.sendto(b'x', (args['host'], port))
            except OSError: pass
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.settimeout(1)
        # What the flood has displaced is lost, as datagrams may be.
        for _ in range(20):
            one.sendto(b'still here', (args['host'], 7))
            try: return {'text': one.recv(100).decode()}
            except TimeoutError: pass
";
    let factory = factory().await;
    let container = action(&factory, &python(), FLOODS).await;
    let answer = result(&*container, &json!({"host": SERVER})).await;
    assert_eq!(answer, json!({"text": "still here"}));
    container.destroy().await;
    factory.shutdown().await;
}
