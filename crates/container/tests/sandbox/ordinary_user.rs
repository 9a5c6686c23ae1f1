//! Runs this test program again as an ordinary user.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// A user without rights: `nobody`.
const USER: u32 = 65534;

#[test]
fn all_of_this_holds_as_an_ordinary_user() {
    if !rustix::process::geteuid().is_root() {
        // The other tests are just running as one.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (program, helper) = (folder.path().join("tests"), folder.path().join("helper"));
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_oxwhisk-sandbox-helper"), &helper).unwrap();
    let home = folder.path().join("home");
    fs::create_dir(&home).unwrap();
    for path in [folder.path(), &program, &helper] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    chown(&home, Some(USER), Some(USER)).unwrap();
    let output = Command::new(&program)
        .args(["--skip", "all_of_this_holds_as_an_ordinary_user"])
        .args(
            std::env::var("TEST_THREADS")
                .ok()
                .map(|threads| format!("--test-threads={threads}")),
        )
        .current_dir(&home)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", &home)
        .env("TMPDIR", &home)
        .env(crate::support::HELPER_VARIABLE, &helper)
        .uid(USER)
        .gid(USER)
        .output()
        .unwrap();
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{}\n{}",
        shown(&output.stdout),
        shown(&output.stderr)
    );
    assert!(!shown(&output.stdout).contains(" 0 passed"), "no test ran");
    assert!(Path::new(&home).exists());
}
