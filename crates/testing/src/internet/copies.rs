//! Programs that run again as another user.
#![expect(
    clippy::panic,
    reason = "a test that fails when it runs again fails the test that runs it"
)]

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Name of the copy of the running test program.
const TESTS: &str = "tests";
/// Name of the user's folder.
const HOME: &str = "home";

/// The running test program and what it needs, where an ordinary user can read it, and a home for the
/// user. Not below `/tmp`, which is another one in containers.
#[derive(Debug)]
pub struct Copies(TempDir);

impl Copies {
    /// Copies the test program and `sources`, files or folders, each to a name. All of it belongs to the
    /// user of that number.
    ///
    /// # Errors
    /// What cannot be copied or given away; that takes root.
    pub fn new(user: u32, sources: &[(&Path, &str)]) -> io::Result<Self> {
        let copies = Self(tempfile::tempdir_in("/var/tmp")?);
        let tests = std::env::current_exe()?;
        let all = [(tests.as_path(), TESTS)];
        for (source, name) in all.iter().chain(sources) {
            let copied = Command::new("cp")
                .arg("-r")
                .arg(source)
                .arg(copies.path(name))
                .status()?;
            if !copied.success() {
                return Err(io::Error::other(format!("`{name}` was not copied")));
            }
        }
        fs::create_dir(copies.path(HOME))?;
        fs::set_permissions(copies.0.path(), Permissions::from_mode(0o755))?;
        let owned = Command::new("chown")
            .args(["-R", &format!("{user}:{user}")])
            .arg(copies.0.path())
            .status()?;
        if !owned.success() {
            return Err(io::Error::other("the copies were not given away"));
        }
        Ok(copies)
    }

    /// Returns where the copy of that name is.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Returns where the copy of the test program is.
    #[must_use]
    pub fn tests(&self) -> PathBuf {
        self.path(TESTS)
    }

    /// Runs a command that runs the test program again, with these variables and those that every user
    /// has and no others.
    ///
    /// # Panics
    /// If a test does not pass, or none is run.
    pub fn pass(&self, mut command: Command, variables: &[(&str, PathBuf)]) {
        let output = command
            .current_dir(self.path(HOME))
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
            .env("HOME", self.path(HOME))
            .env("TMPDIR", self.path(HOME))
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .output();
        let output = match output {
            Ok(output) => output,
            Err(error) => panic!("{command:?}: {error}"),
        };
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (shown(&output.stdout), shown(&output.stderr));
        assert!(output.status.success(), "{out}\n{err}");
        assert!(!out.contains("running 0 tests"), "no test ran");
    }
}
