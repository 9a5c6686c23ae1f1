//! A small JSON client for tests.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::wire::{self, Response, WireError};

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
        source: WireError,
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

/// Talks to one server with one key. Each request has a connection of its own, so a client can be
/// cloned and used by many tasks at once.
#[derive(Debug, Clone)]
pub struct RestClient {
    authority: String,
    authorization: Option<String>,
    patience: Duration,
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
        let client = Self {
            authority,
            authorization: None,
            patience: PATIENCE,
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
            patience,
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

    /// Sends any request. Besides `headers` it has `Host`, the credentials, and the length of the body
    /// if there is one; no `Content-Type` of its own.
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
        let mut all = vec![("Host".to_owned(), self.authority.clone())];
        all.extend(
            self.authorization
                .iter()
                .map(|value| ("Authorization".to_owned(), value.clone())),
        );
        all.extend(
            headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        if let Some(body) = &body {
            all.push(("Content-Length".to_owned(), body.len().to_string()));
        }
        let request = wire::Request {
            method: method.to_owned(),
            target: path.to_owned(),
            headers: all,
            body: body.unwrap_or_default(),
        };
        let answer = wire::exchange(&self.authority, &request, self.patience).await;
        answer
            .map(RestAnswer)
            .map_err(|source| RestError::NoAnswer {
                method: request.method,
                path: request.target,
                source,
            })
    }
}

/// An answer to a [`RestClient`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestAnswer(Response);

impl RestAnswer {
    /// Returns the status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// Returns the first header of that name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.header(&name.to_lowercase())
    }

    /// Returns all headers in their order, names in lower case.
    #[must_use]
    pub fn headers(&self) -> &[(String, String)] {
        &self.0.headers
    }

    /// Returns the bytes of the body.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0.content
    }

    /// Returns the body as text, invalid bytes replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.content).into_owned()
    }

    /// Parses the body, whatever its content type.
    ///
    /// # Errors
    /// [`RestError::NotJson`].
    pub fn json(&self) -> Result<Value, RestError> {
        serde_json::from_slice(&self.0.content).map_err(|source| RestError::NotJson {
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
            "PUT /x?y=1 HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Basic dTpz\r\n\
             content-type: application/json\r\nContent-Length: 7\r\n\r\n{{\"a\":1}}"
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
        let expected = format!("GET / HTTP/1.1\r\nHost: {authority}\r\n\r\n");
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
