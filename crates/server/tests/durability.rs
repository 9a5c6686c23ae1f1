//! What was acknowledged survives `kill -9` at any instant: accepted activations end in exactly one record
//! and never run twice, stored entities are there.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may panic"
)]

mod load;

use std::collections::HashSet;
use std::process::Command;
use std::time::Duration;

use oxwhisk_testing::processes::descendants;
use oxwhisk_testing::{ServerOptions, TestServer, User, eventually};
use serde_json::{Value, json};

use load::{Counter, Load};

const PATIENCE: Duration = Duration::from_secs(20);
const ROUNDS: u32 = 12;
const SEED: u64 = 20_261_124;
const KIND: &str = "nodejs:default";
/// What the record of an activation says that was cut off.
const INTERRUPTED: &str =
    "The activation was interrupted by a restart of the platform and was not run again.";

/// Tells the counter of each run before it answers.
const COUNTED: &str = "
const http = require('http')
function main({port, ms}) {
  return new Promise((resolve, reject) => {
    http.get({host: '127.0.0.1', port, path: '/' + process.env.__OW_ACTIVATION_ID}, answer => {
      answer.resume()
      answer.on('end', () => setTimeout(() => resolve({counted: true}), ms))
    }).on('error', reject)
  })
}";
const SLEEPS: &str = "
function main({ms}) { return new Promise(resolve => setTimeout(() => resolve({slept: true}), ms)) }";

/// A server whose actions reach the counter on the host's loopback address.
fn server() -> TestServer {
    ServerOptions::new(env!("CARGO_BIN_EXE_oxwhisk"))
        .without_throttles()
        .variable("OXWHISK_INVOKER_NETWORK", "host")
        .start()
        .unwrap()
}

