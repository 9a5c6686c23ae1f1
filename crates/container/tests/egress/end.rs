//! What becomes of the way out when something ends or is missing.

use std::cell::Cell;

use oxwhisk_container::{ContainerFactory as _, Traffic};
use oxwhisk_testing::eventually as eventually_in;
use oxwhisk_testing::internet::SERVER;
use serde_json::json;

use crate::support::{MINUTE, eventually, node, python, run};
use crate::way_out::*;

/// Connections of this machine to the server that are open.
fn connections() -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    // 203.0.113.10 port 19, state established, as the kernel writes them on a little-endian machine.
    table
        .lines()
        .filter(|line| line.contains("0A7100CB:0013 01"))
        .count()
}

#[tokio::test]
#[ignore = "runs on a machine of its own"]
async fn connections_end_with_the_container_in_mid_transfer() {
    const READS: &str = "
const net = require('net')
let count = 0
function main({host}) {
  const socket = net.connect(19, host)
  socket.on('data', data => { count += data.length })
  return new Promise(resolve => socket.once('data', () => resolve({})))
}";
    let factory = factory().await;
    let container = action(&factory, &node(), READS).await;
    result(&*container, &json!({"host": SERVER})).await;
    assert!(connections() > 0, "it is being sent to");
    let frozen = action(&factory, &node(), READS).await;
    result(&*frozen, &json!({"host": SERVER})).await;
    frozen.pause().await.unwrap();
    container.destroy().await;
    frozen.destroy().await;
    eventually("no connection is left", || connections() == 0);
    // The way out of others is not touched.
    let other = action(&factory, &python(), CONNECTS).await;
    let ended = result(&*other, &json!({"host": SERVER, "port": 80})).await;
    assert_eq!(ended["end"], "open");
    other.destroy().await;
    factory.shutdown().await;
}

#[tokio::test]
#[ignore = "runs on a machine of its own"]
async fn pause_in_mid_transfer_loses_nothing() {
    const MOVES: &str = "
import hashlib, urllib.request
def main(args):
    get = urllib.request.urlopen('http://%s/bytes/%d' % (args['host'], args['length']), timeout=60)
    data = get.read()
    post = urllib.request.Request('http://%s/' % args['host'], data=data, method='POST')
    return {'same': hashlib.sha256(data).hexdigest() == urllib.request.urlopen(post, timeout=60).read().decode()}
";
    let factory = factory().await;
    let container = action(&factory, &python(), MOVES).await;
    let arguments = json!({"host": SERVER, "length": 40_000_000}).to_string();
    let is_done = Cell::new(false);
    let moving = async {
        let response = run(&*container, &arguments).await;
        is_done.set(true);
        response
    };
    let pausing = async {
        let (mut pauses, mut moved) = (0, 0);
        loop {
            // Far enough apart that some are in each half of the way.
            let more = eventually_in(MINUTE, async || {
                let Traffic { sent, received, .. } = container.traffic()?;
                (is_done.get() || sent + received > moved + 2_000_000).then_some(sent + received)
            });
            moved = more.await.unwrap();
            if is_done.get() {
                return pauses;
            }
            container.pause().await.unwrap();
            container.resume().await.unwrap();
            pauses += 1;
        }
    };
    let (response, pauses) = tokio::join!(moving, pausing);
    assert!(pauses > 3, "paused {pauses} times only");
    assert_eq!(crate::support::text(&response.unwrap()), r#"{"same":true}"#);
    container.destroy().await;
    factory.shutdown().await;
}
