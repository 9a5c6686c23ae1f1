//! The way out, against an internet of the tests' own. As root the tests run on a machine made of
//! namespaces, once as root and once as an ordinary user; without root they are left out.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

mod alone;
mod bounds;
mod end;
mod missing;
mod reach;
mod refused;
#[expect(
    dead_code,
    reason = "not all of what the sandbox's tests share is used here"
)]
#[path = "../sandbox/support.rs"]
mod support;
mod way_out;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::Command;

use oxwhisk_testing::internet::{Internet, ORDINARY_USER};

/// This program and its helper where an ordinary user can read them, and a home for the user.
struct Copies(tempfile::TempDir);

impl Copies {
    fn new(user: u32) -> Self {
        let copies = Self(tempfile::tempdir().unwrap());
        fs::copy(std::env::current_exe().unwrap(), copies.path("tests")).unwrap();
        let helper = env!("CARGO_BIN_EXE_oxwhisk-sandbox-helper");
        fs::copy(helper, copies.path("helper")).unwrap();
        fs::create_dir(copies.path("home")).unwrap();
        for name in ["", "tests", "helper"] {
            fs::set_permissions(copies.path(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        chown(copies.path("home"), Some(user), Some(user)).unwrap();
        copies
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs a command that runs this program again, and expects that its tests pass.
    fn pass(&self, mut command: Command) {
        command
            .current_dir(self.path("home"))
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("home"))
            .env(support::HELPER_VARIABLE, self.path("helper"));
        let output = command.output().unwrap();
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (shown(&output.stdout), shown(&output.stderr));
        assert!(output.status.success(), "{out}\n{err}");
        assert!(!out.contains("running 0 tests"), "no test ran");
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs the other tests of this program on a machine of its own.
fn run_the_others(user: u32) {
    if !is_root() {
        // Only root can make the internet.
        return;
    }
    let copies = Copies::new(user);
    let internet = Internet::new().unwrap();
    let mut command = internet.command(&copies.path("tests"), user);
    command.args(["--ignored", "--skip", "missing::", "--skip", "alone::"]);
    command.args(["--test-threads", "4"]);
    copies.pass(command);
    let mut command = internet.command(&copies.path("tests"), user);
    command.args(["--ignored", "--test-threads", "1", "alone::"]);
    copies.pass(command);
}

#[test]
fn all_of_this_holds_as_root() {
    run_the_others(0);
}

#[test]
fn all_of_this_holds_as_an_ordinary_user() {
    run_the_others(ORDINARY_USER);
}
