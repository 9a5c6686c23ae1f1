//! An internet of the tests' own, made of network namespaces.
//!
//! A command is run on a machine whose network has one cable, to an internet that is a process of
//! the test. Nothing of the real machine's network is touched or reached. Needs root, `iproute2` and
//! Python 3.

mod copies;

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

pub use copies::Copies;

/// A server of the internet: web on port 80, echo on 7 (TCP and UDP), a silent one on 9, one that
/// answers after the end on 10, one that resets after a byte on 11, an endless one on 19, another on 20 for one client at a time (`/progress` of
/// the web tells how many bytes it has got rid of, and for how many milliseconds it has got rid of none).
/// Nobody listens elsewhere.
pub const SERVER: &str = "203.0.113.10";
/// The same server.
pub const SERVER_V6: &str = "2001:db8:2::10";
/// The other end of the cable: gateway and neighbour of the machine. The same server listens there.
pub const NEIGHBOUR: &str = "198.51.100.1";
/// The machine's own address; a web server listens on port 8080 of all its addresses.
pub const MACHINE: &str = "198.51.100.2";
/// An address to which the internet knows no way.
pub const UNREACHABLE: &str = "203.0.113.200";
/// A user without rights: `nobody`.
pub const ORDINARY_USER: u32 = 65534;

/// A machine with its internet, while a command runs there.
#[derive(Debug)]
pub struct Internet {
    folder: TempDir,
}

impl Internet {
    /// Variable of [`Internet::command`] with a program (and arguments, separated by blanks) that also
    /// runs in the internet.
    pub const SERVER_VARIABLE: &str = "INTERNET_SERVER";

    /// Prepares the files.
    ///
    /// # Errors
    /// A folder or file that cannot be written.
    pub fn new() -> std::io::Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("world.sh"), include_str!("world.sh"))?;
        std::fs::write(folder.path().join("servers.py"), include_str!("servers.py"))?;
        Ok(Self { folder })
    }

    /// Prepares a command that runs a program on the machine as a user of that number (0: root).
    #[must_use]
    pub fn command(&self, program: &Path, user: u32) -> Command {
        let mut command = Command::new("unshare");
        command
            .args([
                "--net",
                "--mount",
                "--pid",
                "--fork",
                "--mount-proc",
                "--kill-child",
                "sh",
            ])
            .arg(self.folder.path().join("world.sh"))
            .arg(self.folder.path())
            .arg(user.to_string())
            .arg(program);
        command
    }
}
