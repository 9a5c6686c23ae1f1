//! A small JSON client for tests.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response};
use oxwhisk_client::{ClientError, Transport, TransportConfig};
use serde_json::Value;

/// How long one answer may take; a blocking invocation takes up to a minute.
const PATIENCE: Duration = Duration::from_secs(100);

/// Reports why a request of a test has no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// There is no answer.
    #[error("{method} {path}: no answer")]
    NoAnswer {
        /// The method of the request.
        method: String,
        /// Its path and query.
        path: String,
        /// What went wrong.
        source: ClientError,
    },
    /// The body is not JSON.
    #[error("answer with status {status} is not JSON: {text}")]
    NotJson {
        /// The status of the answer.
        status: u16,
        /// Its body.
        text: String,
        /// Where it breaks the grammar.
        source: serde_json::Error,
    },
}

/// Talks to one server with one key, by the transport of the client crate. Each request has a connection of its own,
/// so a client can be cloned and used by many tasks at once. What HTTP does not allow goes by [`crate::wire`].
#[derive(Debug, Clone)]
pub struct RestClient {
    transport: Transport,
    authority: String,
    authorization: Option<String>,
}

impl RestClient {
    /// Takes the server's URL (`http://host:port`) and a key, `uuid:secret`.
    #[must_use]
    pub fn new(url: &str, key: &str) -> Self {
        let authority = url
            .strip_prefix("http://")
            .unwrap_or(url)
            .trim_end_matches('/')
            .to_owned();
        let config = TransportConfig {
            timeout: PATIENCE,
            idle_connections: 0,
            ..TransportConfig::default()
        };
        let client = Self {
            transport: Transport::new(config),
            authority,
            authorization: None,
        };
        client.with_key(key)
    }

    /// Returns a client of the same server with another key.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self {
            authorization: Some(format!("Basic {}", STANDARD.encode(key))),
            ..self.clone()
        }
    }

    /// Returns a client of the same server that sends no credentials.
    #[must_use]
    pub fn without_key(&self) -> Self {
        Self {
            authorization: None,
            ..self.clone()
        }
    }

    /// Returns a client that waits so long for an answer; by default 100 seconds.
    #[must_use]
    pub fn with_patience(&self, patience: Duration) -> Self {
        Self {
            transport: self.transport.with_timeout(patience),
            ..self.clone()
        }
    }

    /// Sends a `GET`. `path` holds the query too and goes out as it stands.
    ///
    /// # Errors
    /// [`RestError::NoAnswer`], as all requests.
    pub async fn get(&self, path: &str) -> Result<RestAnswer, RestError> {
        self.send("GET", path, &[], None).await
    }

    /// Sends a `DELETE`.
    ///
    /// # Errors
    /// [`RestError::NoAnswer`].
    pub async fn delete(&self, path: &str) -> Result<RestAnswer, RestError> {
        self.send("DELETE", path, &[], None).await
    }

    /// Sends a `PUT` with a JSON body.
    ///
    /// # Errors
    /// [`RestError::NoAnswer`].
    pub async fn put(&self, path: &str, body: &Value) -> Result<RestAnswer, RestError> {
        self.send(
            "PUT",
            path,
            &[("content-type", "application/json")],
            Some(body.to_string().into_bytes()),
        )
        .await
    }

    /// Sends a `POST` with a JSON body.
    ///
    /// # Errors
    /// [`RestError::NoAnswer`].
    pub async fn post(&self, path: &str, body: &Value) -> Result<RestAnswer, RestError> {
        self.send(
            "POST",
            path,
            &[("content-type", "application/json")],
            Some(body.to_string().into_bytes()),
        )
        .await
    }

    /// Sends any request. Besides `headers`, whose characters up to U+00FF are one byte each, it has `Host`, the
    /// credentials, and the length of the body if there is one; no `Content-Type` of its own.
    ///
    /// # Errors
    /// [`RestError::NoAnswer`].
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Result<RestAnswer, RestError> {
        let failed = |source| RestError::NoAnswer {
            method: method.to_owned(),
            path: path.to_owned(),
            source,
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.authority));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        for (name, value) in headers {
            // A character beyond becomes one that no header may hold.
            let bytes: Vec<u8> = value
                .chars()
                .map(|c| u8::try_from(c).unwrap_or(0))
                .collect();
            request = request.header(*name, bytes);
        }
        let request = request
            .body(Bytes::from(body.unwrap_or_default()))
            .map_err(|error| failed(ClientError::Request(error)))?;
        let answer = self.transport.send(request).await;
        answer.map(RestAnswer).map_err(failed)
    }
}

/// An answer to a [`RestClient`].
#[derive(Debug, Clone)]
pub struct RestAnswer(Response<Bytes>);

impl RestAnswer {
    /// Returns the status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    /// Returns the first header of that name, in any case, if it is ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.headers().get(name)?.to_str().ok()
    }

    /// Returns all headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.0.headers()
    }

    /// Returns the bytes of the body.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.body()
    }

    /// Returns the body as text, invalid bytes replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.0.body()).into_owned()
    }

    /// Parses the body, whatever its content type.
    ///
    /// # Errors
    /// [`RestError::NotJson`].
    pub fn json(&self) -> Result<Value, RestError> {
        serde_json::from_slice(self.0.body()).map_err(|source| RestError::NotJson {
            status: self.status(),
            text: self.text(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request, whose bytes are returned once `length` of them have come.
    async fn answering(listener: &TcpListener, length: usize, answer: &str) -> String {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = vec![0; length];
        stream.read_exact(&mut seen).await.unwrap();
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(seen).unwrap()
    }

    #[tokio::test]
    async fn requests_carry_key_and_body_and_answers_are_json() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let client = RestClient::new(&format!("http://{authority}/"), "u:s");
        let body = json!({"a": 1});
        let expected = format!(
            "PUT /x?y=1 HTTP/1.1\r\nauthorization: Basic dTpz\r\ncontent-type: application/json\r\n\
             host: {authority}\r\ncontent-length: 7\r\n\r\n{{\"a\":1}}"
        );
        let answer = "HTTP/1.1 201 Created\r\nX-A: b\r\nContent-Length: 2\r\n\r\n[]";
        let (seen, answer) = tokio::join!(
            answering(&listener, expected.len(), answer),
            client.put("/x?y=1", &body)
        );
        let answer = answer.unwrap();
        assert_eq!(seen, expected);
        assert_eq!((answer.status(), answer.header("X-A")), (201, Some("b")));
        assert_eq!(answer.json().unwrap(), json!([]));
    }

    #[tokio::test]
    async fn client_without_key_sends_none() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let client = RestClient::new(&authority, "u:s").without_key();
        let expected = format!("GET / HTTP/1.1\r\nhost: {authority}\r\n\r\n");
        let answer = "HTTP/1.1 401 No\r\nContent-Length: 4\r\n\r\nnope";
        let (seen, answer) = tokio::join!(
            answering(&listener, expected.len(), answer),
            client.get("/")
        );
        assert_eq!(seen, expected);
        assert!(matches!(
            answer.unwrap().json(),
            Err(RestError::NotJson { status: 401, .. })
        ));
    }

    #[tokio::test]
    async fn server_that_is_not_there_is_an_error_that_names_the_request() {
        let client = RestClient::new("http://127.0.0.1:1", "u:s");
        let fault = client.delete("/x").await.unwrap_err();
        assert_eq!(fault.to_string(), "DELETE /x: no answer");
    }
}
