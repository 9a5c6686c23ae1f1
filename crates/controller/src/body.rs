//! Request bodies, within bounds of size, time and memory.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Largest body that is read.
const MAX_BODY: u64 = 50 * 1024 * 1024;
/// How long a body may take.
const BODY_PATIENCE: Duration = Duration::from_secs(30);
/// Smaller bodies are read without asking for room: the number of connections bounds them.
const SMALL: u64 = 64 * 1024;
/// One permit of the room for bodies stands for so many bytes.
const BYTES_PER_PERMIT: u64 = 64 * 1024;

/// Memory that the bodies of one listener may take together. A body waits for its room before it is read.
#[derive(Debug, Clone)]
pub(crate) struct BodyRoom(Arc<Semaphore>);

/// A body with the room that it takes as long as it is held.
#[derive(Debug)]
pub(crate) struct HeldBody {
    pub(crate) bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

/// Why a body was not read: a status and a text below the routes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyRefusal {
    pub(crate) status: StatusCode,
    pub(crate) text: &'static str,
}

const fn refuse<T>(status: StatusCode, text: &'static str) -> Result<T, BodyRefusal> {
    Err(BodyRefusal { status, text })
}

impl BodyRoom {
    /// Room for so many bytes; at least one body of the greatest size.
    pub(crate) fn new(bytes: u64) -> Self {
        let permits = bytes.max(MAX_BODY) / BYTES_PER_PERMIT + 1;
        Self(Arc::new(Semaphore::new(
            usize::try_from(permits).unwrap_or(Semaphore::MAX_PERMITS),
        )))
    }

    /// Reads a body whole. Source: rest-api §5.5, observed.md.
    pub(crate) async fn read(&self, body: Incoming) -> Result<HeldBody, BodyRefusal> {
        if body.is_end_stream() {
            return Ok(HeldBody {
                bytes: Bytes::new(),
                _room: None,
            });
        }
        if body.size_hint().lower() > MAX_BODY {
            return refuse(StatusCode::BAD_REQUEST, "Request too large");
        }
        let read = async {
            let room = self.reserve(&body).await;
            let bytes = collect(body).await?;
            Ok(HeldBody { bytes, _room: room })
        };
        match tokio::time::timeout(BODY_PATIENCE, read).await {
            Ok(outcome) => outcome,
            Err(_) => refuse(
                StatusCode::REQUEST_TIMEOUT,
                "The request was not received in time.",
            ),
        }
    }

    async fn reserve(&self, body: &Incoming) -> Option<OwnedSemaphorePermit> {
        let size = body.size_hint().upper().unwrap_or(MAX_BODY);
        if size <= SMALL {
            return None;
        }
        let permits = u32::try_from(size / BYTES_PER_PERMIT + 1).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        Arc::clone(&self.0).acquire_many_owned(permits).await.ok()
    }
}

/// True for a body that is not small, so that its sender is asked who he is before it is read.
pub(crate) fn is_large(body: &Incoming) -> bool {
    body.size_hint().upper().is_none_or(|size| size > SMALL)
}

async fn collect(mut body: Incoming) -> Result<Bytes, BodyRefusal> {
    let mut first: Option<Bytes> = None;
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return refuse(StatusCode::BAD_REQUEST, "The request ended early.");
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let before = first.as_ref().map_or(0, Bytes::len).max(whole.len());
        if (before + data.len()) as u64 > MAX_BODY {
            return refuse(StatusCode::BAD_REQUEST, "Request too large");
        }
        match (&first, whole.is_empty()) {
            (None, true) => first = Some(data),
            (Some(start), true) => {
                whole.extend_from_slice(start);
                whole.extend_from_slice(&data);
            }
            _ => whole.extend_from_slice(&data),
        }
    }
    Ok(if whole.is_empty() {
        first.unwrap_or_default()
    } else {
        whole.freeze()
    })
}
