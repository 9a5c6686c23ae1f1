//! `cargo xtask test`: installs what the tests need, then runs all of them.

use std::io::Write as _;

use anyhow::Result;

use crate::process::{self, cargo};
use crate::{check, install};

pub(crate) fn run() -> Result<()> {
    install::all()?;
    check::lints()?;
    cargo(
        &["test", "--workspace", "--all-features", "--no-fail-fast"],
        &[],
    )?;
    soak()?;
    if install::is_root()? {
        let needing_root = [
            "--test",
            "admin",
            "--test",
            "full_disk",
            "--test",
            "hostile",
            "--",
            "--ignored",
        ];
        cargo(
            &["test", "--workspace", "--all-features"],
            &needing_root.map(str::to_owned),
        )?;
        // These run others, which are ignored too, on a machine that they make.
        let on_machines = ["--test", "egress", "--", "--ignored", "needs_root::"];
        cargo(
            &["test", "--workspace", "--all-features"],
            &on_machines.map(str::to_owned),
        )?;
    } else {
        writeln!(
            std::io::stderr(),
            "xtask: left out what needs root: full disks, hostile actions of another user, administration by another user, the way out of actions"
        )?;
    }
    process::run("npm", &["test", "--silent", "--prefix", "runtimes/nodejs"])?;
    let unittest = [
        "-m",
        "unittest",
        "discover",
        "-s",
        "runtimes/python",
        "-t",
        "runtimes/python",
    ];
    process::run("python3", &unittest)
}

/// Loads the server for a short time; `cargo xtask soak` does it in earnest.
fn soak() -> Result<()> {
    cargo(&["build", "--package", "oxwhisk"], &[])?;
    let short = ["soak", "--clients", "50", "--seconds", "10"];
    cargo(
        &["run", "--quiet", "--package", "oxwhisk-bench", "--"],
        &short.map(str::to_owned),
    )
}
