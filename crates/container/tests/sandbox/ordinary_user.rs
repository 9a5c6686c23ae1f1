//! Runs this test program again as an ordinary user.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use oxwhisk_container::ContainerFactory;
use oxwhisk_container::sandbox::Level;

use crate::support::*;

/// A user without rights: `nobody`.
const USER: u32 = 65534;

/// This test program and its helper where an ordinary user can read them, and a home for the user.
struct Copies {
    folder: tempfile::TempDir,
}

impl Copies {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let copies = Self { folder };
        fs::copy(std::env::current_exe().unwrap(), copies.path("tests")).unwrap();
        fs::copy(
            env!("CARGO_BIN_EXE_oxwhisk-sandbox-helper"),
            copies.path("helper"),
        )
        .unwrap();
        fs::create_dir(copies.path("home")).unwrap();
        for name in ["", "tests", "helper"] {
            fs::set_permissions(copies.path(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        chown(copies.path("home"), Some(USER), Some(USER)).unwrap();
        copies
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Prepares a program so that it finds what it needs when it runs as the user.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.path("home"))
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("home"))
            .env(HELPER_VARIABLE, self.path("helper"));
        command
    }
}

fn passes(command: &mut Command) {
    let output = command.output().unwrap();
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (shown(&output.stdout), shown(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert!(!out.contains("running 0 tests"), "no test ran");
}

#[test]
fn all_of_this_holds_as_an_ordinary_user() {
    if !rustix::process::geteuid().is_root() {
        // The other tests are just running as one.
        return;
    }
    let copies = Copies::new();
    let mut command = copies.command(&copies.path("tests"));
    command
        .args(["--skip", "ordinary_user::", "--skip", "of_the_fake"])
        .uid(USER)
        .gid(USER);
    passes(&mut command);
}

/// Where control groups of version 2 are mounted.
fn version_2_root() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mount = mounts
        .lines()
        .find(|line| line.split(' ').nth(2) == Some("cgroup2"))?;
    mount.split(' ').nth(1).map(PathBuf::from)
}

#[test]
fn delegated_control_groups_are_used() {
    let Some(root) = version_2_root().filter(|_| rustix::process::geteuid().is_root()) else {
        // Only root can delegate.
        return;
    };
    let group = root.join(format!("delegated-{}", std::process::id()));
    fs::create_dir(&group).unwrap();
    for file in [
        "",
        "cgroup.procs",
        "cgroup.subtree_control",
        "cgroup.threads",
    ] {
        chown(group.join(file), Some(USER), Some(USER)).unwrap();
    }
    let copies = Copies::new();
    let mut command = copies.command(Path::new("/bin/sh"));
    let script = "echo $$ > \"$1\"/cgroup.procs; shift; exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$@\"";
    command
        .args(["-c", script, "sh"])
        .arg(&group)
        .arg(copies.path("tests"));
    command.args([
        "--ignored",
        "--exact",
        "ordinary_user::server_with_delegated_groups",
    ]);
    passes(&mut command);
    // The server steps aside into this one, if it must to hand controllers down.
    let aside = group.join("oxwhisk.server");
    eventually(
        "the server and its helper have left the group, and nothing in it",
        || {
            let _ = fs::remove_dir(&aside);
            fs::remove_dir(&group).is_ok()
        },
    );
}

#[tokio::test]
#[ignore = "started by `delegated_control_groups_are_used`"]
async fn server_with_delegated_groups() {
    let factory = factory().await;
    let findings = factory.findings();
    let pausing = findings
        .iter()
        .find(|finding| finding.subject == "pausing")
        .unwrap();
    assert_eq!(
        (pausing.level, pausing.state.as_str()),
        (Level::Full, "control groups, version 2")
    );
    let container = started(&factory, spec(&node()), "function main(p) { return p }").await;
    container.pause().await.unwrap();
    container.resume().await.unwrap();
    run(&*container, "{}").await.unwrap();
    container.pause().await.unwrap();
    container.destroy().await;
    factory.shutdown().await;
}
