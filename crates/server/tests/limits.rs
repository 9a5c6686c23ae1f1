//! Settings, what they limit, and the start of the program.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests may panic"
)]

use std::net::TcpListener;
use std::process::{Command, Output};
use std::time::Duration;

use oxwhisk_testing::{RestAnswer, ServerOptions, TestServer, User, eventually};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_oxwhisk");
const PATIENCE: Duration = Duration::from_secs(20);
const NAP: &str =
    "function main({ms}) { return new Promise(r => setTimeout(() => r({}), ms || 0)) }";

/// A server with settings of all origins.
fn start(
    flags: &[&str],
    variables: &[(&str, &str)],
    file: &str,
) -> (TestServer, tempfile::NamedTempFile) {
    let config = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(config.path(), file).unwrap();
    let mut options = ServerOptions::new(PROGRAM)
        .argument("--config")
        .argument(config.path());
    for flag in flags {
        options = options.argument(flag);
    }
    for (name, value) in variables {
        options = options.variable(name, value);
    }
    (options.start().unwrap(), config)
}

async fn post(user: &User, arguments: &Value) -> RestAnswer {
    user.client()
        .post("/api/v1/namespaces/_/actions/nap", arguments)
        .await
        .unwrap()
}

fn error_of(answer: &RestAnswer) -> String {
    answer.json().unwrap()["error"].as_str().unwrap().to_owned()
}

/// invocation §8.
#[tokio::test(flavor = "multi_thread")]
async fn requests_above_the_limit_of_a_minute_are_refused_with_their_number() {
    let (server, _config) = start(
        &[],
        &[],
        "[limits]\ninvocations_per_minute = 3\nfires_per_minute = 0\n",
    );
    let user = server.user();
    user.put_action("nap", "nodejs:default", NAP, json!({}))
        .await;
    let mut answers = Vec::new();
    // The count begins anew with each minute of the clock, which may be in between.
    while answers
        .last()
        .is_none_or(|last: &RestAnswer| last.status() == 202)
        && answers.len() < 8
    {
        answers.push(post(&user, &json!({})).await);
    }
    let refused = answers.last().unwrap();
    assert_eq!(
        (refused.status(), refused.header("retry-after")),
        (429, None)
    );
    assert_eq!(
        error_of(refused),
        "Too many requests in the last minute (count: 4, allowed: 3)."
    );
    // Refused attempts count too; another action does not help, reading is free.
    let path = "/api/v1/namespaces/_/actions/missing";
    let again = user.client().post(path, &json!({})).await.unwrap();
    assert!(
        again.status() == 404
            || error_of(&again) == "Too many requests in the last minute (count: 5, allowed: 3)."
    );
    assert_eq!(user.client().get(path).await.unwrap().status(), 404);
    // Namespaces are counted apart.
    let other = User::new(user.client().with_key(server.system_key()));
    other
        .put_action("nap", "nodejs:default", NAP, json!({}))
        .await;
    assert_eq!(post(&other, &json!({})).await.status(), 202);
}

/// invocation §8.
#[tokio::test(flavor = "multi_thread")]
async fn activations_in_flight_are_counted_until_they_end() {
    let (server, _config) = start(&[], &[("OXWHISK_LIMITS_CONCURRENT_INVOCATIONS", "2")], "");
    let user = server.user();
    user.put_action("nap", "nodejs:default", NAP, json!({}))
        .await;
    for _ in 0..2 {
        assert_eq!(post(&user, &json!({"ms": 2000})).await.status(), 202);
    }
    let refused = post(&user, &json!({})).await;
    assert_eq!(refused.status(), 429, "{}", refused.text());
    assert_eq!(
        error_of(&refused),
        "Too many concurrent requests in flight (count: 2, allowed: 2)."
    );
    let free = eventually(PATIENCE, async || {
        (post(&user, &json!({})).await.status() == 202).then_some(())
    });
    free.await.unwrap();
}

/// rest-api §1.1, entities §6.2.
#[tokio::test(flavor = "multi_thread")]
async fn flags_come_before_variables_before_the_file_before_defaults() {
    let file = "port = 1\n[limits]\ninvocations_per_minute = 7\nconcurrent_invocations = 8\nmemory_max = \"1GB\"\n";
    let (server, _config) = start(&[], &[("OXWHISK_LIMITS_CONCURRENT_INVOCATIONS", "9")], file);
    let info = server
        .client()
        .without_key()
        .get("/")
        .await
        .unwrap()
        .json()
        .unwrap();
    let limits = &info["limits"];
    let told = (
        &limits["actions_per_minute"],
        &limits["concurrent_actions"],
        &limits["triggers_per_minute"],
    );
    assert_eq!(told, (&json!(7), &json!(9), &json!(60)), "{info}");
    assert_eq!(limits["max_action_memory"], 1024 << 20, "{info}");
    assert_ne!(server.url(), "http://127.0.0.1:1", "the flag comes first");
}

