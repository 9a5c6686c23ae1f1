//! One HTTP/1.1 exchange on a connection of its own, byte for byte as the caller wants it.
//!
//! The target goes out unescaped and unchecked, any method and any number of equal headers are
//! allowed, and no header is added. The answer is read while the request is still being sent, so a
//! server may refuse a large body early. No TLS, no redirects, no reuse of connections.

mod response;

use std::io;
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

pub use response::Response;

/// A request as it is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The method, e.g. `GET`.
    pub method: String,
    /// Path and query as they stand in the request line.
    pub target: String,
    /// Names and values of the headers in their order; characters up to U+00FF, one byte each.
    pub headers: Vec<(String, String)>,
    /// The bytes after the headers. `Content-Length` is up to the caller.
    pub body: Vec<u8>,
}

/// Reports why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// No connection could be made.
    #[error("could not connect to `{authority}`")]
    Connect {
        /// Host and port.
        authority: String,
        /// What the system said.
        source: io::Error,
    },
    /// The connection failed while the request was sent.
    #[error("could not send the request")]
    Send(#[source] io::Error),
    /// The connection failed or ended before the answer was complete.
    #[error("could not read the answer")]
    Receive(#[source] io::Error),
    /// The answer is not HTTP/1.x.
    #[error("answer is not HTTP: {0}")]
    Malformed(String),
    /// A header holds a character that has no single byte.
    #[error("header `{0}` holds characters beyond latin-1")]
    HeaderText(String),
    /// The answer took too long.
    #[error("no answer within {0:?}")]
    Late(Duration),
}

impl Request {
    /// The request line and the headers, up to and including the empty line.
    fn head(&self) -> Result<Vec<u8>, WireError> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b": ");
            for character in value.chars() {
                head.push(
                    u8::try_from(character).map_err(|_| WireError::HeaderText(name.clone()))?,
                );
            }
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        Ok(head)
    }
}

/// Sends a request to `authority` (`host:port`) and returns the answer once it is complete.
///
/// # Errors
/// [`WireError`] if there is no complete answer within `patience`. Dropping the future closes the
/// connection.
pub async fn exchange(
    authority: &str,
    request: &Request,
    patience: Duration,
) -> Result<Response, WireError> {
    tokio::time::timeout(patience, exchange_without_limit(authority, request))
        .await
        .unwrap_or(Err(WireError::Late(patience)))
}

async fn exchange_without_limit(authority: &str, request: &Request) -> Result<Response, WireError> {
    let head = request.head()?;
    let mut stream = TcpStream::connect(authority)
        .await
        .map_err(|source| WireError::Connect {
            authority: authority.to_owned(),
            source,
        })?;
    stream.set_nodelay(true).map_err(WireError::Send)?;
    let (incoming, mut outgoing) = stream.split();
    let send = async {
        outgoing.write_all(&head).await?;
        outgoing.write_all(&request.body).await
    };
    let mut incoming = BufReader::new(incoming);
    let receive = response::receive(&mut incoming, &request.method);
    tokio::pin!(send, receive);
    tokio::select! {
        answer = &mut receive => return answer,
        sent = &mut send => match sent {
            // A server that refuses early may close its side; its answer is still there to read.
            Err(fault) if !is_hangup(&fault) => return Err(WireError::Send(fault)),
            Ok(()) | Err(_) => {}
        },
    }
    receive.await
}

fn is_hangup(fault: &io::Error) -> bool {
    matches!(
        fault.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// Reads until the end of the request's head, answers with `answer`, and returns the head.
    async fn answering(listener: TcpListener, answer: &'static [u8]) -> String {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"\r\n\r\n") {
            seen.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer).await.unwrap();
        String::from_utf8_lossy(&seen).into_owned()
    }

    async fn exchanged(
        request: Request,
        answer: &'static [u8],
    ) -> (String, Result<Response, WireError>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        tokio::join!(
            answering(listener, answer),
            exchange(&authority, &request, PATIENCE)
        )
    }

    fn get() -> Request {
        Request {
            method: "GET".into(),
            target: "/".into(),
            ..Request::default()
        }
    }

    #[tokio::test]
    async fn odd_requests_go_out_as_they_are() {
        let request = Request {
            method: "FOO".into(),
            target: "/a%zz?b=%".into(),
            headers: vec![("x-a".into(), "1".into()), ("x-a".into(), "é".into())],
            body: Vec::new(),
        };
        let (seen, _) = exchanged(request, b"HTTP/1.1 204 No Content\r\n\r\n").await;
        assert_eq!(
            seen,
            "FOO /a%zz?b=% HTTP/1.1\r\nx-a: 1\r\nx-a: \u{fffd}\r\n\r\n"
        );
    }

    #[tokio::test]
    async fn answers_end_by_length_by_chunks_or_with_the_connection() {
        let table: [&[u8]; 4] = [
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhellothere",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
            b"HTTP/1.1 200\r\nX-A: b\r\n\r\nhello",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-A: b\r\n\r\nhello",
        ];
        for answer in table {
            let response = exchanged(get(), answer).await.1.unwrap();
            assert_eq!(response.status, 200);
            assert_eq!(response.header("x-a"), Some("b"));
            assert_eq!(
                response.content,
                b"hello",
                "{}",
                String::from_utf8_lossy(answer)
            );
        }
    }

    #[tokio::test]
    async fn head_and_no_content_have_no_body() {
        let head = Request {
            method: "HEAD".into(),
            ..get()
        };
        let response = exchanged(head, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
            .await
            .1
            .unwrap();
        assert_eq!(response.content, b"");
        let response = exchanged(get(), b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n")
            .await
            .1
            .unwrap();
        assert_eq!(response.content, b"");
    }

    #[tokio::test]
    async fn large_body_may_be_refused_before_it_is_sent() {
        let request = Request {
            body: vec![b'x'; 32 << 20],
            ..get()
        };
        let answer = b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(exchanged(request, answer).await.1.unwrap().status, 413);
    }

    #[tokio::test]
    async fn broken_answers_are_errors() {
        let table: [&[u8]; 4] = [
            b"",
            b"SMTP ready\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello",
        ];
        for answer in table {
            let text = String::from_utf8_lossy(answer);
            assert!(exchanged(get(), answer).await.1.is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn character_without_a_byte_is_refused_in_headers() {
        let request = Request {
            headers: vec![("x".into(), "€".into())],
            ..get()
        };
        let refused = exchange("127.0.0.1:1", &request, PATIENCE).await;
        assert!(matches!(refused, Err(WireError::HeaderText(name)) if name == "x"));
    }
}
