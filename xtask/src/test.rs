//! `cargo xtask test`: installs what the tests need, then runs all of them.

use anyhow::Result;

use crate::check;
use crate::process::{self, cargo, root, run_in};

pub(crate) fn run() -> Result<()> {
    install()?;
    check::lints()?;
    cargo(&["test", "--workspace", "--all-features"], &[])?;
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
