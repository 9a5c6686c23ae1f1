//! Connections: HTTP/1.1 in, HTTP/1.1 out.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderValue};
use http::{Method, Request as HttpRequest, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::controller::Controller;
use crate::http::{ErrorForm, Reply, Request, RequestId, Target, TargetError};

/// Largest body that is read.
const MAX_BODY: u64 = 50 * 1024 * 1024;
/// How long a body may take.
const BODY_PATIENCE: Duration = Duration::from_secs(30);
/// How long the head of a request may take, and how long a connection may be idle.
const HEAD_PATIENCE: Duration = Duration::from_secs(70);
/// How long connections may go on after shutdown began.
const DRAIN_PATIENCE: Duration = Duration::from_secs(10);
/// Room for the head of a request: the longest target and generous headers.
const MAX_HEAD: usize = 64 * 1024;

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A client of the platform.
    Client,
    /// A container, through the listener in its own network.
    Container,
}

impl Controller {
    /// Answers requests on a listener until `shutdown` becomes true or its sender is gone, then lets open
    /// requests end.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        origin: Origin,
        mut shutdown: watch::Receiver<bool>,
    ) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _peer)) => {
                        let connection = Arc::clone(&self).connection(stream, origin, shutdown.clone());
                        connections.spawn(connection);
                    }
                    Err(error) => {
                        // Most often too many open files: wait for some to close instead of spinning.
                        tracing::warn!(%error, "could not accept a connection");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
                Some(_ended) = connections.join_next() => {}
                () = asked_to_stop(&mut shutdown) => break,
            }
        }
        drop(listener);
        let drained = tokio::time::timeout(DRAIN_PATIENCE, async {
            while connections.join_next().await.is_some() {}
        });
        if drained.await.is_err() {
            tracing::warn!(
                open = connections.len(),
                "connections were cut off at shutdown"
            );
        }
    }

    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        _origin: Origin,
        mut shutdown: watch::Receiver<bool>,
    ) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "could not set TCP_NODELAY");
        }
        let service = service_fn(move |request| {
            let controller = Arc::clone(&self);
            async move { Ok::<_, Infallible>(controller.respond(request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_PATIENCE)
            .max_buf_size(MAX_HEAD)
            .half_close(false)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let outcome = tokio::select! {
            outcome = connection.as_mut() => outcome,
            () = asked_to_stop(&mut shutdown) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = outcome {
            tracing::debug!(%error, "connection ended");
        }
    }

    async fn respond(self: Arc<Self>, request: HttpRequest<Incoming>) -> Response<Full<Bytes>> {
        let start_ms = self.clock.epoch_ms();
        let (head, body) = request.into_parts();
        if head.method == Method::CONNECT {
            return plain(StatusCode::BAD_REQUEST, "CONNECT is not supported");
        }
        if !is_known(&head.method) {
            return plain(StatusCode::NOT_IMPLEMENTED, "Unsupported HTTP method");
        }
        let target = match Target::parse(&head.uri) {
            Ok(target) => target,
            Err(error @ TargetError::TooLong) => {
                return plain(StatusCode::URI_TOO_LONG, &error.to_string());
            }
            Err(error @ TargetError::BadEscape { .. }) => {
                return plain(StatusCode::BAD_REQUEST, &error.to_string());
            }
        };
        let body = match read_body(body).await {
            Ok(body) => body,
            Err(refusal) => return refusal,
        };
        let id = RequestId::of(&head.headers);
        let request = Request {
            method: head.method,
            query: target.query,
            headers: head.headers,
            body,
            id,
            start_ms,
        };
        let reply = match self.route(&request, &target.path).await {
            Ok(reply) => reply,
            Err(error) if error.form == ErrorForm::Plain => {
                return plain(error.status, &error.message);
            }
            Err(error) => Reply::of_error(error, &request.id),
        };
        reply.into_response(&request)
    }
}

/// Returns when `shutdown` is true or nobody can make it true any more.
async fn asked_to_stop(shutdown: &mut watch::Receiver<bool>) {
    let _either_way = shutdown.wait_for(|&stop| stop).await;
}

fn is_known(method: &Method) -> bool {
    [
        Method::GET,
        Method::PUT,
        Method::POST,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
        Method::PATCH,
        Method::TRACE,
    ]
    .contains(method)
}

/// Reads a body whole, within its bounds of size and time. Source: rest-api §5.5, observed.md.
async fn read_body(mut body: Incoming) -> Result<Bytes, Response<Full<Bytes>>> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    if body.size_hint().lower() > MAX_BODY {
        return Err(plain(StatusCode::BAD_REQUEST, "Request too large"));
    }
    let read = async {
        let mut first: Option<Bytes> = None;
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                return Err(plain(StatusCode::BAD_REQUEST, "The request ended early."));
            };
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if (whole.len() + data.len()) as u64 > MAX_BODY {
                return Err(plain(StatusCode::BAD_REQUEST, "Request too large"));
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
    };
    match tokio::time::timeout(BODY_PATIENCE, read).await {
        Ok(outcome) => outcome,
        Err(_) => Err(plain(
            StatusCode::REQUEST_TIMEOUT,
            "The request was not received in time.",
        )),
    }
}

/// An answer below the routes: a text and no transaction id.
fn plain(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=UTF-8"),
    );
    response
}
