//! The socket in the data directory, and whose turn it is to open the database.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use oxwhisk_testing::{ServerOptions, eventually};
use serde_json::json;

use crate::support::{Admin, GUEST, PROGRAM, with_server, without_server};

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_lives_as_long_as_the_server() {
    let (mut server, admin) = with_server();
    let socket = admin.0.join("admin.sock");
    let mode = fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let asked = |who: &str| {
        let given = admin.run(&["user", "get", "guest", "-v"]);
        assert_eq!(
            (given.status, &*given.stdout),
            (0, &*format!("{GUEST}\n")),
            "{given:?}"
        );
        assert_eq!(given.stderr, who);
    };
    let opened = format!("opened `{}`\n", admin.0.join("oxwhisk.db").display());
    asked("asked the running server\n");
    server.kill_hard().unwrap();
    assert!(socket.exists(), "a killed server leaves it behind");
    asked(&opened);
    server.restart().unwrap();
    asked("asked the running server\n");
    server.stop().unwrap();
    assert!(!socket.exists());
    asked(&opened);
}

#[test]
fn a_file_in_place_of_the_socket_is_left_alone() {
    let (mut server, admin) = without_server();
    let socket = admin.0.join("admin.sock");
    fs::write(&socket, "mine").unwrap();
    server.restart().unwrap();
    assert_eq!(fs::read_to_string(&socket).unwrap(), "mine");
    assert!(
        server.stderr().contains("cannot reach this server"),
        "{}",
        server.stderr()
    );
}

/// Sends bytes, and returns what comes back until the server closes.
fn say(socket: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The server may refuse before it has read everything.
    let _refused = stream.write_all(bytes);
    let _refused = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _reset = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

#[test]
fn garbage_on_the_socket_is_refused_and_harms_nothing() {
    let (server, admin) = with_server();
    let socket = admin.0.join("admin.sock");
    let deep = "[".repeat(100_000) + "\n";
    let garbage: [&[u8]; 10] = [
        b"",
        b"\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\xfe\x00\n",
        b"{\"getKey\":{\"subject\":\"guest\"",
        b"{\"getKey\":{\"subject\":1,\"namespace\":null}}\n",
        b"{\"dropAll\":{}}\n",
        b"{\"getKeys\":{\"subject\":\"guest\",\"more\":1}}\n",
        b"{\"createUser\":{\"subject\":\"alice\",\"namespace\":\"a\",\"key\":{\"api_key\":\"x\"},\"revoke\":false}}\n",
        deep.as_bytes(),
    ];
    for bytes in garbage {
        let answer = say(&socket, bytes);
        let text = "{\"Err\":{\"error\":\"the request cannot be read: ";
        assert!(
            answer.starts_with(text) && answer.ends_with(",\"status\":2}}\n"),
            "{:?}: {answer}",
            String::from_utf8_lossy(bytes)
        );
    }
    // Longer than a request may be; the answer may be lost with the rest that nobody reads.
    say(&socket, &vec![b'x'; 8 << 20]);
    // Checked on the side of the server too.
    let short = "{\"createUser\":{\"subject\":\"four\",\"namespace\":\"four\",\"key\":{\"api_key\":\"KEY\"},\"revoke\":false}}\n";
    let answer = say(&socket, short.replace("KEY", GUEST).as_bytes());
    assert_eq!(
        answer,
        "{\"Err\":{\"error\":\"Subject name must be at least 5 characters\",\"status\":2}}\n"
    );
    // Those who say nothing take no place from the others for long.
    let silent: Vec<_> = (0..80)
        .map(|_| UnixStream::connect(&socket).unwrap())
        .collect();
    assert_eq!(admin.ok(&["user", "get", "guest"]), GUEST);
    drop(silent);
    assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
}

/// Subjects are read, changed and written: nobody's change may be lost.
#[test]
fn commands_at_the_same_time_lose_no_change() {
    for (_server, admin) in [with_server(), without_server()] {
        let create = |number: u32| {
            let namespace = format!("space{number}");
            admin
                .command(&["user", "create", "alice", "-ns", &namespace])
                .stdout(Stdio::null())
                .spawn()
        };
        let started: Vec<_> = (0..12).map(|number| create(number).unwrap()).collect();
        for mut child in started {
            assert!(child.wait().unwrap().success());
        }
        let keys = admin.json(&["user", "get", "alice", "-a"]);
        assert_eq!(keys["namespaces"].as_array().unwrap().len(), 12, "{keys}");
    }
}

/// The address of a socket holds 107 bytes.
#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_with_a_long_path_is_administered_too() {
    let folder = tempfile::tempdir().unwrap();
    let admin = Admin(folder.path().join("d".repeat(120)));
    let mut server = Command::new(PROGRAM)
        .args(["standalone", "--port", "0", "--data-dir"])
        .arg(&admin.0)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let outcome = std::panic::catch_unwind(|| {
        assert!(line.contains("listening on"), "{line}");
        let kind = fs::metadata(admin.0.join("admin.sock"))
            .unwrap()
            .file_type();
        assert!(kind.is_socket());
        let given = admin.run(&["-v", "user", "get", "guest"]);
        assert_eq!(given.stderr, "asked the running server\n");
        assert_eq!(given.stdout, format!("{GUEST}\n"));
    });
    server.kill().unwrap();
    server.wait().unwrap();
    if let Err(fault) = outcome {
        std::panic::resume_unwind(fault);
    }
    assert_eq!(admin.ok(&["user", "get", "guest"]), GUEST);
}

