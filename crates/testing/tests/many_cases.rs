//! Running many cases: totals, waiting, clean-up, and several cases at once.

#![expect(
    clippy::unwrap_used,
    reason = "a test may panic, and these helpers stand outside of test functions"
)]

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oxwhisk_testing::scenario::{Case, Host, Selection, Show, Totals, run_all};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;

/// Answers by path: `/third/…` with 200 from the third time on and 404 before, `/together/…` once
/// four requests wait, `/gone/…` not at all, everything else with 200.
#[derive(Clone)]
struct Server {
    seen: Arc<Mutex<Vec<String>>>,
    together: Arc<Barrier>,
}

impl Server {
    async fn start() -> (Self, Host) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = Host::new(&listener.local_addr().unwrap().to_string(), "u:s", "v:t").unwrap();
        let server = Self {
            seen: Arc::default(),
            together: Arc::new(Barrier::new(4)),
        };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().answer(stream));
            }
        });
        (server, host)
    }

    async fn answer(self, stream: TcpStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let request = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
        while line != "\r\n" {
            line.clear();
            stream.read_line(&mut line).await?;
        }
        let count = {
            let mut seen = self.seen.lock().unwrap();
            seen.push(request.clone());
            seen.iter().filter(|other| **other == request).count()
        };
        if request.contains("/together/") {
            self.together.wait().await;
        }
        if request.contains("/gone/") {
            return Ok(());
        }
        let status = if request.contains("/third/") && count < 3 {
            404
        } else {
            200
        };
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await
    }
}

/// A case that gets `path` and expects 200.
fn case(name: &str, path: &str, more: &str) -> Case {
    let request = format!(r#"{{"method":"GET","path":"{path}"}}"#);
    let step =
        format!(r#"{{"request":{request},"response":{{"status":200,"headers":{{}}}}{more}}}"#);
    let cleanup = r#"{"method":"DELETE","path":"/made/{uid}"}"#;
    let text =
        format!(r#"{{"case":"{name}","contract":"c","steps":[{step}],"cleanup":[{cleanup}]}}"#);
    serde_json::from_str(&text).unwrap()
}

fn selection(cases: Vec<Case>) -> Selection {
    Selection {
        cases,
        skipped: vec![("a/skipped".to_owned(), "reason".to_owned())],
    }
}

#[tokio::test]
async fn totals_count_each_case_once_and_every_case_cleans_up() {
    let (server, host) = Server::start().await;
    let waits = r#","until":{"status":200}"#;
    let in_vain = r#","until":{"status":201,"deadline_s":0}"#;
    let cases = vec![
        case("a/good", "/x/{uid}", ""),
        case("a/waits", "/third/{uid}", waits),
        case("a/differs", "/third/{uid}", ""),
        case("a/in-vain", "/x/{uid}", in_vain),
        case("a/no-answer", "/gone/{uid}", ""),
    ];
    let mut lines = Vec::new();
    let totals = run_all(&host, selection(cases), NonZeroUsize::MIN, |case| {
        lines.extend(case.lines(Show::Differences));
    })
    .await;
    assert_eq!(
        totals,
        Totals {
            passed: 2,
            failed: 3,
            skipped: 1
        }
    );
    assert_eq!(totals.to_string(), "2 passed, 3 failed, 1 skipped");
    let lines: Vec<&str> = lines
        .iter()
        .map(|line| line.split(" (").next().unwrap())
        .collect();
    let expected = [
        "ok   a/good",
        "ok   a/waits",
        "FAIL a/differs [c]",
        "  step 1: GET /third/{uid}",
        "      status: expected 200, got 404",
        "FAIL a/in-vain [c]",
        "  step 1: not settled in time; last answer 200 ",
        "FAIL a/no-answer [c]",
    ];
    assert_eq!(lines[..expected.len()], expected);
    let cleaned = server
        .seen
        .lock()
        .unwrap()
        .iter()
        .filter(|line| line.starts_with("DELETE /made/u"))
        .count();
    assert_eq!(cleaned, 5);
}

#[tokio::test]
async fn as_many_cases_run_at_once_as_there_are_jobs() {
    let (_server, host) = Server::start().await;
    let cases = (0..8)
        .map(|number| case(&format!("a/{number}"), "/together/{uid}", ""))
        .collect();
    let running = run_all(
        &host,
        selection(cases),
        NonZeroUsize::new(4).unwrap(),
        |_| (),
    );
    let totals = tokio::time::timeout(Duration::from_secs(30), running).await;
    assert_eq!(totals.unwrap().passed, 8);
}
