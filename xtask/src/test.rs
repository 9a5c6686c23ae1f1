//! `cargo xtask test`: installs what the tests need, then runs all of them.

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;

use anyhow::Result;

use crate::process::{self, cargo, root, run_in};
use crate::{check, tools};

pub(crate) fn run() -> Result<()> {
    install()?;
    check::lints()?;
    cargo(&["test", "--workspace", "--all-features"], &[])?;
    if is_root()? {
        let needing_root = [
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
    } else {
        writeln!(
            std::io::stderr(),
            "xtask: left out what needs root: full disks, hostile actions of another user"
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

fn is_root() -> Result<bool> {
    Ok(std::fs::metadata("/proc/self")?.uid() == 0)
}

/// Installs the npm packages that actions find and that the client tests use, and what checks the API's description.
fn install() -> Result<()> {
    tools::api_checkers()?;
    for folder in ["runtimes/nodejs", "tests/clients"] {
        let folder = root().join(folder);
        if folder.join("package-lock.json").exists() {
            run_in(
                &folder,
                "npm",
                &["ci", "--no-audit", "--no-fund", "--loglevel=error"],
            )?;
        }
    }
    Ok(())
}
