//! An action that measures the network from inside its container.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use oxwhisk_container::sandbox::SandboxFactory;
use oxwhisk_container::{Container, ContainerFactory as _};
use oxwhisk_entity::ByteSize;
use oxwhisk_testing::internet;
use serde_json::{Value, json};

use super::server::{ECHO, SINK, SOURCE};
use crate::direct::{self, LIMIT, PATIENCE};
use crate::phases::Language;
use crate::samples::Samples;

/// Runs one of its functions and returns times in seconds.
const CODE: &str = "
import socket, struct, time
kept = []
def dial(host, port):
    one = socket.socket()
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    one.connect((host, port))
    return one
def connect(host, port, count):
    for _ in range(count):
        begin = time.perf_counter()
        dial(host, port).close()
        yield time.perf_counter() - begin
def echo(host, port, count):
    with dial(host, port) as one:
        for _ in range(count):
            begin = time.perf_counter()
            one.sendall(b'x')
            one.recv(1)
            yield time.perf_counter() - begin
def download(host, port, count):
    buffer = bytearray(1 << 18)
    with dial(host, port) as one:
        begin = time.perf_counter()
        one.sendall(struct.pack('!Q', count))
        left = count
        while left:
            length = one.recv_into(buffer)
            if not length: raise EOFError
            left -= length
        yield time.perf_counter() - begin
def upload(host, port, count):
    block = bytes(1 << 18)
    with dial(host, port) as one:
        begin = time.perf_counter()
        for _ in range(count // len(block)): one.sendall(block)
        one.shutdown(socket.SHUT_WR)
        if one.recv(1) != b'x': raise EOFError
        yield time.perf_counter() - begin
def hold(host, port, count):
    kept.extend(dial(host, port) for _ in range(count))
    return []
def main(args):
    return {'times': list(globals()[args['what']](args['host'], args['port'], args['count']))}
";
/// Bytes of one transfer, a multiple of what the action sends at once.
const TRANSFER: u32 = 256 << 20;

/// A container in which the action is ready.
#[derive(Debug)]
pub(super) struct Measured(Arc<dyn Container>);

impl Measured {
    pub(super) async fn start(factory: &SandboxFactory, number: usize) -> Result<Self> {
        let runtime = direct::runtime_of(Language::Python)?;
        let container = factory.create(direct::spec(&runtime, number)).await?;
        let body = json!({"value": {"name": "measures", "main": "main", "code": CODE, "binary": false, "env": {}}});
        let response = container
            .init(body.to_string().into(), PATIENCE, LIMIT)
            .await?;
        ensure!(
            response.status == 200,
            "an init answered {}",
            response.status
        );
        Ok(Self(container))
    }

    async fn times(&self, what: &str, port: u16, count: u32) -> Result<Vec<f64>> {
        let id = direct::id();
        let arguments =
            json!({"what": what, "host": internet::SERVER, "port": port, "count": count});
        let body = json!({"value": arguments, "activation_id": id.to_string()});
        let response = self
            .0
            .run(id, body.to_string().into(), PATIENCE, LIMIT)
            .await?;
        self.0.logs(id, ByteSize::mib(1), PATIENCE).await;
        let answer: Value = serde_json::from_slice(&response.entity)?;
        let times = answer.get("times").and_then(Value::as_array);
        let times = times.with_context(|| format!("`{what}` answered {answer}"))?;
        Ok(times.iter().filter_map(Value::as_f64).collect())
    }

    /// Adds a round of everything to the samples: microseconds, and megabytes a second.
    pub(super) async fn round(&self, samples: &mut [Samples; 4]) -> Result<()> {
        let [connect, echo, download, upload] = samples;
        for (what, port, samples) in [("connect", ECHO, connect), ("echo", ECHO, echo)] {
            for time in self.times(what, port, 200).await? {
                samples.push(time * 1e6);
            }
        }
        for (what, port, samples) in [("download", SOURCE, download), ("upload", SINK, upload)] {
            for time in self.times(what, port, TRANSFER).await? {
                samples.push(f64::from(TRANSFER) / 1e6 / time);
            }
        }
        Ok(())
    }

    /// Opens connections that stay open.
    pub(super) async fn hold(&self, count: u32) -> Result<()> {
        self.times("hold", ECHO, count).await.map(drop)
    }

    pub(super) async fn stop(self) {
        self.0.destroy().await;
    }
}
