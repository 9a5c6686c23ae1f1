//! A full disk refuses what would have to be kept, loses nothing, and is used again once there is space.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests may panic"
)]

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use oxwhisk_testing::{ServerOptions, TestServer, User, eventually};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(20);
/// What a blocking call may take beyond its wait, generously.
const EXTRA: Duration = Duration::from_secs(10);
/// What runs has 30 s to end, records that are refused 5 s, and the machine may be slow.
const SHUTDOWN: Duration = Duration::from_secs(45);
/// Far more than fits.
const WRITES: usize = 5000;
const ECHO: &str = "function main(args) { return args }";

/// A mount namespace of its own; it ends with this value.
struct Namespace(Child);

impl Namespace {
    fn new() -> Self {
        let mut keeper = Command::new("unshare")
            .args(["--mount", "sh", "-c", "echo ready; read line"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0; 6];
        std::io::Read::read_exact(keeper.stdout.as_mut().unwrap(), &mut ready).unwrap();
        Self(keeper)
    }

    /// Starts a server in it, whose data directory is a disk of 12 MiB.
    fn server(&self) -> TestServer {
        let script = r#"
for dir; do :; done
mkdir -p "$dir"
mountpoint -q "$dir" || mount -t tmpfs -o size=12m tmpfs "$dir"
exec "$@""#;
        let mut options = ServerOptions::new("nsenter").without_throttles();
        let pid = self.0.id().to_string();
        options.arguments = ["--mount", "--target", &pid, "sh", "-c", script, "sh"]
            .map(Into::into)
            .into();
        options.shutdown = SHUTDOWN * 3;
        options = options.argument(env!("CARGO_BIN_EXE_oxwhisk"));
        options
            .argument("standalone")
            .argument("--port")
            .argument("0")
            .start()
            .unwrap()
    }

    /// A file on the server's disk, as the test sees it.
    fn path(&self, server: &TestServer, name: &str) -> PathBuf {
        let inside = server.data_dir().join(name);
        PathBuf::from(format!("/proc/{}/root", self.0.id())).join(inside.strip_prefix("/").unwrap())
    }

    fn fill(&self, server: &TestServer) {
        let mut file = File::create(self.path(server, "ballast")).unwrap();
        for size in [1 << 16, 1 << 10, 1] {
            while file.write_all(&vec![b'x'; size]).is_ok() {}
        }
    }

    fn make_room(&self, server: &TestServer) {
        std::fs::remove_file(self.path(server, "ballast")).unwrap();
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Its end of input is what it waits for.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Uses up what the database had reserved in its files, and checks how it is refused after that. Returns how many
/// triggers were stored; ids that were accepted are added to `kept`.
async fn fill_the_rest(user: &User, kept: &mut Vec<(i32, String)>) -> usize {
    let large = "x".repeat(20_000);
    let trigger = json!({"parameters": [{"key": "large", "value": large}]});
    let mut stored = 0;
    let refused = loop {
        let path = format!("/api/v1/namespaces/_/triggers/t{stored}");
        let answer = user.client().put(&path, &trigger).await.unwrap();
        if answer.status() != 200 {
            break answer;
        }
        stored += 1;
        assert!(stored < WRITES, "the disk is not full");
    };
    assert_eq!(refused.status(), 507, "{}", refused.text());
    assert_eq!(
        refused.json().unwrap()["error"],
        "The store is full. Nothing was changed."
    );
    let refused = loop {
        let path = "/api/v1/namespaces/_/actions/echo";
        let answer = user
            .client()
            .post(path, &json!({"large": large}))
            .await
            .unwrap();
        if answer.status() != 202 {
            break answer;
        }
        kept.push((
            -1,
            answer.json().unwrap()["activationId"]
                .as_str()
                .unwrap()
                .to_owned(),
        ));
        assert!(kept.len() < WRITES, "the disk is not full");
    };
    assert!(
        [503, 507].contains(&refused.status()),
        "{} {}",
        refused.status(),
        refused.text()
    );
    stored
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root"]
async fn full_disk_refuses_work_and_loses_nothing() {
    let namespace = Namespace::new();
    let mut server = namespace.server();
    let user = server.user();
    user.put_action("echo", "nodejs:default", ECHO, json!({}))
        .await;
    let mut kept = Vec::new();
    for number in 0..20 {
        kept.push((number, user.accept("echo", &json!({"n": number})).await));
    }
    for (_, id) in &kept {
        user.record(id).await;
    }
    namespace.fill(&server);

    let stored = fill_the_rest(&user, &mut kept).await;
    // Reading goes on, and so do calls that are answered from memory.
    assert_eq!(
        user.client()
            .get("/api/v1/namespaces/_/actions/echo")
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!(
        user.result("echo", &json!({"now": true})).await,
        json!({"now": true})
    );

    namespace.make_room(&server);
    let accepted = eventually(PATIENCE, async || {
        let answer = user
            .client()
            .put("/api/v1/namespaces/_/triggers/after", &json!({}))
            .await
            .unwrap();
        (answer.status() == 200).then_some(())
    });
    accepted.await.unwrap();
    kept.push((21, user.accept("echo", &json!({"n": 21})).await));
    server.kill_hard().unwrap();
    server.restart().unwrap();
    let user = server.user();
    for number in 0..stored {
        let path = format!("/api/v1/namespaces/_/triggers/t{number}");
        assert_eq!(
            user.client().get(&path).await.unwrap().status(),
            200,
            "{path}"
        );
    }
    for (number, id) in kept {
        let record = user.record(&id).await;
        let whole = number < 0 || record["response"]["result"] == json!({"n": number});
        let lost = record["response"]["status"] == "whisk internal error" && number > 20;
        assert!(whole || lost, "{record}");
    }
    assert_eq!(
        user.client()
            .get("/api/v1/namespaces/_/triggers/after")
            .await
            .unwrap()
            .status(),
        200
    );
    assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
}

#[test]
#[ignore = "needs root"]
fn disk_that_is_full_from_the_start_is_told() {
    let namespace = Namespace::new();
    let mut server = namespace.server();
    namespace.fill(&server);
    server.kill_hard().unwrap();
    match server.restart() {
        // What the files had reserved sufficed.
        Ok(()) => {}
        Err(fault) => assert!(fault.to_string().contains("full"), "{fault}"),
    }
    namespace.make_room(&server);
    server.restart().unwrap();
}

/// Calls until the answer is 503 so many times in a row; each answer comes when its wait is over.
async fn refused_in_time(user: &User, action: &str, times: usize) {
    let path = format!("/api/v1/namespaces/_/actions/{action}?blocking=true&timeout=1000");
    let (mut refused, mut calls) = (0, 0);
    while refused < times {
        let began = Instant::now();
        let answer = user.client().post(&path, &json!({"n": 1})).await.unwrap();
        let took = began.elapsed();
        assert!(took < Duration::from_secs(1) + EXTRA, "{took:?}");
        let status = answer.status();
        assert!([200, 503].contains(&status), "{status} {}", answer.text());
        refused = if status == 503 { refused + 1 } else { 0 };
        calls += 1;
        assert!(calls < WRITES, "the disk is not full");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root"]
async fn full_disk_keeps_neither_callers_nor_the_end_waiting() {
    let namespace = Namespace::new();
    let mut server = namespace.server();
    let user = server.user();
    user.put_action("echo", "nodejs:default", ECHO, json!({}))
        .await;
    user.result("echo", &json!({})).await;
    let pair = json!({"exec": {"kind": "sequence", "components": ["/_/echo", "/_/echo"]}});
    let path = "/api/v1/namespaces/_/actions/pair";
    let made = user.client().put(path, &pair).await.unwrap();
    assert_eq!(made.status(), 200, "{}", made.text());
    namespace.fill(&server);
    let mut kept = Vec::new();
    fill_the_rest(&user, &mut kept).await;

    refused_in_time(&user, "echo", 3).await;
    let waiting = user.client().get("/activation/count").await.unwrap();
    let waiting: usize = waiting.text().parse().unwrap();
    assert!(waiting <= kept.len() + 1, "{waiting} places are taken");

    // Its step waits for longer than a shutdown may take.
    refused_in_time(&user, "pair", 1).await;

    // One that waits for its answer when the server is told to end.
    let late = tokio::spawn({
        let client = user.client().clone();
        let path = "/api/v1/namespaces/_/actions/echo?blocking=true&timeout=60000";
        async move { client.post(path, &json!({})).await }
    });
    let began = Instant::now();
    let status = server.stop().unwrap();
    let took = began.elapsed();
    assert!(took < SHUTDOWN, "{took:?}: {}", server.stderr());
    assert!(status.success(), "{status}: {}", server.stderr());
    // Cut off or refused: nothing was promised.
    if let Ok(answer) = late.await.unwrap() {
        assert_ne!(answer.status(), 202, "{}", answer.text());
    }

    namespace.make_room(&server);
    server.restart().unwrap();
    let user = server.user();
    for (_, id) in kept {
        user.record(&id).await;
    }
    assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
}
