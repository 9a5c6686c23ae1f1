//! What servers may do to a client.
#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use oxwhisk_client::{Client, ClientError, Transport, TransportConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A client of whoever listens.
fn client(listener: &TcpListener, config: TransportConfig) -> Client {
    let host = listener.local_addr().unwrap().to_string().parse().unwrap();
    Client::with_transport(Transport::new(config), host, "u:s").unwrap()
}

/// Reads the head of a request.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// Answers one request with these bytes and closes; returns its head and what the client makes of it.
async fn answered(bytes: &[u8], config: TransportConfig) -> (String, ClientError) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(&listener, config);
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = head(&mut stream).await;
        stream.write_all(bytes).await.unwrap();
        head
    };
    let (head, outcome) = tokio::join!(serve, client.namespaces());
    (head, outcome.unwrap_err())
}

#[tokio::test]
async fn requests_carry_the_key_and_ask_for_no_form() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    let (head, error) = answered(answer, TransportConfig::default()).await;
    assert!(
        head.starts_with("GET /api/v1/namespaces HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(head.contains("authorization: Basic dTpz\r\n"), "{head}");
    assert!(!head.contains("accept"), "{head}");
    assert!(!head.contains("content-type"), "{head}");
    assert!(matches!(error, ClientError::Unreadable { .. }), "{error:?}");
    assert!(error.source().is_some());
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_failed_connection() {
    for bytes in [
        &b""[..],
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n[",
        b"SSH-2.0-OpenSSH\r\n",
    ] {
        let (_, error) = answered(bytes, TransportConfig::default()).await;
        assert!(matches!(error, ClientError::Connection(_)), "{error:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_not_read() {
    let config = TransportConfig {
        max_answer: 10,
        ..TransportConfig::default()
    };
    // The first is told by its head; the second, which ends with its connection, by what comes.
    for answer in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\n\r\n[\"123456789",
    ] {
        let (_, error) = answered(answer, config.clone()).await;
        assert!(matches!(error, ClientError::TooLong(10)), "{error:?}");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_late() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let patience = Duration::from_millis(50);
    let client = client(&listener, TransportConfig::default()).with_timeout(patience);
    let error = client.namespaces().await.unwrap_err();
    assert_eq!(error.to_string(), "no answer within 50ms");
}

#[tokio::test]
async fn a_server_that_is_not_there_cannot_be_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(&listener, TransportConfig::default());
    drop(listener);
    let error = client.namespaces().await.unwrap_err();
    assert!(matches!(error, ClientError::Connect(_)), "{error:?}");
}

#[test]
fn an_address_that_means_https_is_refused_at_once() {
    for host in ["https://127.0.0.1:1", "openwhisk.example.com"] {
        let error = Client::new(host.parse().unwrap(), "u:s").unwrap_err();
        assert!(matches!(error, ClientError::NoTls), "{error:?}");
        assert!(error.to_string().contains("https is not supported"));
    }
}

#[tokio::test]
async fn https_is_refused_before_anything_is_sent() {
    let request = http::Request::get("https://127.0.0.1:1/").body(Bytes::new());
    let transport = Transport::new(TransportConfig::default());
    let error = transport.send(request.unwrap()).await.unwrap_err();
    assert!(matches!(error, ClientError::NoTls), "{error:?}");
}

/// Two requests after each other: how many connections they take.
async fn connections(idle_connections: usize) -> usize {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = TransportConfig {
        idle_connections,
        ..TransportConfig::default()
    };
    let client = client(&listener, config);
    let ask = async {
        for _ in 0..2 {
            client.namespaces().await.unwrap();
        }
    };
    let mut connections = 0;
    let serve = async {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            connections += 1;
            tokio::spawn(async move {
                loop {
                    head(&mut stream).await;
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]";
                    stream.write_all(answer).await.unwrap();
                }
            });
        }
    };
    tokio::select! {
        () = ask => {}
        () = serve => {}
    }
    connections
}

#[tokio::test]
async fn connections_are_kept_open_as_far_as_they_may() {
    assert_eq!(connections(1).await, 1);
    assert_eq!(connections(0).await, 2);
}
