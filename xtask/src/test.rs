//! `cargo xtask test`: installs what the tests need, then runs all of them.

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;

use anyhow::Result;

use crate::check;
use crate::process::{self, cargo, root, run_in};

pub(crate) fn run() -> Result<()> {
    install()?;
    check::lints()?;
    cargo(&["test", "--workspace", "--all-features"], &[])?;
    soak()?;
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

/// Loads the server for a short time; `cargo xtask soak` does it in earnest.
fn soak() -> Result<()> {
    cargo(&["build", "--package", "oxwhisk"], &[])?;
    let short = ["soak", "--clients", "50", "--seconds", "10"];
    cargo(
        &["run", "--quiet", "--package", "oxwhisk-bench", "--"],
        &short.map(str::to_owned),
    )
}

fn is_root() -> Result<bool> {
    Ok(std::fs::metadata("/proc/self")?.uid() == 0)
}

/// Installs the npm packages that actions find and that the client tests use.
fn install() -> Result<()> {
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
