//! The internet's server: faster than what is measured.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread::spawn;

use anyhow::{Context as _, Result};

/// Sends as many bytes as the first eight say.
pub(super) const SOURCE: u16 = 5001;
/// Reads until the end and sends one byte.
pub(super) const SINK: u16 = 5002;
/// Sends back what comes.
pub(super) const ECHO: u16 = 5003;
/// What is written or read at once.
const BLOCK: usize = 256 * 1024;

type Service = fn(TcpStream) -> std::io::Result<()>;

/// Serves until it is killed.
pub(super) fn run() -> Result<()> {
    let services: [(u16, Service); 3] = [(SOURCE, source), (SINK, sink), (ECHO, echo)];
    let mut threads = Vec::new();
    for (port, service) in services {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
            .with_context(|| format!("could not listen on port {port}"))?;
        threads.push(spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that leaves is no fault of the server.
                spawn(move || service(stream).unwrap_or_default());
            }
        }));
    }
    for thread in threads {
        // It ends with the process only.
        let _never = thread.join();
    }
    Ok(())
}

fn source(mut stream: TcpStream) -> std::io::Result<()> {
    let mut wanted = [0; 8];
    stream.read_exact(&mut wanted)?;
    let block = vec![7; BLOCK];
    let mut left = u64::from_be_bytes(wanted);
    while left > 0 {
        let length = usize::try_from(left).map_or(BLOCK, |left| left.min(BLOCK));
        stream.write_all(block.get(..length).unwrap_or_default())?;
        left -= u64::try_from(length).unwrap_or(left);
    }
    Ok(())
}

fn sink(mut stream: TcpStream) -> std::io::Result<()> {
    let mut block = vec![0; BLOCK];
    while stream.read(&mut block)? > 0 {}
    stream.write_all(b"x")
}

fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut byte = [0; 1];
    while stream.read(&mut byte)? > 0 {
        stream.write_all(&byte)?;
    }
    Ok(())
}
