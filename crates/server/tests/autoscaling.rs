//! Containers come with demand and go without it.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests may panic"
)]

use std::collections::BTreeSet;
use std::time::Duration;

use oxwhisk_testing::processes::{container_groups, descendants, is_frozen};
use oxwhisk_testing::{ServerOptions, TestServer, User, eventually};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(20);

/// Tells which container it is, after a while.
const WHICH: &str = "
const me = require('crypto').randomUUID()
function main({ms}) { return new Promise(resolve => setTimeout(() => resolve({me}), ms)) }";

/// The kinds of the machine, without containers that are started before anybody asks.
const MANIFEST: &str = r#"{"runtimes": {"nodejs": [{"kind": "nodejs:KIND", "default": true, "deprecated": false,
  "image": {"prefix": "openwhisk", "name": "action-nodejs", "tag": "nightly"},
  "attached": {"attachmentName": "codefile", "attachmentType": "text/plain"}}]}}"#;

struct Cluster {
    server: TestServer,
    user: User,
    /// The server's process and all that exist while no container does.
    idle: Vec<u32>,
    _manifest: tempfile::NamedTempFile,
}

impl Cluster {
    /// Starts a server with room for `memory`.
    async fn start(memory: &str, more: &[(&str, &str)]) -> Self {
        let manifest = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(manifest.path(), MANIFEST.replace("KIND", &node_version())).unwrap();
        let mut options = ServerOptions::new(env!("CARGO_BIN_EXE_oxwhisk"))
            .without_throttles()
            .variable("OXWHISK_RUNTIMES_MANIFEST", manifest.path())
            .variable("OXWHISK_INVOKER_USER_MEMORY", memory);
        for (name, value) in more {
            options = options.variable(name, value);
        }
        let server = options.start().unwrap();
        let user = server.user();
        user.put_action("which", "nodejs:default", WHICH, json!({}))
            .await;
        let mut idle = descendants(server.pid());
        idle.push(server.pid());
        Self {
            server,
            user,
            idle,
            _manifest: manifest,
        }
    }

    /// The processes of containers.
    fn containers(&self) -> Vec<u32> {
        let below = descendants(self.server.pid());
        below
            .into_iter()
            .filter(|pid| !self.idle.contains(pid))
            .collect()
    }

    /// Waits until no process and no control group of a container is left.
    async fn is_empty(&self) {
        let empty = eventually(PATIENCE, async || {
            (self.containers().is_empty() && container_groups(&self.idle).is_empty()).then_some(())
        });
        let left = (self.containers(), container_groups(&self.idle));
        assert!(empty.await.is_ok(), "left at first: {left:?}");
    }

    /// Invokes so many times at once and returns which containers answered.
    async fn at_once(&self, count: usize, ms: u64) -> BTreeSet<String> {
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..count {
            let user = self.user.clone();
            running.spawn(async move { user.result("which", &json!({"ms": ms})).await });
        }
        running.join_all().await.into_iter().map(name_of).collect()
    }
}

fn name_of(result: Value) -> String {
    result["me"].as_str().unwrap().to_owned()
}

/// The major version of the machine's Node.js.
fn node_version() -> String {
    let output = std::process::Command::new("node")
        .arg("--version")
        .output()
        .unwrap();
    let version = String::from_utf8(output.stdout).unwrap();
    version
        .trim_start_matches('v')
        .split('.')
        .next()
        .unwrap()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_starts_one_container_and_ten_at_once_start_ten() {
    let cluster = Cluster::start(
        "4096MB",
        &[("OXWHISK_INVOKER_IDLE_CONTAINER_TIMEOUT", "1s")],
    )
    .await;
    assert!(cluster.containers().is_empty(), "nobody has asked yet");
    let first = cluster.at_once(1, 0).await;
    for _ in 0..5 {
        assert_eq!(cluster.at_once(1, 0).await, first);
    }
    // Long enough for ten containers to start on a slow machine.
    assert_eq!(cluster.at_once(10, 3000).await.len(), 10);
    assert!(!container_groups(&cluster.idle).is_empty() || !is_root());
    cluster.is_empty().await;
    assert_ne!(
        cluster.at_once(1, 0).await,
        first,
        "a container came back from the dead"
    );
    let mut server = cluster.server;
    assert!(server.stop().unwrap().success());
    assert_eq!(
        container_groups(&cluster.idle),
        Vec::<std::path::PathBuf>::new()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_at_once_wait_for_each_other_when_memory_is_full() {
    let cluster = Cluster::start("512MB", &[]).await;
    let answered = cluster.at_once(10, 100).await;
    assert!((1..=2).contains(&answered.len()), "{answered:?}");
    assert!(
        cluster.containers().len() <= 4,
        "{:?}",
        cluster.containers()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn other_action_takes_the_memory_of_an_idle_one() {
    let cluster = Cluster::start("256MB", &[]).await;
    let first = cluster.at_once(1, 0).await;
    cluster
        .user
        .put_action("other", "nodejs:default", WHICH, json!({}))
        .await;
    let other = cluster.user.result("other", &json!({"ms": 0})).await;
    assert!(!first.contains(&name_of(other)));
    assert_ne!(cluster.at_once(1, 0).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn container_at_rest_is_frozen_and_thaws_for_the_next_request() {
    let cluster = Cluster::start("256MB", &[("OXWHISK_INVOKER_PAUSE_GRACE", "50ms")]).await;
    if !is_root() {
        // An ordinary user has no freezer unless a group was delegated; the pool works without it.
        return;
    }
    let first = cluster.at_once(1, 0).await;
    for _ in 0..2 {
        let frozen = eventually(PATIENCE, async || {
            let containers = cluster.containers();
            (!containers.is_empty() && containers.iter().all(|&pid| is_frozen(pid))).then_some(())
        });
        assert!(frozen.await.is_ok(), "{:?}", cluster.containers());
        assert_eq!(cluster.at_once(1, 0).await, first);
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}
