//! Connections: HTTP/1.1 in, HTTP/1.1 out.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request as HttpRequest, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::body::{BodyRoom, is_large};
use crate::controller::Controller;
use crate::http::{ErrorForm, Reply, Request, RequestId, ResponseBody, Target, TargetError};
use crate::messages;
use crate::patient::Patient;
use crate::router;

/// How long the head of a request may take, and how long a connection may be idle.
const HEAD_PATIENCE: Duration = Duration::from_secs(70);
/// How long connections may go on after shutdown began.
const DRAIN_PATIENCE: Duration = Duration::from_secs(30);
/// How long a client may leave an answer untaken, 64 KiB at a time.
const ANSWER_PATIENCE: Duration = Duration::from_secs(60);
/// Room for the head of a request: the longest target and generous headers.
const MAX_HEAD: usize = 64 * 1024;

/// Bounds of one listener.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    connections: usize,
    /// Bytes of all bodies together.
    bodies: u64,
    /// How long the head of a request may take, and how long a connection may be idle.
    head_patience: Duration,
}

impl Origin {
    /// A container may keep a few connections busy, and no more of the server's memory than its own would be.
    fn bounds(self) -> Bounds {
        match self {
            Self::Client => Bounds {
                connections: 8192,
                bodies: 512 << 20,
                head_patience: HEAD_PATIENCE,
            },
            Self::Container => Bounds {
                connections: 64,
                bodies: 64 << 20,
                head_patience: HEAD_PATIENCE / 7,
            },
        }
    }
}

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
        let bounds = origin.bounds();
        let places = Arc::new(Semaphore::new(bounds.connections));
        let service = Service {
            controller: self,
            origin,
            bounds,
            room: BodyRoom::new(bounds.bodies),
        };
        let mut connections = JoinSet::new();
        let accept = async || {
            // The semaphore is never closed.
            let place = Arc::clone(&places).acquire_owned().await.ok();
            listener
                .accept()
                .await
                .map(|(stream, _peer)| (stream, place))
        };
        loop {
            tokio::select! {
                accepted = accept() => match accepted {
                    Ok((stream, place)) => {
                        let connection = service.clone().connection(stream, shutdown.clone());
                        connections.spawn(async move {
                            connection.await;
                            drop(place);
                        });
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
}

/// What answers the requests of one listener.
#[derive(Debug, Clone)]
struct Service {
    controller: Arc<Controller>,
    origin: Origin,
    bounds: Bounds,
    room: BodyRoom,
}

impl Service {
    async fn connection(self, stream: TcpStream, mut shutdown: watch::Receiver<bool>) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "could not set TCP_NODELAY");
        }
        let head_patience = self.bounds.head_patience;
        let service = service_fn(move |request| {
            let service = self.clone();
            async move { Ok::<_, Infallible>(service.respond(request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head_patience)
            .max_buf_size(MAX_HEAD)
            // Without it the connection is read while a request is answered, which costs a buffer a request. What a
            // handler does ends anyway if its caller goes away.
            .half_close(true)
            .serve_connection(TokioIo::new(Patient::new(stream, ANSWER_PATIENCE)), service);
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

    async fn respond(self, request: HttpRequest<Incoming>) -> Response<ResponseBody> {
        let _open = self.controller.requests.begin();
        let start_ms = self.controller.clock.epoch_ms();
        let (head, body) = request.into_parts();
        if head.method == Method::CONNECT {
            return plain(StatusCode::BAD_REQUEST, "CONNECT is not supported");
        }
        if !is_known(&head.method) {
            return plain(StatusCode::NOT_IMPLEMENTED, "Unsupported HTTP method");
        }
        // One proxy goes by the first, another by the last (RFC 9112 §3.2).
        if head.headers.get_all(header::HOST).iter().nth(1).is_some() {
            return plain(StatusCode::BAD_REQUEST, messages::SEVERAL_HOSTS);
        }
        let hosts = &self.controller.config.api_hosts;
        let namespace = hosts.namespace_of(&head.uri, &head.headers);
        let target = match Target::parse(&head.uri, namespace.as_deref()) {
            Ok(target) => target,
            Err(error @ TargetError::TooLong) => {
                return plain(StatusCode::URI_TOO_LONG, &error.to_string());
            }
            Err(error @ TargetError::BadEscape { .. }) => {
                return plain(StatusCode::BAD_REQUEST, &error.to_string());
            }
        };
        let id = RequestId::of(&head.headers);
        let mut request = Request {
            method: head.method,
            query: target.query,
            headers: head.headers,
            body: Bytes::new(),
            id,
            start_ms,
            origin: self.origin,
        };
        // Nobody unknown makes the server hold a large body.
        if is_large(&body)
            && let Err(error) = self.controller.admit(&request, &target.path).await
        {
            return Reply::of_error(error, &request.id).into_response(&request);
        }
        let held = match self.room.read(body).await {
            Ok(held) => held,
            Err(refusal) => return plain(refusal.status, refusal.text),
        };
        request.body = held.bytes.clone();
        let only_reads = matches!(request.method, Method::GET | Method::HEAD | Method::OPTIONS);
        let answer = answer(Arc::clone(&self.controller), request, target.path);
        let response = if only_reads {
            answer.await
        } else {
            self.controller.to_the_end(answer).await
        };
        drop(held);
        response
    }
}

async fn answer(
    controller: Arc<Controller>,
    request: Request,
    path: String,
) -> Response<ResponseBody> {
    let reply = match controller.route(&request, &path).await {
        Ok(reply) => reply,
        Err(error) if error.form == ErrorForm::Plain => return plain(error.status, &error.message),
        Err(error) => Reply::of_error(error, &request.id),
    };
    reply.into_response(&request)
}

impl Controller {
    /// Carries a request out even if its caller goes away meanwhile: what a handler writes and remembers must not
    /// end half-way.
    async fn to_the_end(
        &self,
        answer: impl Future<Output = Response<ResponseBody>> + Send + 'static,
    ) -> Response<ResponseBody> {
        // Boxed: the future of a request is large, and is moved several times on its way into a task.
        match self.tasks.spawn(Box::pin(answer)).await {
            Ok(response) => response,
            Err(error) => {
                tracing::error!(%error, "a request ended badly");
                plain(StatusCode::INTERNAL_SERVER_ERROR, messages::INTERNAL_ERROR)
            }
        }
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
    ]
    .contains(method)
        || router::is_exotic(method)
}

/// An answer below the routes: a text and no transaction id.
fn plain(status: StatusCode, text: &str) -> Response<ResponseBody> {
    let mut response = Response::new(Bytes::copy_from_slice(text.as_bytes()).into());
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=UTF-8"),
    );
    response
}
