//! Runs the command.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use oxwhisk_testing::TestServer;
use serde_json::Value;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_oxwhisk");
/// The stock key of `guest`.
pub(crate) const GUEST: &str = "23bc46b1-71f6-4ed5-8c54-816aa4f8c502:123zO3xZCLrMN6v2BKK1dXYFpXlPkccOFqm12CdAsMgRU4VrNZ9lyGVCGuMDGIwP";

/// What a command gave.
#[derive(Debug, PartialEq)]
pub(crate) struct Given {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Administers one data directory.
#[derive(Debug)]
pub(crate) struct Admin(pub(crate) PathBuf);

impl Admin {
    pub(crate) fn of(server: &TestServer) -> Self {
        Self(server.data_dir())
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("admin").arg("--data-dir").arg(&self.0);
        command.args(arguments).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Given {
        let output = self.command(arguments).output().unwrap();
        Given {
            status: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs a command that succeeds and returns its output without the last line's end.
    #[track_caller]
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let given = self.run(arguments);
        assert_eq!((given.status, &*given.stderr), (0, ""), "{arguments:?}");
        given.stdout.trim_end().to_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let text = self.ok(&[arguments, &["--json"]].concat());
        serde_json::from_str(&text).unwrap()
    }

    /// Checks status and standard output of a command.
    #[track_caller]
    pub(crate) fn gives(&self, arguments: &[&str], status: i32, stdout: &str) {
        let given = self.run(arguments);
        assert_eq!(
            (given.status, &*given.stdout, &*given.stderr),
            (status, stdout, ""),
            "{arguments:?}"
        );
    }
}

/// A data directory that a server made and left.
pub(crate) fn without_server() -> (TestServer, Admin) {
    let mut server = TestServer::start(PROGRAM).unwrap();
    server.stop().unwrap();
    let admin = Admin::of(&server);
    (server, admin)
}

pub(crate) fn with_server() -> (TestServer, Admin) {
    let server = TestServer::start(PROGRAM).unwrap();
    let admin = Admin::of(&server);
    (server, admin)
}
