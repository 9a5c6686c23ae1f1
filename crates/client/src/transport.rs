//! HTTP/1.1 requests over connections that are kept open. No TLS, redirects or cookies.

use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Body as _;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::error::ClientError;

/// How long a connection is kept that is not used: shorter than servers keep theirs.
const IDLE: Duration = Duration::from_secs(30);

/// How requests are sent.
#[derive(Debug, Clone)]
pub struct TransportConfig {
    /// How long one answer may take, connecting and reading it included. Default 75 s: a blocking invocation
    /// waits up to 60.
    pub timeout: Duration,
    /// Bytes that the body of one answer may have. Default 256 MB: a list of 200 records of 1 MB each fits.
    pub max_answer: usize,
    /// Connections to one server that are kept open while nothing is sent. Default 8; with 0 each request has a
    /// connection of its own.
    pub idle_connections: usize,
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(75),
            max_answer: 256 << 20,
            idle_connections: 8,
        }
    }
}

/// Sends requests. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Transport {
    client: Client<HttpConnector, Full<Bytes>>,
    config: TransportConfig,
}

impl Transport {
    /// Makes a transport. It connects when it is used.
    #[must_use]
    pub fn new(config: TransportConfig) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(config.idle_connections)
            .build(connector);
        Self { client, config }
    }

    /// Returns a transport that waits so long for an answer, over the same connections.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        let mut transport = self.clone();
        transport.config.timeout = timeout;
        transport
    }

    /// Sends a request to an absolute URI and returns the whole answer, whatever its status. Dropping the future
    /// closes the connection.
    ///
    /// # Errors
    /// [`ClientError::NoTls`], [`ClientError::Connect`], [`ClientError::Connection`], [`ClientError::Late`], [`ClientError::TooLong`].
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ClientError> {
        if request.uri().scheme() == Some(&Scheme::HTTPS) {
            return Err(ClientError::NoTls);
        }
        let request = request.map(Full::new);
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| {
                if error.is_connect() {
                    ClientError::Connect(Box::new(error))
                } else {
                    ClientError::Connection(Box::new(error))
                }
            })?;
            let (head, body) = response.into_parts();
            let most = self.config.max_answer;
            if body.size_hint().lower() > most as u64 {
                return Err(ClientError::TooLong(most));
            }
            let body = Limited::new(body, most).collect().await;
            let body = body.map_err(|error| match error.downcast::<LengthLimitError>() {
                Ok(_) => ClientError::TooLong(most),
                Err(error) => ClientError::Connection(error),
            })?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        tokio::time::timeout(self.config.timeout, exchange)
            .await
            .unwrap_or(Err(ClientError::Late(self.config.timeout)))
    }
}
