//! Actions that reach out, on a machine and an internet of the tests' own: as root and as an ordinary
//! user. `cargo test -p oxwhisk --test egress -- --ignored needs_root::` runs them.
#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use oxwhisk_testing::internet::{Copies, Internet, MACHINE, NEIGHBOUR, ORDINARY_USER, SERVER};
use oxwhisk_testing::{ServerOptions, TestServer};
use serde_json::{Value, json};

/// Tells the tests that run again where the program is.
const PROGRAM: &str = "PROGRAM_UNDER_TEST";

const FETCHES: &str = "
async function main({urls}) {
  const texts = {}
  for (const url of urls) {
    try { texts[url] = await (await fetch(url, {signal: AbortSignal.timeout(20000)})).text() }
    catch (error) { texts[url] = error.cause ? error.cause.code : String(error) }
  }
  return texts
}";
const DESCRIBES: &str = "
import json, os, urllib.request
def main(args):
    with urllib.request.urlopen(os.environ['__OW_API_HOST'] + '/api/v1', timeout=20) as answer:
        description = json.load(answer)['description']
    with urllib.request.urlopen(args['url'], timeout=20) as answer:
        return {'api': description, 'internet': answer.read().decode()}
";

/// What the tests that run again need.
fn copies(user: u32) -> Copies {
    let runtimes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runtimes");
    let program = Path::new(env!("CARGO_BIN_EXE_oxwhisk"));
    Copies::new(user, &[(program, "oxwhisk"), (&runtimes, "runtimes")]).unwrap()
}

/// Runs a command that runs one of the tests below, and expects that it passes.
fn pass(copies: &Copies, mut command: Command, test: &str) {
    command.args(["--ignored", "--exact", test]);
    let variables = [
        ("OXWHISK_RUNTIMES_DIR", copies.path("runtimes")),
        (PROGRAM, copies.path("oxwhisk")),
    ];
    copies.pass(command, &variables);
}

fn runs_on_the_internet(user: u32) {
    let copies = copies(user);
    let internet = Internet::new().unwrap();
    let command = internet.command(&copies.tests(), user);
    pass(&copies, command, "actions_reach_the_internet_and_the_api");
}

fn runs_without_the_device(user: u32) {
    let copies = copies(user);
    let script = format!(
        "mount -t tmpfs none /dev/net; exec setpriv --reuid={user} --regid={user} --clear-groups \"$@\""
    );
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-ec", &script, "sh"])
        .arg(copies.tests());
    let test = "without_the_device_actions_reach_the_api_only";
    pass(&copies, command, test);
}

/// What is run by hand; the other tests are run by these.
mod needs_root {
    use super::*;

    #[test]
    #[ignore = "needs root"]
    fn actions_of_root_reach_the_internet() {
        runs_on_the_internet(0);
    }

    #[test]
    #[ignore = "needs root"]
    fn actions_of_an_ordinary_user_reach_the_internet() {
        runs_on_the_internet(ORDINARY_USER);
    }

    #[test]
    #[ignore = "needs root"]
    fn missing_device_is_reported_to_root() {
        runs_without_the_device(0);
    }

    #[test]
    #[ignore = "needs root"]
    fn missing_device_is_reported_to_an_ordinary_user() {
        runs_without_the_device(ORDINARY_USER);
    }
}

fn program() -> OsString {
    let variables = std::env::vars_os();
    let found = variables.into_iter().find(|(name, _)| name == PROGRAM);
    found.map(|(_, program)| program).unwrap()
}

fn server() -> TestServer {
    ServerOptions::new(program())
        .without_throttles()
        .start()
        .unwrap()
}

/// What `doctor` says about the network.
fn network() -> Value {
    let output = Command::new(program())
        .args(["doctor", "--json"])
        .output()
        .unwrap();
    let lines: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let found = lines.into_iter().find(|line| line["subject"] == "network");
    found.unwrap()
}

async fn fetched(server: &TestServer, urls: &[&str]) -> Value {
    let user = server.user();
    user.put_action("fetches", "nodejs:default", FETCHES, json!({}))
        .await;
    user.result("fetches", &json!({"urls": urls})).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "runs on a machine of its own"]
async fn actions_reach_the_internet_and_the_api() {
    let mut server = server();
    let hello = "hello 198.51.100.2";
    let web = format!("http://{SERVER}/hello");
    let (machine, neighbour) = (
        format!("http://{MACHINE}:8080/"),
        format!("http://{NEIGHBOUR}/"),
    );
    let nobody = format!("http://{SERVER}:81/");
    let cases = [
        (web.as_str(), hello),
        ("http://www.example.test/hello", hello),
        ("http://none.example.test/", "ENOTFOUND"),
        (nobody.as_str(), "ECONNREFUSED"),
        (machine.as_str(), "EHOSTUNREACH"),
        (neighbour.as_str(), "EHOSTUNREACH"),
        ("http://169.254.169.254/", "EHOSTUNREACH"),
        ("http://127.0.0.1:8080/", "ECONNREFUSED"),
    ];
    let urls = cases.map(|(url, _)| url);
    let texts = fetched(&server, &urls).await;
    for (url, expected) in cases {
        assert_eq!(texts[url], expected, "{url}");
    }
    let user = server.user();
    user.put_action("describes", "python:default", DESCRIBES, json!({}))
        .await;
    let described = user
        .result(
            "describes",
            &json!({"url": "http://www.example.test/hello"}),
        )
        .await;
    assert_eq!(
        described,
        json!({"api": "OpenWhisk API", "internet": hello})
    );
    assert_eq!(network()["level"], "ok");
    assert!(server.stop().unwrap().success());
    assert_eq!(server.stderr(), "");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "runs where the device is missing"]
async fn without_the_device_actions_reach_the_api_only() {
    let server = server();
    let warning = "actions reach the API and nothing else";
    assert!(server.stderr().contains(warning), "{}", server.stderr());
    let api = format!("{}/api/v1", server.url());
    let texts = fetched(&server, &["http://203.0.113.10/", &api]).await;
    assert_eq!(texts["http://203.0.113.10/"], "ENETUNREACH");
    assert!(
        texts[&api].as_str().unwrap().contains("OpenWhisk API"),
        "{texts}"
    );
    let network = network();
    assert_eq!(network["level"], "degraded", "{network}");
    assert!(
        network["remedy"].as_str().unwrap().contains("/dev/net/tun"),
        "{network}"
    );
}
