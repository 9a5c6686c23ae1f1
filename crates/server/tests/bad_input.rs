//! What no well-behaved client sends gets the contract's errors; the server goes on.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests may panic"
)]

use std::io::{Cursor, Write};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oxwhisk_testing::processes::resident_kib;
use oxwhisk_testing::{RestAnswer, ServerOptions, TestServer, wire};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zip::write::SimpleFileOptions;

const PATIENCE: Duration = Duration::from_secs(60);
/// Resident memory that a server needs neither for large bodies nor for many connections, in KiB.
const MUCH_MEMORY: u64 = 400 << 10;
const ACTION: &str = "/api/v1/namespaces/_/actions/a?overwrite=true";
const JSON: (&str, &str) = ("content-type", "application/json");

fn start() -> TestServer {
    ServerOptions::new(env!("CARGO_BIN_EXE_oxwhisk"))
        .without_throttles()
        .start()
        .unwrap()
}

/// The server still answers, has not panicked, and has not grown.
async fn is_well(server: &TestServer) {
    let answer = server.client().get("/api/v1/namespaces").await.unwrap();
    assert_eq!(
        (answer.status(), answer.text()),
        (200, "[\"guest\"]".to_owned())
    );
    assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
    let used = resident_kib(server.pid());
    assert!(used < MUCH_MEMORY, "the server uses {used} KiB");
}

/// What a client does after it has sent everything.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Then {
    Waits,
    HangsUp,
}

/// Sends bytes as they are and returns the head of the answer, or what came before the server closed.
async fn raw(server: &TestServer, bytes: &[u8], then: Then) -> String {
    let mut stream = TcpStream::connect(server.url().trim_start_matches("http://"))
        .await
        .unwrap();
    let mut answer = Vec::new();
    let exchange = async {
        // The server may refuse before it has read everything.
        let _ = stream.write_all(bytes).await;
        if then == Then::HangsUp {
            let _ = stream.shutdown().await;
        }
        while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
            if !matches!(stream.read_buf(&mut answer).await, Ok(1..)) {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, exchange)
        .await
        .expect("the connection stays open");
    String::from_utf8_lossy(&answer).into_owned()
}

fn status_of(answer: &str) -> u16 {
    answer
        .split(' ')
        .nth(1)
        .and_then(|word| word.parse().ok())
        .unwrap_or(0)
}

/// rest-api §4.4, §5.4, §5.5.
#[tokio::test(flavor = "multi_thread")]
async fn malformed_http_is_refused() {
    let server = start();
    let many: String = (0..5000).map(|n| format!("X-{n}: {n}\r\n")).collect();
    let long = "x".repeat(300_000);
    let key = STANDARD.encode(server.guest_key());
    let head = |rest: &str| {
        format!(
            "PUT {ACTION} HTTP/1.1\r\nHost: h\r\nAuthorization: Basic {key}\r\nContent-Type: application/json\r\n{rest}"
        )
    };
    // 0 is a connection closed without an answer.
    let table: Vec<(String, &[u16])> = vec![
        ("GARBAGE\r\n\r\n".into(), &[400]),
        ("\0\0\0\0\r\n\r\n".into(), &[400]),
        ("GET / HTTP/9.9\r\n\r\n".into(), &[400, 505]),
        (
            "GET /ping HTTP/1.1\r\nHost: h\r\nX-A: a\0b\r\n\r\n".into(),
            &[400],
        ),
        (
            "GET /ping HTTP/1.1\r\nHost: h\r\nX A: b\r\n\r\n".into(),
            &[400],
        ),
        (
            format!("GET /ping HTTP/1.1\r\nHost: h\r\n{many}\r\n"),
            &[400, 431],
        ),
        (
            format!("GET /ping HTTP/1.1\r\nHost: h\r\nX-A: {long}\r\n\r\n"),
            &[400, 431],
        ),
        (
            format!("GET /{long} HTTP/1.1\r\nHost: h\r\n\r\n"),
            &[414, 431],
        ),
        (
            format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(9000)),
            &[414],
        ),
        (
            "FOO /api/v1/namespaces HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".into(),
            &[501],
        ),
        (
            "GET /api/v1/namespaces/_/actions/%zz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
                .into(),
            &[400],
        ),
        (head("Content-Length: -1\r\n\r\n{}"), &[400]),
        (
            head("Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
            &[400],
        ),
        (
            head("Content-Length: 99999999999999999999999\r\n\r\n{}"),
            &[400],
        ),
        (head("Content-Length: 50\r\n\r\n{\"half\": "), &[0, 400]),
        (
            head("Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"),
            &[0, 400],
        ),
        (
            head("Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n"),
            &[0, 400],
        ),
        (
            head("Transfer-Encoding: nonsense\r\nConnection: close\r\n\r\n{}"),
            &[0, 400, 411, 501],
        ),
    ];
    for (request, allowed) in table {
        // Where no answer is due the server still waits for the rest.
        let then = if allowed.contains(&0) {
            Then::HangsUp
        } else {
            Then::Waits
        };
        let shown: String = request.chars().take(120).collect();
        let answer = raw(&server, request.as_bytes(), then).await;
        assert!(allowed.contains(&status_of(&answer)), "{shown:?}: {answer}");
    }
    is_well(&server).await;
}

/// rest-api §3.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_none_are_refused() {
    let server = start();
    let client = server.client().without_key();
    let encoded = |bytes: &[u8]| format!("Basic {}", STANDARD.encode(bytes));
    let long = encoded(&vec![b'a'; 30_000]);
    for value in [
        "",
        "Basic",
        "Basic !!!",
        "Basic ====",
        "Bearer x",
        &encoded(b"\xff\xfe:\xff"),
        &encoded(b":"),
        &encoded(b"a:b:c"),
        &long,
    ] {
        let answer = client
            .send(
                "GET",
                "/api/v1/namespaces",
                &[("authorization", value)],
                None,
            )
            .await
            .unwrap();
        assert_eq!(answer.status(), 401, "{value:.40}: {}", answer.text());
        assert!(answer.json().unwrap()["error"].is_string());
    }
    is_well(&server).await;
}

