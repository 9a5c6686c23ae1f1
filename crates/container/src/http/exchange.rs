//! One request and its answer on a connection of their own.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::{Response, ResponseLimit};

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum ExchangeError {
    /// Nobody listens (yet, or any more): the request was not taken.
    NotConnected,
    /// The connection broke, or what came is not an answer.
    Lost,
}

/// Sends the JSON text and reads the answer, keeping as much of it as the limit says.
///
/// A new connection is used each time: pausing a container silently breaks connections that are kept.
pub(super) async fn exchange(
    address: SocketAddr,
    path: &str,
    body: Bytes,
    limit: ResponseLimit,
) -> Result<Response, ExchangeError> {
    let stream = connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|_| ExchangeError::Lost)?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(HOST, address.to_string())
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "application/json")
        .header(CONTENT_LENGTH, body.len())
        .header(CONNECTION, "close")
        .body(Full::new(body))
        .map_err(|_| ExchangeError::Lost)?;
    let answer = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|_| ExchangeError::Lost)?;
        read(response, limit).await
    };
    let (mut answer, mut connection) = (pin!(answer), pin!(connection));
    // The connection is driven from here; when it ends first, the rest of the answer is buffered.
    tokio::select! {
        answer = &mut answer => return answer,
        _ = &mut connection => {}
    }
    answer.await
}

async fn connect(address: SocketAddr) -> Result<TcpStream, ExchangeError> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable => ExchangeError::NotConnected,
            _ => ExchangeError::Lost,
        })?;
    // Only a matter of speed.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

async fn read(
    response: hyper::Response<Incoming>,
    limit: ResponseLimit,
) -> Result<Response, ExchangeError> {
    let status = response.status().as_u16();
    // An answer without a length, or an empty one, counts as none.
    let length = response
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let length = length
        .filter(|&length| length > 0)
        .ok_or(ExchangeError::Lost)?;
    let too_long = length > limit.max.as_bytes();
    let kept = if too_long {
        length.min(limit.truncation.as_bytes())
    } else {
        length
    };
    let kept = usize::try_from(kept).unwrap_or(usize::MAX);
    let mut entity = BytesMut::new();
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| ExchangeError::Lost)?;
        // The rest is read and dropped, so that the runtime can finish.
        if let Some(data) = frame.data_ref() {
            let room = kept - entity.len();
            entity.extend_from_slice(data.get(..room.min(data.len())).unwrap_or_default());
        }
    }
    Ok(Response {
        status,
        entity: entity.freeze(),
        full_length: too_long.then_some(length),
    })
}
