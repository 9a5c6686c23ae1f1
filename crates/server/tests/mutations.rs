//! Recorded requests with random damage: whatever comes, the server answers within the contract and goes on.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests may panic"
)]

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fastrand::Rng;
use oxwhisk_testing::ServerOptions;
use oxwhisk_testing::wire::{self, WireError};
use serde_json::Value;

const SEED: u64 = 20_261_125;
const REQUESTS: usize = 6000;
const PATIENCE: Duration = Duration::from_secs(70);
/// What the contract answers with, 501 for methods that HTTP does not know; 502 is an action's own failure.
const ALLOWED: [u16; 19] = [
    200, 202, 204, 308, 400, 401, 403, 404, 405, 406, 408, 409, 411, 413, 414, 415, 431, 501, 502,
];

/// Pieces that parsers trip over.
const PIECES: &[&str] = &[
    "\0",
    "%",
    "%00",
    "%zz",
    "%FF",
    "//",
    "..",
    "/",
    "?",
    "&",
    "=",
    "\"",
    "\\",
    "\\u",
    "\\ud800",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "-1",
    "1e999",
    "99999999999999999999",
    "-0.0",
    "true",
    "é",
    "😀",
    "\r\n",
    "\n",
    " ",
    "_",
    "namespaces",
    "blocking=true",
    "limit=-1",
    "skip=a",
    "timeout=1",
    "__ow_x",
];

/// The requests of all scenarios, as method, path and body.
fn recorded() -> Vec<(String, String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let mut found = Vec::new();
    for path in paths
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
    {
        let text = std::fs::read_to_string(path).unwrap();
        // A step is a line; those whose JSON is too deep for this parser are left out.
        let steps = text.lines().filter_map(step_of);
        for step in steps.filter(|step| step["request"]["path"].is_string()) {
            let request = &step["request"];
            let query: Vec<String> = request["query"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
                .collect();
            let mark = if query.is_empty() { "" } else { "?" };
            let path = format!(
                "{}{mark}{}",
                request["path"].as_str().unwrap(),
                query.join("&")
            );
            let body = if request["body"].is_null() {
                String::new()
            } else {
                request["body"].to_string()
            };
            // Web actions answer what they like, the health of invokers has a 500, and long bodies only cost time.
            let is_free = path.starts_with("/api/v1/web") || path.starts_with("/invokers");
            if !is_free && body.len() < 20_000 && path.len() < 2000 {
                found.push((request["method"].as_str().unwrap().to_owned(), path, body));
            }
        }
    }
    found
}

/// Parses a line, without what closes the list and the case after it.
fn step_of(line: &str) -> Option<Value> {
    let ends = ["", ",", "],", "]},", "]}]", "]}]}"];
    let parsed = |end: &&str| serde_json::from_str(line.trim().strip_suffix(*end)?).ok();
    ends.iter().find_map(parsed)
}

/// Damages a text at one to three places.
fn damaged(text: &str, random: &mut Rng) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..random.usize(1..=3) {
        let at = random.usize(0..=bytes.len());
        match random.u8(0..5) {
            0 => drop(bytes.splice(at..at, random.choice(PIECES).unwrap().bytes())),
            1 => bytes.truncate(at),
            2 if at < bytes.len() => bytes[at] ^= 1 << random.u8(0..8),
            3 if at < bytes.len() => drop(bytes.remove(at)),
            _ => {
                let end = (at + random.usize(0..40)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
        }
    }
    bytes
}

fn latin(bytes: Vec<u8>) -> String {
    bytes.into_iter().map(char::from).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_requests_get_the_contract_s_answers() {
    println!("seed {SEED}");
    let server = ServerOptions::new(env!("CARGO_BIN_EXE_oxwhisk"))
        .without_throttles()
        .start()
        .unwrap();
    let authority = server.url().trim_start_matches("http://").to_owned();
    let key = format!("Basic {}", STANDARD.encode(server.guest_key()));
    let recorded = recorded();
    let mut random = Rng::with_seed(SEED);
    for number in 0..REQUESTS {
        let (method, path, body) = random.choice(&recorded).unwrap().clone();
        let what = random.u8(0..4);
        let target = if what == 0 {
            latin(damaged(&path, &mut random))
        } else {
            path
        };
        let body = if what == 0 {
            body.into_bytes()
        } else {
            damaged(&body, &mut random)
        };
        let mut headers = vec![
            ("Host".to_owned(), authority.clone()),
            ("Authorization".to_owned(), key.clone()),
        ];
        let content_type = if what == 1 {
            latin(damaged("application/json; charset=utf-8", &mut random))
        } else {
            "application/json".to_owned()
        };
        headers.push(("Content-Type".to_owned(), content_type));
        headers.push(("Content-Length".to_owned(), body.len().to_string()));
        // Blocking calls of actions that sleep would take their time, and nobody waits for the answer here.
        let request = wire::Request {
            method,
            target: target.replace("blocking=true", "blocking=no"),
            headers,
            body,
        };
        let shown = || {
            format!(
                "request {number}: {} {:?} {:?}",
                request.method,
                request.target,
                String::from_utf8_lossy(&request.body)
            )
        };
        match wire::exchange(&authority, &request, PATIENCE).await {
            Ok(answer) => {
                let text = String::from_utf8_lossy(&answer.content);
                assert!(
                    ALLOWED.contains(&answer.status),
                    "{}: {} {text}",
                    shown(),
                    answer.status
                );
            }
            // Bytes in the head that are no HTTP may end the connection.
            Err(WireError::Receive(_) | WireError::Send(_)) => {}
            Err(fault) => panic!("{}: {fault:?}", shown()),
        }
    }
    let answer = server.client().get("/api/v1/namespaces").await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
}