async fn put(server: &TestServer, path: &str, body: impl Into<Vec<u8>>) -> RestAnswer {
    server
        .client()
        .send("PUT", path, &[JSON], Some(body.into()))
        .await
        .unwrap()
}

fn nested(open: &str, close: &str, depth: usize) -> String {
    format!("{}{}", open.repeat(depth), close.repeat(depth))
}

/// rest-api §6.3.
#[tokio::test(flavor = "multi_thread")]
async fn malformed_json_is_refused() {
    let server = start();
    let deep = nested("[", "]", 100_000);
    let deep_objects = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    let open = "[".repeat(1_000_000);
    let bodies: Vec<Vec<u8>> = [
        "",
        " ",
        "{",
        "}",
        "nope",
        "[1",
        "{\"a\"}",
        "{\"a\":1,}",
        "[1]",
        "\"x\"",
        "{} {}",
        "\u{feff}{}",
        "{\"exec\":null}",
        "{\"exec\":[]}",
        "{\"exec\":{\"kind\":1,\"code\":\"\"}}",
        "{\"exec\":{\"kind\":\"nodejs:default\",\"code\":\"\\ud800\"",
        &deep,
        &deep_objects,
        &open,
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .chain([
        b"{\"a\":\"\xff\xfe\"".to_vec(),
        b"\xff\xff".to_vec(),
        vec![0; 1000],
    ])
    .collect();
    for body in bodies {
        let shown: String = String::from_utf8_lossy(&body).chars().take(40).collect();
        let answer = put(&server, ACTION, body).await;
        assert_eq!(answer.status(), 400, "{shown:?}: {}", answer.text());
        assert!(answer.json().unwrap()["error"].is_string(), "{shown:?}");
    }
    is_well(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_any_depth_and_number_are_kept_or_refused() {
    let server = start();
    let user = server.user();
    user.put_action(
        "echo",
        "nodejs:default",
        "function main(args) { return args }",
        json!({}),
    )
    .await;
    let path = "/api/v1/namespaces/_/actions/echo?blocking=true&result=true";
    for body in [
        format!("{{\"deep\":{}}}", nested("[", "]", 100_000)),
        format!(
            "{{\"deep\":{}1{}}}",
            "{\"a\":".repeat(50_000),
            "}".repeat(50_000)
        ),
        "{\"n\":1e999999999}".to_owned(),
        format!("{{\"n\":{}}}", "9".repeat(100_000)),
        format!("{{\"n\":1e-{}}}", "9".repeat(1000)),
        "{\"s\":\"\\ud800\"}".to_owned(),
        "{\"__proto__\":{\"x\":1},\"constructor\":null}".to_owned(),
    ] {
        let answer = user
            .client()
            .send("POST", path, &[JSON], Some(body.clone().into_bytes()))
            .await
            .unwrap();
        assert!(
            [200, 400, 413, 502].contains(&answer.status()),
            "{body:.40}: {} {:.300}",
            answer.status(),
            answer.text()
        );
        assert!(answer.json().is_ok() || answer.status() == 200);
    }
    let parameters: Vec<Value> = (0..5000)
        .map(|n| json!({"key": format!("k{n}"), "value": n}))
        .collect();
    let many = json!({"exec": {"kind": "nodejs:default", "code": "function main(args) { return {n: Object.keys(args).length} }"}, "parameters": parameters});
    assert_eq!(put(&server, ACTION, many.to_string()).await.status(), 200);
    assert_eq!(user.result("a", &json!({})).await, json!({"n": 5000}));
    let large = json!({"exec": {"kind": "nodejs:default", "code": "x"}, "parameters": [{"key": "k", "value": "x".repeat(2 << 20)}]});
    let answer = put(&server, ACTION, large.to_string()).await;
    assert_eq!(answer.status(), 413, "{}", answer.text());
    is_well(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_kinds_and_limits_that_do_not_exist_are_refused() {
    let server = start();
    let action = json!({"exec": {"kind": "nodejs:default", "code": "x"}}).to_string();
    for name in [
        "%20",
        "a%2Fb%2Fc",
        "%00",
        "%FF",
        "a%0Ab",
        "-a",
        &"x".repeat(257),
        "%F0%9F%98%80%24%25",
    ] {
        let answer = put(
            &server,
            &format!("/api/v1/namespaces/_/actions/{name}"),
            action.clone(),
        )
        .await;
        assert!(
            [400, 404, 413].contains(&answer.status()),
            "{name:.20}: {} {}",
            answer.status(),
            answer.text()
        );
    }
    for exec in [
        json!({"kind": "cobol:1", "code": "x"}),
        json!({"kind": "", "code": "x"}),
        json!({"kind": "nodejs", "code": "x"}),
        json!({"kind": "nodejs:99", "code": "x"}),
        json!({"kind": "nodejs:default"}),
        json!({"kind": "nodejs:default", "code": 1}),
        json!({"kind": "blackbox"}),
        json!({"kind": "sequence", "components": [1]}),
    ] {
        let answer = put(&server, ACTION, json!({"exec": exec}).to_string()).await;
        assert_eq!(answer.status(), 400, "{exec}: {}", answer.text());
    }
    for limits in [
        json!({"timeout": 0}),
        json!({"timeout": 1e300}),
        json!({"memory": -1}),
        json!({"logs": 11}),
        json!({"concurrency": 100_000}),
        json!([]),
    ] {
        let body = json!({"exec": {"kind": "nodejs:default", "code": "x"}, "limits": limits});
        let answer = put(&server, ACTION, body.to_string()).await;
        assert_eq!(answer.status(), 400, "{limits}: {}", answer.text());
    }
    is_well(&server).await;
}

/// rest-api §5.5, entities §6.3.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_above_the_limits_are_refused() {
    let server = start();
    let code = json!({"exec": {"kind": "nodejs:default", "code": "x".repeat((48 << 20) + 1)}});
    let answer = put(&server, ACTION, code.to_string()).await;
    assert_eq!(answer.status(), 413, "{:.300}", answer.text());
    // Refused by its head, while it is still being sent.
    let key = STANDARD.encode(server.guest_key());
    let body = vec![b' '; (50 << 20) + 1];
    let headers = [
        ("Host", "h".to_owned()),
        ("Authorization", format!("Basic {key}")),
        ("Content-Type", "application/json".to_owned()),
        ("Content-Length", body.len().to_string()),
    ];
    let request = wire::Request {
        method: "PUT".to_owned(),
        target: ACTION.to_owned(),
        headers: headers.map(|(name, value)| (name.to_owned(), value)).into(),
        body,
    };
    let authority = server.url().trim_start_matches("http://");
    let answer = wire::exchange(authority, &request, PATIENCE).await.unwrap();
    assert_eq!(
        (answer.status, &*answer.content),
        (400, &b"Request too large"[..])
    );
    // Without a length it is noticed while reading.
    let mut endless = format!("PUT {ACTION} HTTP/1.1\r\nHost: h\r\nAuthorization: Basic {key}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n").into_bytes();
    for _ in 0..52 {
        endless.extend_from_slice(b"100000\r\n");
        endless.resize(endless.len() + (1 << 20), b' ');
        endless.extend_from_slice(b"\r\n");
    }
    let answer = raw(&server, &endless, Then::Waits).await;
    assert!([0, 400].contains(&status_of(&answer)), "{answer:.300}");
    let payload = json!({"x": "x".repeat(1 << 20)});
    server
        .user()
        .put_action(
            "b",
            "nodejs:default",
            "function main() { return {} }",
            json!({}),
        )
        .await;
    let answer = server
        .client()
        .post("/api/v1/namespaces/_/actions/b", &payload)
        .await
        .unwrap();
    assert_eq!(answer.status(), 413, "{:.300}", answer.text());
    is_well(&server).await;
}

/// rest-api §5.5, invocation §12.
#[tokio::test(flavor = "multi_thread")]
async fn body_that_does_not_come_is_given_up_and_idle_connections_do_no_harm() {
    let server = start();
    let authority = server.url().trim_start_matches("http://").to_owned();
    let mut idle = Vec::new();
    for _ in 0..300 {
        idle.push(TcpStream::connect(&authority).await.unwrap());
    }
    let key = STANDARD.encode(server.guest_key());
    let mut slow = TcpStream::connect(&authority).await.unwrap();
    let head = format!(
        "PUT {ACTION} HTTP/1.1\r\nHost: h\r\nAuthorization: Basic {key}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    let began = Instant::now();
    is_well(&server).await;
    let mut answer = vec![0; 12];
    tokio::time::timeout(PATIENCE, slow.read_exact(&mut answer))
        .await
        .expect("the body is waited for without end")
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 408");
    assert!(
        began.elapsed() > Duration::from_secs(5),
        "no time for a slow client"
    );
    is_well(&server).await;
}

/// An archive as base64.
fn archive(fill: impl FnOnce(&mut zip::ZipWriter<Cursor<Vec<u8>>>)) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    fill(&mut writer);
    writer.finish().unwrap().into_inner()
}

fn file(writer: &mut zip::ZipWriter<Cursor<Vec<u8>>>, name: &str, content: &[u8]) {
    writer
        .start_file(name, SimpleFileOptions::default())
        .unwrap();
    writer.write_all(content).unwrap();
}

/// Archives that must not get anywhere, with the source file that would run if they did.
fn archives(name: &str, source: &str) -> Vec<(&'static str, Vec<u8>)> {
    let whole = archive(|zip| file(zip, name, source.as_bytes()));
    let bomb = archive(|zip| {
        file(zip, name, source.as_bytes());
        zip.start_file("zeros", SimpleFileOptions::default())
            .unwrap();
        let zeros = vec![0; 1 << 20];
        for _ in 0..700 {
            zip.write_all(&zeros).unwrap();
        }
    });
    let many = archive(|zip| {
        file(zip, name, source.as_bytes());
        let stored =
            SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        for number in 0..70_000 {
            zip.start_file(format!("{number}"), stored).unwrap();
        }
    });
    let escape = |path: &'static str| {
        archive(|zip| {
            file(zip, name, source.as_bytes());
            file(zip, path, b"escaped");
        })
    };
    let link = archive(|zip| {
        file(zip, name, source.as_bytes());
        zip.add_symlink("etc", "/", SimpleFileOptions::default())
            .unwrap();
        file(zip, "etc/tmp/escaped", b"escaped");
    });
    vec![
        ("bomb", bomb),
        ("many", many),
        ("parent", escape("../../tmp/escaped")),
        ("absolute", escape("/tmp/escaped")),
        ("link", link),
        ("truncated", whole[..whole.len() / 2].to_vec()),
        (
            "empty",
            b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec(),
        ),
        ("no-archive", vec![0xff; 5000]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_archives_fail_in_their_own_container() {
    let server = start();
    let user = server.user();
    user.put_action(
        "fine",
        "python:default",
        "def main(args): return {'fine': True}",
        json!({}),
    )
    .await;
    let node = "exports.main = () => ({escaped: require('fs').existsSync('/tmp/escaped')})";
    let python = "import os\ndef main(args): return {'escaped': os.path.exists('/tmp/escaped')}";
    for (kind, name, source) in [
        ("nodejs:default", "index.js", node),
        ("python:default", "__main__.py", python),
    ] {
        for (what, bytes) in archives(name, source) {
            user.put_action(
                what,
                kind,
                &STANDARD.encode(bytes),
                json!({"timeout": 10_000}),
            )
            .await;
            let answer = user.invoke(what, &json!({})).await;
            let response = answer.json().unwrap()["response"].clone();
            let harmless = response["result"] == json!({"escaped": false});
            let failed = response["status"] == "action developer error"
                && response["result"]["error"].is_string();
            println!("{kind} {what}: {response}");
            assert!(
                harmless || failed,
                "{kind} {what}: {} {response}",
                answer.status()
            );
        }
        assert_eq!(user.result("fine", &json!({})).await, json!({"fine": true}));
    }
    is_well(&server).await;
}
