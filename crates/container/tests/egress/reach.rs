//! What actions reach.

use std::sync::Arc;

use oxwhisk_container::{ContainerFactory as _, Runtime, Traffic};
use oxwhisk_testing::internet::{SERVER, SERVER_V6};
use serde_json::json;

use crate::support::{node, python};
use crate::way_out::*;

const PYTHON_GETS: &str = "
import urllib.request
def main(args):
    with urllib.request.urlopen(args['url'], timeout=20) as answer:
        return {'text': answer.read().decode()}
";
const NODE_GETS: &str = "
async function main({url}) {
  const answer = await fetch(url)
  return {text: await answer.text()}
}";

fn both() -> [(Arc<Runtime>, &'static str); 2] {
    [(node(), NODE_GETS), (python(), PYTHON_GETS)]
}

#[tokio::test]
#[ignore = "runs on a machine of its own"]
async fn servers_are_reached_by_address_and_by_name() {
    let factory = factory().await;
    for (runtime, code) in both() {
        let container = action(&factory, &runtime, code).await;
        for host in [
            SERVER,
            "www.example.test",
            "[2001:db8:2::10]",
            "six.example.test",
        ] {
            let answer = result(&*container, &json!({"url": format!("http://{host}/hello")})).await;
            let text = answer["text"].as_str().unwrap();
            // Who asks is the machine.
            let expected = ["hello 198.51.100.2", "hello 2001:db8:1::2"];
            assert!(expected.contains(&text), "{host}: {text}");
        }
        container.destroy().await;
    }
    factory.shutdown().await;
}

#[tokio::test]
#[ignore = "runs on a machine of its own"]
async fn large_transfers_arrive_whole_in_both_directions() {
    const MOVES: &str = "
import hashlib, urllib.request
def main(args):
    get = urllib.request.urlopen('http://%s/bytes/%d' % (args['host'], args['length']), timeout=60)
    data = get.read()
    post = urllib.request.Request('http://%s/' % args['host'], data=data, method='POST')
    return {'got': hashlib.sha256(data).hexdigest(), 'length': len(data),
            'posted': urllib.request.urlopen(post, timeout=60).read().decode()}
";
    let factory = factory().await;
    let container = action(&factory, &python(), MOVES).await;
    for host in [SERVER.to_owned(), format!("[{SERVER_V6}]")] {
        let length = 30_000_000;
        let before = container.traffic().unwrap();
        let moved = result(&*container, &json!({"host": host, "length": length})).await;
        assert_eq!(moved["length"], length);
        assert_eq!(moved["got"], moved["posted"]);
        let Traffic {
            sent,
            received,
            connections,
        } = container.traffic().unwrap();
        let (sent, received) = (sent - before.sent, received - before.received);
        let much = 30_000_000..30_010_000;
        assert!(
            much.contains(&sent) && much.contains(&received),
            "{sent} {received}"
        );
        assert_eq!(connections - before.connections, 2);
    }
    container.destroy().await;
    assert!(
        container.traffic().unwrap().sent > 60_000_000,
        "kept after the end"
    );
    factory.shutdown().await;
}

#[tokio::test]
#[ignore = "runs on a machine of its own"]
async fn many_connections_at_once_move_their_own_bytes() {
    const MOVES: &str = "
const net = require('net'), crypto = require('crypto')
function one(host, number) {
  return new Promise((resolve, reject) => {
    const sent = crypto.createHash('sha256'), got = crypto.createHash('sha256')
    const socket = net.connect(7, host)
    let left = 300
    const more = () => {
      while (left > 0) {
        left--
        const block = Buffer.alloc(4000 + number, number * 7 + left)
        sent.update(block)
        if (!socket.write(block)) return socket.once('drain', more)
      }
      socket.end()
    }
    socket.on('connect', more)
    socket.on('data', data => got.update(data))
    socket.on('error', reject)
    socket.on('end', () => resolve(sent.digest('hex') === got.digest('hex')))
  })
}
async function main({host, count}) {
  const all = await Promise.all(Array.from({length: count}, (_, number) => one(host, number)))
  return {same: all.filter(same => same).length}
}";
    let factory = factory().await;
    let container = action(&factory, &node(), MOVES).await;
    let moved = result(&*container, &json!({"host": SERVER, "count": 60})).await;
    assert_eq!(moved, json!({"same": 60}));
    container.destroy().await;
    factory.shutdown().await;
}

#[tokio::test]
#[ignore = "runs on a machine of its own"]
async fn datagrams_come_back() {
    const ASKS: &str = "
import socket
def main(args):
    family = socket.AF_INET6 if ':' in args['host'] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as one:
        one.settimeout(20)
        lengths = []
        for length in (1, 1400, 1600, 30000, 60000):
            one.sendto(bytes(length), (args['host'], 7))
            data, sender = one.recvfrom(65535)
            lengths.append(len(data))
        return {'lengths': lengths, 'sender': sender[0]}
";
    let factory = factory().await;
    let container = action(&factory, &python(), ASKS).await;
    for host in [SERVER, SERVER_V6] {
        let answer = result(&*container, &json!({"host": host})).await;
        let lengths = [1, 1400, 1600, 30000, 60000];
        assert_eq!(answer, json!({"lengths": lengths, "sender": host}));
    }
    container.destroy().await;
    factory.shutdown().await;
}

#[tokio::test]
#[ignore = "runs on a machine of its own"]
async fn names_are_answered_over_both_transports() {
    const ASKS: &str = "
import socket, struct
def main(args):
    answers = {}
    for name in args['names']:
        try:
            answers[name] = len({entry[4][0] for entry in socket.getaddrinfo(name, 80, socket.AF_INET)})
        except socket.gaierror as error:
            answers[name] = 0
    transfer = struct.pack('!6H', 7, 0x100, 1, 0, 0, 0) + b'\\x07example\\x00' + struct.pack('!HH', 252, 1)
    with socket.create_connection(('192.0.0.1', 53), timeout=20) as one:
        one.sendall(struct.pack('!H', len(transfer)) + transfer)
        answers['transfer'] = one.recv(100)[5] & 15
    return answers
";
    let factory = factory().await;
    let container = action(&factory, &python(), ASKS).await;
    // The long one does not fit into a datagram, so it is asked for on a connection.
    let names = ["www.example.test", "long.example.test", "none.example.test"];
    let answers = result(&*container, &json!({"names": names})).await;
    let expected = json!({
        "www.example.test": 1, "long.example.test": 100, "none.example.test": 0, "transfer": 5,
    });
    assert_eq!(answers, expected);
    container.destroy().await;
    factory.shutdown().await;
}

#[tokio::test]
#[ignore = "runs on a machine of its own"]
async fn each_direction_closes_by_itself() {
    // The server answers when nothing more comes; the action still hears after it has finished.
    const FINISHES: &str = "
import socket
def main(args):
    with socket.create_connection((args['host'], 10), timeout=20) as one:
        one.sendall(b'x' * args['length'])
        one.shutdown(socket.SHUT_WR)
        answer = b''
        while part := one.recv(65536): answer += part
        return {'answer': answer[:20].decode(), 'length': len(answer)}
";
    let factory = factory().await;
    let container = action(&factory, &python(), FINISHES).await;
    let small = result(&*container, &json!({"host": SERVER, "length": 5})).await;
    assert_eq!(small, json!({"answer": "5:xxxxx", "length": 7}));
    let large = result(&*container, &json!({"host": SERVER, "length": 3_000_000})).await;
    assert_eq!(large["length"], 3_000_008);
    container.destroy().await;
    factory.shutdown().await;
}

#[tokio::test]
#[ignore = "runs on a machine of its own"]
async fn reset_of_the_remote_is_a_reset_for_the_action() {
    const SENDS: &str = "
import errno, socket
def main(args):
    with socket.create_connection((args['host'], 11), timeout=20) as one:
        try:
            one.sendall(b'x')
            return {'got': one.recv(10).decode()}
        except OSError as error:
            return {'end': errno.errorcode[error.errno]}
";
    let factory = factory().await;
    let container = action(&factory, &python(), SENDS).await;
    let ended = result(&*container, &json!({"host": SERVER})).await;
    assert_eq!(ended, json!({"end": "ECONNRESET"}));
    container.destroy().await;
    factory.shutdown().await;
}
