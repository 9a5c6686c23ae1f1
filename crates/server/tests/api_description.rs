//! The description of the API is valid, and a public fuzzer that reads it finds no server error and nothing that it does
//! not say.
//!
//! The programs must be there: `cargo xtask test` installs them.
#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::path::{Path, PathBuf};
use std::process::Command;

use oxwhisk_testing::{ServerOptions, TestServer};
use serde_json::{Value, json};

/// The same requests in each run.
const SEED: &str = "20";
/// Requests for each operation and phase.
const EXAMPLES: &str = "25";
/// How long a random run takes, in seconds.
const RANDOM_RUN: &str = "600";
/// A well-formed key that nobody has.
const WRONG_KEY: &str = "23bc46b1-71f6-4ed5-8c54-816aa4f8c502:000zO3xZCLrMN6v2BKK1dXYFpXlPkccOFqm12CdAsMgRU4VrNZ9lyGVCGuMDGIwP";
const DOCUMENTS: [&str; 2] = ["/api/v1/api-docs", "/api-docs"];

/// Settings that change what goes over the wire, other than their defaults.
const FLAGS: [(&str, &str); 4] = [
    ("OXWHISK_FEATURE_FLAGS_REQUIRE_RESPONSE_PAYLOAD", "false"),
    ("OXWHISK_FEATURE_FLAGS_REQUIRE_API_KEY_ANNOTATION", "false"),
    ("OXWHISK_SHARED_PACKAGES_EXECUTE_ONLY", "true"),
    ("OXWHISK_CONTROLLER_MAX_WAIT_FOR_BLOCKING_ACTIVATION", "2s"),
];

async fn start() -> TestServer {
    start_with(&[]).await
}

/// A server with an entity of each kind, which the fuzzer's configuration names.
async fn start_with(settings: &[(&str, &str)]) -> TestServer {
    let mut options = ServerOptions::new(env!("CARGO_BIN_EXE_oxwhisk")).without_throttles();
    for (name, value) in settings {
        options = options.variable(name, value);
    }
    let server = options.start().unwrap();
    let node = |code: &str, annotations: Value| json!({"exec": {"kind": "nodejs:default", "code": code}, "annotations": annotations});
    let page =
        "function main(args) { return { body: args, html: '<p>', text: 'x', statusCode: 201 } }";
    let exported = json!([{"key": "web-export", "value": true}]);
    for (path, body) in [
        (
            "actions/hello",
            node(
                "function main(args) { return { hello: args.name } }",
                json!([]),
            ),
        ),
        (
            "actions/fails",
            node("function main() { return { error: 'no' } }", json!([])),
        ),
        ("actions/page", node(page, exported.clone())),
        ("packages/tools", json!({"publish": true})),
        (
            "packages/bound",
            json!({"binding": {"namespace": "_", "name": "tools"}}),
        ),
        (
            "actions/tools/hello",
            node("main = args => args", json!([])),
        ),
        ("actions/tools/page", node(page, exported)),
        ("triggers/arrival", json!({})),
        (
            "rules/welcome",
            json!({"trigger": "/_/arrival", "action": "/_/hello"}),
        ),
    ] {
        let path = format!("/api/v1/namespaces/_/{path}");
        let answer = server.client().put(&path, &body).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}: {}", answer.text());
    }
    server
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs a program that the tests installed; what it prints is shown if it fails.
fn run(program: &str, arguments: &[&str]) {
    let file = workspace().join("target/tools/openapi/bin").join(program);
    assert!(
        file.exists(),
        "`{program}` is not installed: run `cargo xtask test`"
    );
    let output = Command::new(file)
        .args(arguments)
        .current_dir(workspace().join("tests/openapi"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{program} {}\n{}\n{}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn fuzz(server: &TestServer, document: &str, key: &str, more: &[&str]) {
    let url = format!("{}{document}", server.url());
    let mut arguments = vec!["--config-file", "schemathesis.toml", "run", &url];
    arguments.extend(["--auth", key, "--no-color"]);
    arguments.extend(more);
    run("schemathesis", &arguments);
    assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn descriptions_are_valid() {
    for settings in [&[][..], &FLAGS[..]] {
        let server = start_with(settings).await;
        for document in DOCUMENTS {
            let answer = server.client().get(document).await.unwrap();
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("description.json");
            std::fs::write(&file, answer.bytes()).unwrap();
            run("openapi-spec-validator", &[file.to_str().unwrap()]);
        }
    }
}

/// rest-api §16: each endpoint answers the statuses that it is said to, and no others.
#[tokio::test(flavor = "multi_thread")]
async fn fuzzer_finds_no_fault() {
    let server = start().await;
    let bounds = ["--seed", SEED, "--max-examples", EXAMPLES];
    for document in DOCUMENTS {
        fuzz(&server, document, server.guest_key(), &bounds);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fuzzer_with_a_wrong_key_finds_no_fault() {
    let server = start().await;
    let bounds = ["--seed", SEED, "--max-examples", "5"];
    fuzz(&server, DOCUMENTS[0], WRONG_KEY, &bounds);
}

/// rest-api §15, §16: the description is true for a server whose settings change what goes over the wire.
#[tokio::test(flavor = "multi_thread")]
async fn fuzzer_finds_no_fault_in_a_server_with_other_flags() {
    let server = start_with(&FLAGS).await;
    let bounds = ["--seed", SEED, "--max-examples", "10"];
    fuzz(&server, DOCUMENTS[0], server.guest_key(), &bounds);
}

/// The report of a fault ends with the seed to repeat it with.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes ten minutes and never sends the same requests twice"]
async fn fuzzer_finds_no_fault_in_a_long_random_run() {
    let server = start().await;
    fuzz(
        &server,
        DOCUMENTS[0],
        server.guest_key(),
        &["--max-time", RANDOM_RUN],
    );
}