/// Checks each accepted activation: one record, and as many runs as the record tells.
async fn account(user: &User, load: &Load, counter: &Counter) -> usize {
    let mut interrupted = 0;
    for id in load.accepted() {
        let record = user.record(&id).await;
        let runs = counter.runs(&id);
        let error = &record["response"]["result"]["error"];
        match record["response"]["status"].as_str().unwrap() {
            "success" => assert_eq!(runs, 1, "{record}"),
            "whisk internal error" if error == INTERRUPTED => {
                interrupted += 1;
                assert!(runs <= 1, "{record} ran {runs} times");
            }
            _ => assert!(
                runs <= 1 && record["response"]["status"] == "application error",
                "{record}"
            ),
        }
    }
    // Requests that were cut off may have left activations that end only now and move the pages.
    let listed = eventually(PATIENCE, async || {
        let listed = user.listed().await;
        let distinct: HashSet<_> = listed.iter().cloned().collect();
        (distinct.len() == listed.len()).then_some(distinct)
    });
    let listed = listed.await.expect("an activation is listed twice");
    let missing: Vec<_> = load
        .accepted()
        .into_iter()
        .filter(|id| !listed.contains(id))
        .collect();
    assert!(missing.is_empty(), "not listed: {missing:?}");
    interrupted
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed_again_and_again() {
    println!("seed {SEED}");
    let mut random = fastrand::Rng::with_seed(SEED);
    let counter = Counter::start().await;
    let mut server = server();
    server
        .user()
        .put_action("counted", KIND, COUNTED, json!({}))
        .await;
    let load = Load::default();
    for round in 0..ROUNDS {
        let working = load.start(&server.user(), counter.port, round);
        let instant = Duration::from_millis(random.u64(5..400));
        tokio::time::sleep(instant).await;
        server.kill_hard().unwrap();
        working.ended().await;
        server.restart().unwrap();
        if round % 3 == 2 {
            // Once more while what was left over is taken up again.
            tokio::time::sleep(Duration::from_millis(random.u64(0..20))).await;
            server.kill_hard().unwrap();
            server.restart().unwrap();
        }
    }
    let user = server.user();
    let interrupted = account(&user, &load, &counter).await;
    load.check_entities(&user).await;
    println!(
        "{} accepted, {interrupted} interrupted",
        load.accepted().len()
    );
    assert!(load.accepted().len() > 30, "there was no load");
    // A further start finds nothing left to do.
    let runs = counter.total();
    server.kill_hard().unwrap();
    server.restart().unwrap();
    assert_eq!(
        server
            .user()
            .result("counted", &json!({"port": counter.port, "ms": 0}))
            .await,
        json!({"counted": true})
    );
    assert_eq!(counter.total(), runs + 1);
    assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
}

/// With `durability = "sync"`: whoever has a result has its record, however soon the server is killed.
#[tokio::test(flavor = "multi_thread")]
async fn records_are_there_before_results_where_that_is_wanted() {
    let mut server = ServerOptions::new(env!("CARGO_BIN_EXE_oxwhisk"))
        .without_throttles()
        .variable("OXWHISK_ACTIVATIONS_DURABILITY", "sync")
        .start()
        .unwrap();
    let user = server.user();
    user.put_action("sleeps", KIND, SLEEPS, json!({})).await;
    let sequence = json!({"exec": {"kind": "sequence", "components": ["/_/sleeps", "/_/sleeps"]}});
    let path = "/api/v1/namespaces/_/actions/both";
    let made = user.client().put(path, &sequence).await.unwrap();
    assert_eq!(made.status(), 200, "{}", made.text());
    for name in ["sleeps", "both", "sleeps", "both", "sleeps"] {
        let user = server.user();
        let answer = user.invoke(name, &json!({"ms": 1})).await;
        server.kill_hard().unwrap();
        assert_eq!(answer.status(), 200);
        let id = answer.json().unwrap()["activationId"].clone();
        server.restart().unwrap();
        let path = format!("/api/v1/namespaces/_/activations/{}", id.as_str().unwrap());
        let record = server.user().client().get(&path).await.unwrap();
        assert_eq!(record.status(), 200, "{name}");
        assert_eq!(record.json().unwrap()["response"]["status"], "success");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_interrupted_when_the_server_is_asked_to_end_under_load() {
    let counter = Counter::start().await;
    let mut server = server();
    server
        .user()
        .put_action("counted", KIND, COUNTED, json!({}))
        .await;
    let load = Load::default();
    let working = load.start(&server.user(), counter.port, 0);
    eventually(PATIENCE, async || {
        (load.accepted().len() > 50).then_some(())
    })
    .await
    .unwrap();
    let status = server.stop().unwrap();
    assert!(status.success(), "{status}\n{}", server.stderr());
    working.ended().await;
    server.restart().unwrap();
    let user = server.user();
    assert_eq!(account(&user, &load, &counter).await, 0);
    load.check_entities(&user).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn activations_that_waited_are_run_and_those_that_ran_are_told_lost() {
    let mut server = ServerOptions::new(env!("CARGO_BIN_EXE_oxwhisk"))
        .without_throttles()
        .variable("OXWHISK_INVOKER_USER_MEMORY", "256MB")
        .start()
        .unwrap();
    let user = server.user();
    user.put_action("sleeps", KIND, SLEEPS, json!({})).await;
    user.put_action("waits", KIND, SLEEPS, json!({})).await;
    // The answer to a wait that elapsed is a promise too.
    let path = "/api/v1/namespaces/_/actions/sleeps?blocking=true&timeout=1000";
    let elapsed = user
        .client()
        .post(path, &json!({"ms": 50_000}))
        .await
        .unwrap();
    assert_eq!(elapsed.status(), 202, "{}", elapsed.text());
    let lost = elapsed.json().unwrap()["activationId"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut waiting = Vec::new();
    for _ in 0..10 {
        waiting.push(user.accept("waits", &json!({"ms": 1})).await);
    }
    server.kill_hard().unwrap();
    server.restart().unwrap();
    let user = server.user();
    for id in waiting {
        let record = user.record(&id).await;
        assert_eq!(
            record["response"]["result"],
            json!({"slept": true}),
            "{record}"
        );
    }
    let record = user.record(&lost).await;
    let told = (
        &record["response"]["status"],
        &record["response"]["result"]["error"],
    );
    assert_eq!(
        told,
        (
            &Value::from("whisk internal error"),
            &Value::from(INTERRUPTED)
        )
    );
}

#[test]
fn second_server_on_the_same_data_is_refused() {
    let server = TestServer::start(env!("CARGO_BIN_EXE_oxwhisk")).unwrap();
    let second = Command::new(env!("CARGO_BIN_EXE_oxwhisk"))
        .args(["standalone", "--port", "0", "--data-dir"])
        .arg(server.data_dir())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{stderr}");
    assert!(second.stdout.is_empty());
    let holder = format!("in use by process {}", server.pid());
    assert!(stderr.contains(&holder), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn helper_that_dies_is_replaced_and_what_ran_has_a_record() {
    let server = TestServer::start(env!("CARGO_BIN_EXE_oxwhisk")).unwrap();
    let user = server.user();
    user.put_action("sleeps", KIND, SLEEPS, json!({})).await;
    user.result("sleeps", &json!({"ms": 1})).await;
    // The answer comes when it has been running for most of this time.
    let path = "/api/v1/namespaces/_/actions/sleeps?blocking=true&timeout=1000";
    let accepted = user.client().post(path, &json!({"ms": 20_000})).await;
    let accepted = accepted.unwrap().json().unwrap();
    let running = accepted["activationId"].as_str().unwrap();
    // The helper is the server's only child; the containers are below it.
    let helper = descendants(server.pid())[0].to_string();
    assert!(
        Command::new("kill")
            .args(["-KILL", &helper])
            .status()
            .unwrap()
            .success()
    );
    let works = eventually(PATIENCE, async || {
        let answer = user.invoke("sleeps", &json!({"ms": 1})).await;
        (answer.status() == 200).then_some(())
    });
    works.await.unwrap();
    let record = user.record(running).await;
    assert_eq!(
        record["response"]["status"], "whisk internal error",
        "the action is not to blame: {record}"
    );
    let helper = helper.parse().unwrap();
    let is_gone = eventually(PATIENCE, async || {
        (!descendants(server.pid()).contains(&helper)).then_some(())
    });
    is_gone.await.unwrap();
}