/// While the server lets activations end it still has the store, and answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_ending_is_administered_until_its_end() {
    let mut server = ServerOptions::new(PROGRAM)
        .without_throttles()
        .start()
        .unwrap();
    let admin = Admin::of(&server);
    let user = server.user();
    let nap = "function main() { return new Promise(r => setTimeout(() => r({}), 3000)) }";
    user.put_action("nap", "nodejs:default", nap, json!({}))
        .await;
    let path = "/api/v1/namespaces/_/actions/nap?blocking=true&timeout=1000";
    assert_eq!(
        user.client().post(path, &json!({})).await.unwrap().status(),
        202
    );
    server.ask_to_end().unwrap();
    let deaf = eventually(PATIENCE, async || {
        server.client().get("/ping").await.is_err().then_some(())
    });
    deaf.await.unwrap();
    assert_eq!(admin.ok(&["user", "get", "guest"]), GUEST);
    let opened = eventually(PATIENCE, async || {
        let given = admin.run(&["user", "get", "guest", "-v"]);
        assert_eq!(given.stdout, format!("{GUEST}\n"), "{given:?}");
        given.stderr.starts_with("opened").then_some(())
    });
    opened.await.unwrap();
    assert!(server.stop().unwrap().success());
}

#[test]
#[ignore = "needs root"]
fn other_users_are_turned_away() {
    const NOBODY: u32 = 65_534;
    let (server, admin) = with_server();
    // Nobody can go where the program and the data are; tests keep both to themselves.
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &Path, mode: u32| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let program = folder.path().join("oxwhisk");
    fs::copy(PROGRAM, &program).unwrap();
    open(folder.path(), 0o755);
    open(admin.0.parent().unwrap(), 0o755);
    open(&admin.0, 0o755);
    let ask = || {
        let mut command = Command::new(&program);
        command.args(["admin", "user", "get", "guest", "--data-dir"]);
        let output = command.arg(&admin.0).uid(NOBODY).gid(NOBODY).output();
        let output = output.unwrap();
        assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]));
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(
        ask(),
        "error: could not reach the running server: Permission denied (os error 13)\n"
    );
    // Also if somebody opens the socket to all.
    open(&admin.0.join("admin.sock"), 0o666);
    let text = ask();
    assert!(text.contains("the running server"), "{text}");
    assert!(
        server
            .stderr()
            .contains("another user tried to administer this server"),
        "{}",
        server.stderr()
    );
    assert_eq!(admin.ok(&["user", "get", "guest"]), GUEST);
}
