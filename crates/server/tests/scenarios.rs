//! The recorded answers of a real OpenWhisk, replayed against the program: every case of what is served
//! is answered alike.

use std::num::NonZeroUsize;
use std::path::Path;

use oxwhisk_testing::ServerOptions;
use oxwhisk_testing::scenario::{Choice, Host, Selection, Show, run_all};

/// Cases that list a whole collection of the namespace, so nobody else may make anything meanwhile.
const ALONE: [&str; 4] = [
    "actions-read/list-limit-and-skip",
    "packages/list-limit-skip-count",
    "rules/list-summary",
    "triggers/list-summary",
];
/// Cases at a time: many of them wait.
const JOBS: usize = 8;
/// Room for four containers of each case that runs, so that none loses a warm one to another case.
const USER_MEMORY: &str = "8GB";

#[tokio::test]
async fn recorded_cases_are_answered_alike() {
    let server = ServerOptions::new(env!("CARGO_BIN_EXE_oxwhisk"))
        .without_throttles()
        .variable("OXWHISK_INVOKER_USER_MEMORY", USER_MEMORY)
        .start()
        .unwrap();
    let host = Host::new(server.url(), server.guest_key(), server.system_key()).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let mut together = Selection::read(&folder, &Choice::default()).unwrap();
    let is_alone = |name: &str| ALONE.contains(&name);
    let alone = Selection {
        cases: together
            .cases
            .extract_if(.., |case| is_alone(&case.name))
            .collect(),
        skipped: Vec::new(),
    };
    assert!(!together.cases.is_empty() && !alone.cases.is_empty());
    let mut differences = Vec::new();
    for (selection, jobs) in [(alone, 1), (together, JOBS)] {
        let jobs = NonZeroUsize::new(jobs).unwrap();
        run_all(&host, selection, jobs, |case| {
            if !case.failures.is_empty() {
                differences.extend(case.lines(Show::Differences));
            }
        })
        .await;
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
}