#[test]
fn all_problems_are_reported_together_before_anything_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("oxwhisk.toml");
    std::fs::write(
        &config,
        "prot = 3233\n[limits]\ntimeout_max = \"soon\"\nmemory_min = \"1GB\"\n",
    )
    .unwrap();
    // Whoever bound the port would fail with that, not with the settings.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let output = Command::new(PROGRAM)
        .args([
            "standalone",
            "--port",
            &taken.local_addr().unwrap().port().to_string(),
            "--config",
        ])
        .arg(&config)
        .arg("--data-dir")
        .arg(folder.path().join("data"))
        .env("OXWHISK_INVOKER_NETWORK", "all")
        .output()
        .unwrap();
    assert_eq!(
        (output.status.code(), &*output.stdout),
        (Some(64), &b""[..])
    );
    let expected = "error: the settings cannot be used:
  invoker.network: `all` is not one of api, egress, host (from OXWHISK_INVOKER_NETWORK)
  limits.memory_min: must not be above `limits.memory_max` (in the file)
  limits.timeout_max: `soon` is not a time such as 5s or 10m (in the file)
  prot: there is no such setting (in the file)
";
    assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
    assert!(!folder.path().join("data").exists());
}

fn run(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    Command::new(PROGRAM)
        .args(arguments)
        .arg("--data-dir")
        .arg(folder.path())
        .output()
        .unwrap()
}

#[test]
fn what_keeps_the_program_from_starting_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let table: [(&[&str], i32, &str); 4] = [
        (
            &["standalone", "--port", &port],
            1,
            &format!(
                "error: could not listen on 127.0.0.1:{port} (port 0 picks a free one): Address already in use"
            ),
        ),
        (
            &["standalone", "--config", "/nonexistent/oxwhisk.toml"],
            64,
            "error: the settings cannot be used:\n  could not read `/nonexistent/oxwhisk.toml`: No such file or directory",
        ),
        (
            &["standalone", "--prot", "1"],
            64,
            "error: unexpected argument '--prot' found",
        ),
        (
            &["standalone", "--port", "65536"],
            64,
            "error: invalid value '65536' for '--port <PORT>'",
        ),
    ];
    for (arguments, code, text) in table {
        let output = run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.starts_with(text), "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn all_commands_with_settings_end_alike_without_their_file() {
    let commands: [&[&str]; 4] = [
        &["standalone"],
        &["run", "hello.js"],
        &["admin", "user", "list", "guest"],
        &["doctor"],
    ];
    for command in commands {
        let output = Command::new(PROGRAM)
            .args(command)
            .args(["--config", "/nonexistent/oxwhisk.toml"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(64), "{command:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_without_data_names_url_and_key_and_answers_them() {
    let server = TestServer::start(PROGRAM).unwrap();
    assert!(
        server.url().starts_with("http://127.0.0.1:") && !server.url().ends_with(":0"),
        "{}",
        server.url()
    );
    let answer = server.client().get("/api/v1/namespaces").await.unwrap();
    assert_eq!(
        (answer.status(), answer.json().unwrap()),
        (200, json!(["guest"]))
    );
    // Promised are 100 ms for the released program; this one is not optimised and shares the machine.
    assert!(
        server.startup_time() < Duration::from_secs(5),
        "{:?}",
        server.startup_time()
    );
    let anonymous = server
        .client()
        .without_key()
        .get("/api/v1/namespaces")
        .await
        .unwrap();
    assert_eq!(anonymous.status(), 401);
}

#[test]
fn readiness_is_one_line_and_the_only_output() {
    let mut server = TestServer::start(PROGRAM).unwrap();
    let status = server.stop().unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(server.stderr(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn second_signal_ends_the_program_at_once() {
    let mut server = TestServer::start(PROGRAM).unwrap();
    let user = server.user();
    user.put_action("nap", "nodejs:default", NAP, json!({}))
        .await;
    let path = "/api/v1/namespaces/_/actions/nap?blocking=true&timeout=1000";
    let elapsed = user
        .client()
        .post(path, &json!({"ms": 50_000}))
        .await
        .unwrap();
    assert_eq!(elapsed.status(), 202, "{}", elapsed.text());
    server.ask_to_end().unwrap();
    // The first is heard once no more requests are taken.
    let deaf = eventually(PATIENCE, async || {
        server.client().get("/ping").await.is_err().then_some(())
    });
    deaf.await.unwrap();
    let status = server.stop().unwrap();
    assert_eq!(status.code(), Some(1), "{status}");
}

/// A full or closed standard error must not end the server, nor a warning be its last act.
#[tokio::test(flavor = "multi_thread")]
async fn log_that_cannot_be_written_does_not_end_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut server = Command::new(PROGRAM)
        .args(["standalone", "--port", "0", "--data-dir"])
        .arg(folder.path())
        .env("OXWHISK_LOG", "trace")
        .stdout(std::process::Stdio::piped())
        .stderr(full)
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(server.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    assert!(line.contains("listening"), "{line}");
    let address = line.split("http://").nth(1).unwrap();
    let address = address.split(',').next().unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    std::io::Write::write_all(&mut stream, b"GET /ping HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    let ended = server.try_wait().unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(answer.ends_with("pong"), "{answer}");
    assert_eq!(ended, None);
}
