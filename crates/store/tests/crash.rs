//! What was acknowledged survives `kill -9`.
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests may panic")]

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use oxwhisk_entity::{ActivationId, EntityPath, Json};
use oxwhisk_store::conformance::activations::record;
use oxwhisk_store::embedded::{EmbeddedConfig, EmbeddedStore};
use oxwhisk_store::{
    ActivationStore, ArtifactStore, Collection, DocumentId, NewDocument, Revision,
};

/// Tells the child where to write and from which number on.
const DIRECTORY: &str = "OXWHISK_TEST_CRASH_DIRECTORY";
const FIRST: &str = "OXWHISK_TEST_CRASH_FIRST";

const ROUNDS: u64 = 12;
const TASKS: u64 = 8;

/// What one round may number.
const ROUND: u64 = 1_000_000;

fn open(directory: &Path) -> EmbeddedStore {
    let path = directory.join("oxwhisk.db");
    EmbeddedStore::open(&path, EmbeddedConfig::default()).unwrap()
}

fn id(number: u64) -> ActivationId {
    record("hello", number, 0).activation_id
}

#[test]
fn acknowledged_writes_survive_sigkill() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        let first = std::env::var_os(FIRST).unwrap();
        let first = first.to_str().unwrap().parse().unwrap();
        runtime.block_on(write_until_killed(Path::new(&directory), first));
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = Acknowledged::default();
    let mut random = seed();
    for round in 0..ROUNDS {
        let mut child = start(directory.path(), round * ROUND);
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let lines = usize::try_from((random >> 33) % 1500).unwrap();
        acknowledged.read(&mut child, lines);
        runtime.block_on(acknowledged.check(directory.path()));
    }
    assert!(acknowledged.recorded.len() > 10);
}

/// The moments of killing differ from run to run; each is as good as another.
fn seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::from(now.subsec_nanos())
}

fn start(directory: &Path, first: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "acknowledged_writes_survive_sigkill",
            "--nocapture",
        ])
        .env(DIRECTORY, directory)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The child: writes, and says so after each acknowledgement.
async fn write_until_killed(directory: &Path, first: u64) {
    let store = open(directory);
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| tokio::spawn(write_as_task(store.clone(), first, task)))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn write_as_task(store: EmbeddedStore, first: u64, task: u64) {
    let journal = store.journal();
    let document = DocumentId::from(format!("guest/action{task}").as_str());
    let mut revision = ArtifactStore::get(&store, &document)
        .await
        .unwrap()
        .map(|d| d.revision);
    for number in (first + task..first + ROUND).step_by(8) {
        journal
            .append(id(number), number.to_string().into_bytes(), false)
            .await
            .unwrap();
        say("appended", number, task);
        journal.mark_started(id(number)).await.unwrap();
        say("started", number, task);
        store
            .store(Arc::new(record("hello", number, 0)))
            .await
            .unwrap();
        say("recorded", number, task);
        revision = Some(put(&store, &document, number, revision).await);
        say("put", number, task);
    }
}

async fn put(
    store: &EmbeddedStore,
    id: &DocumentId,
    number: u64,
    replaces: Option<Revision>,
) -> Revision {
    let document = NewDocument {
        id: id.clone(),
        collection: Collection::Actions,
        path: EntityPath::new("guest").unwrap(),
        updated: number,
        public: false,
        body: Json::from(number),
        replaces,
        attachment: None,
        keep_attachments: false,
    };
    store.put(document).await.unwrap()
}

/// One write, so that a line is in the pipe whole or not at all.
fn say(what: &str, number: u64, task: u64) {
    let line = format!("ack {what} {number} {task}\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

/// What the child said, over all rounds.
#[derive(Default)]
struct Acknowledged {
    appended: HashSet<u64>,
    started: HashSet<u64>,
    recorded: HashSet<u64>,
    /// The last write of each task's document.
    put: HashMap<u64, u64>,
}

impl Acknowledged {
    /// Lets the child go on for so many lines, kills it, and reads what it said until then.
    fn read(&mut self, child: &mut Child, lines: usize) {
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let mut left = lines;
        loop {
            line.clear();
            if output.read_line(&mut line).unwrap() == 0 {
                break;
            }
            self.note(&line);
            left = left.saturating_sub(1);
            if left == 0 {
                // After the first time the process is gone and killing it again is no error.
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
    }

    fn note(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        // The test harness speaks on the same pipe.
        let ["ack", what, number, task] = words[..] else {
            return;
        };
        let (number, task) = (number.parse().unwrap(), task.parse().unwrap());
        match what {
            "appended" => drop(self.appended.insert(number)),
            "started" => drop(self.started.insert(number)),
            "recorded" => drop(self.recorded.insert(number)),
            "put" => drop(self.put.insert(task, number)),
            _ => panic!("{line}"),
        }
    }

    async fn check(&self, directory: &Path) {
        let store = open(directory);
        let unfinished = store.journal().unfinished().await.unwrap();
        let journal: HashMap<ActivationId, bool> = unfinished
            .iter()
            .map(|entry| (entry.id, entry.started))
            .collect();
        for &number in &self.appended {
            let stored = ActivationStore::get(&store, "guest", id(number))
                .await
                .unwrap()
                .is_some();
            let entry = journal.get(&id(number));
            assert!(
                stored != entry.is_some(),
                "{number}: stored {stored}, {entry:?}"
            );
            assert!(
                stored || !self.recorded.contains(&number),
                "{number} is lost"
            );
            if self.started.contains(&number) {
                assert_ne!(entry, Some(&false), "{number} would run twice");
            }
        }
        for (task, &number) in &self.put {
            let id = DocumentId::from(format!("guest/action{task}").as_str());
            let found = ArtifactStore::get(&store, &id).await.unwrap().unwrap();
            let found: u64 = found.body.text().parse().unwrap();
            assert!(found >= number, "action{task}: {found} instead of {number}");
        }
    }
}
