//! Starting, killing and restarting a server process; a shell script plays the server.

#![expect(
    clippy::unwrap_used,
    reason = "a test may panic, and these helpers stand outside of test functions"
)]

use std::path::Path;
use std::time::Duration;

use oxwhisk_testing::{ServerError, ServerOptions, TestServer};

const KEY: &str = "23bc46b1-71f6-4ed5-8c54-816aa4f8c502:key-of-this-server";

/// Notes each start in its data directory, gets ready, and ends with status 7 when asked to.
const SERVER: &str = r#"
mkdir -p "$2" && echo "started $NOTE" >> "$2/starts"
trap 'exit 7' TERM
echo "opening the store"
echo "oxwhisk listening on http://127.0.0.1:40001, AUTH=23bc46b1-71f6-4ed5-8c54-816aa4f8c502:key-of-this-server"
while :; do sleep 0.02; done
"#;

/// Runs a script as the server: `$1` is `--data-dir`, `$2` the directory.
fn script(text: &str) -> ServerOptions {
    let mut options = ServerOptions::new("/bin/sh");
    options.arguments = ["-c", text, "server"].map(Into::into).into();
    options
}

fn starts(server: &TestServer) -> String {
    std::fs::read_to_string(server.data_dir().join("starts")).unwrap()
}

#[test]
fn started_server_names_its_address_and_key() {
    let server = script(SERVER).variable("NOTE", "well").start().unwrap();
    assert_eq!(server.url(), "http://127.0.0.1:40001");
    assert_eq!(server.guest_key(), KEY);
    assert!(server.system_key().starts_with("789c46b1-"));
    assert_eq!(starts(&server), "started well\n");
}

#[test]
fn restarted_server_finds_its_data_directory_again() {
    let mut server = script(SERVER).variable("NOTE", "x").start().unwrap();
    let first = server.pid();
    server.kill_hard().unwrap();
    server.restart().unwrap();
    assert_ne!(server.pid(), first);
    server.restart().unwrap();
    assert_eq!(starts(&server), "started x\nstarted x\nstarted x\n");
}

#[test]
fn stopped_server_ends_by_itself_and_only_once() {
    let mut server = script(SERVER).start().unwrap();
    assert_eq!(server.stop().unwrap().code(), Some(7));
    assert_eq!(server.stop().unwrap().code(), Some(7));
}

#[test]
fn server_that_ignores_the_request_to_end_is_killed() {
    let mut options = script(&SERVER.replace("'exit 7'", "''"));
    options.shutdown = Duration::from_millis(100);
    let mut server = options.start().unwrap();
    assert_eq!(server.stop().unwrap().code(), None);
}

#[test]
fn dropped_server_leaves_neither_process_nor_directory() {
    let server = script(SERVER).start().unwrap();
    let (pid, folder) = (server.pid(), server.data_dir());
    drop(server);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    assert!(!folder.exists());
}

#[test]
fn server_that_ends_early_is_an_error_with_its_last_words() {
    let fault = script("echo 'port is taken' >&2; exit 1")
        .start()
        .unwrap_err();
    assert!(
        matches!(&fault, ServerError::Ended { stderr } if stderr == "port is taken\n"),
        "{fault}"
    );
}

#[test]
fn server_that_never_gets_ready_is_an_error_after_its_time() {
    let mut options = script(&SERVER.replace("http://", "port "));
    options.startup = Duration::from_millis(50);
    let fault = options.start().unwrap_err();
    assert!(matches!(fault, ServerError::NotReady { .. }), "{fault}");
}

#[test]
fn output_after_the_readiness_line_never_blocks_the_server() {
    let chatty = "trap 'exit 7' TERM; echo http://127.0.0.1:1; \
                  i=0; while [ $i -lt 20000 ]; do echo some more output; i=$((i+1)); done; touch \"$2.done\"; \
                  while :; do sleep 0.02; done";
    let server = script(chatty).start().unwrap();
    let done = server.data_dir().with_extension("done");
    let waited = oxwhisk_testing::eventually_blocking(Duration::from_secs(30), || {
        done.exists().then_some(())
    });
    assert_eq!(waited, Ok(()));
}
