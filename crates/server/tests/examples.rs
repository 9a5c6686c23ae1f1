//! Each example does what its README says: the `sh` blocks are run in one shell, in order, and what each prints is compared with the
//! `text` block that follows it. White space does not count there, and `…` stands for anything.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests may panic")]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use oxwhisk_testing::{ServerOptions, TestServer};
use tempfile::TempDir;

/// Where the READMEs expect the server.
const DEFAULT_HOST: &str = "http://127.0.0.1:3233";
/// Ends the output of a block.
const MARK: char = '\u{1e}';

#[test]
fn microservices() {
    does_what_its_readme_says("microservices");
}

#[test]
fn mobile_backend() {
    does_what_its_readme_says("mobile-backend");
}

#[test]
fn data_pipeline() {
    does_what_its_readme_says("data-pipeline");
}

#[test]
fn iot_alarm() {
    does_what_its_readme_says("iot-alarm");
}

#[test]
fn code_hook() {
    does_what_its_readme_says("code-hook");
}

#[test]
fn database_changes() {
    does_what_its_readme_says("database-changes");
}

#[test]
fn order_workflow() {
    does_what_its_readme_says("order-workflow");
}

#[test]
fn every_example_is_tested_and_listed() {
    let readme = fs::read_to_string(examples().join("README.md")).unwrap();
    let tests = include_str!("examples.rs");
    let folders: BTreeSet<_> = fs::read_dir(examples())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name != "bin")
        .collect();
    assert!(!folders.is_empty());
    for folder in folders {
        assert!(readme.contains(&format!("]({folder}/)")), "{folder}");
        assert!(
            tests.contains(&format!("says(\"{folder}\")")),
            "{folder} has no test"
        );
    }
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

fn does_what_its_readme_says(name: &str) {
    let server = ServerOptions::new(env!("CARGO_BIN_EXE_oxwhisk"))
        .start()
        .unwrap();
    // In a copy, so that what an example leaves behind is not in the source tree.
    let folder = copy_of_the_examples();
    let readme = fs::read_to_string(folder.path().join(name).join("README.md")).unwrap();
    let blocks = blocks(&readme);
    assert!(blocks.iter().any(|block| block.expected.is_some()));

    let output = run(&blocks, &server, folder.path(), name);
    let printed = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let mut parts = printed.split(MARK);
    for Block { script, expected } in &blocks {
        let seen = parts.next().unwrap_or_default();
        if let Some(expected) = expected {
            assert!(
                matches(expected, seen),
                "{name}:\n{script}\nprinted\n{seen}\ninstead of\n{expected}\n{stderr}"
            );
        }
    }
    assert!(
        output.status.success(),
        "{name}: {}\n{printed}\n{stderr}",
        output.status
    );
    assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
}

/// A block of commands, and what it has to print.
struct Block {
    script: String,
    expected: Option<String>,
}

fn blocks(readme: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut lines = readme.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            continue;
        };
        let content: Vec<_> = lines
            .by_ref()
            .take_while(|line| !line.starts_with("```"))
            .collect();
        let content = content.join("\n");
        match (language, blocks.last_mut()) {
            ("sh", _) => blocks.push(Block {
                script: content,
                expected: None,
            }),
            ("text", Some(block)) => block.expected = Some(content),
            _ => panic!("a block of `{language}` says nothing to the test"),
        }
    }
    blocks
}

fn run(blocks: &[Block], server: &TestServer, examples: &Path, name: &str) -> Output {
    let properties = examples.join("wskprops");
    let content = format!("APIHOST={}\nAUTH={}\n", server.url(), server.guest_key());
    fs::write(&properties, content).unwrap();
    let script: String = blocks
        .iter()
        .map(|block| {
            let script = block.script.replace(DEFAULT_HOST, server.url());
            format!("{script}\nprintf '{MARK}'\n")
        })
        .collect();
    let mut path = OsString::from(examples.join("bin"));
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    Command::new("bash")
        .args(["-e", "-o", "pipefail", "-c", &script])
        .current_dir(examples.join(name))
        .env("PATH", path)
        .env("WSK_CONFIG_FILE", properties)
        .output()
        .unwrap()
}

fn copy_of_the_examples() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let copied = Command::new("cp")
        .arg("-R")
        .arg(examples().join("."))
        .arg(folder.path())
        .status();
    assert!(copied.unwrap().success());
    folder
}

/// Compares without white space; `…` stands for any text.
fn matches(expected: &str, seen: &str) -> bool {
    let bare = |text: &str| -> String { text.split_whitespace().collect() };
    let (expected, seen) = (bare(expected), bare(seen));
    let Some((start, after)) = expected.split_once('…') else {
        return expected == seen;
    };
    // The end is looked for at the end alone: it may occur in what an ellipsis stands for.
    let (middle, end) = after.rsplit_once('…').unwrap_or(("", after));
    seen.strip_prefix(start)
        .and_then(|rest| rest.strip_suffix(end))
        .and_then(|between| {
            let mut pieces = middle.split('…');
            pieces.try_fold(between, |rest, piece| Some(rest.split_once(piece)?.1))
        })
        .is_some()
}

#[test]
fn ellipsis_stands_for_any_text() {
    assert!(matches("ok: id …\n{ 1 }", "ok:\nid abc {1}"));
    assert!(matches("a … c …", "a b c d"));
    assert!(matches("ok: id … 7", "ok: id a7b 7"));
    assert!(!matches("ok: id … 7", "ok: id a7b"));
    assert!(!matches("ok: id … 2", "ok: id abc 3"));
    assert!(!matches("a", "a b"));
}
