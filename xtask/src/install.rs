//! What the tests need beside Rust, Node.js and Python, installed when it is missing.

use std::path::Path;

use anyhow::{Result, bail};

use crate::process::{exists, root, run, run_in};
use crate::tools;

/// Programs that tests start, and the Debian packages that have them.
const PROGRAMS: &[(&str, &str)] = &[("redis-server", "redis-server"), ("chromium", "chromium")];

/// Folders whose npm packages actions find, or client tests use.
const NPM_FOLDERS: &[&str] = &["runtimes/nodejs", "tests/clients"];

/// Installs all of it.
pub(crate) fn all() -> Result<()> {
    for folder in NPM_FOLDERS {
        let arguments = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
        run_in(&root().join(folder), "npm", &arguments)?;
    }
    programs()?;
    tools::api_checkers()?;
    python_packages(&root().join("runtimes/python"))
}

/// Installs the packages that Python actions find. They are there for good once they are complete.
fn python_packages(folder: &Path) -> Result<()> {
    let complete = folder.join("packages/requests").is_dir();
    if complete {
        return Ok(());
    }
    let arguments = "install --quiet --target packages --upgrade --no-deps --only-binary=:all: --platform any \
                     --python-version 3.9 --require-hashes -r requirements.txt";
    let arguments: Vec<_> = arguments.split_whitespace().collect();
    run_in(folder, &tools::pip()?, &arguments)
}

/// Installs the programs with `apt-get`, as root or through `sudo`.
fn programs() -> Result<()> {
    let mut missing: Vec<_> = PROGRAMS
        .iter()
        .filter(|(program, _)| !exists(program))
        .map(|&(_, package)| package)
        .collect();
    // Debian's Python comes without what makes environments.
    if run("python3", &["-c", "import ensurepip"]).is_err() {
        missing.push("python3-venv");
    }
    if missing.is_empty() {
        return Ok(());
    }
    if !exists("apt-get") {
        bail!("the tests need {}: please install them", missing.join(", "));
    }
    let install = ["install", "--quiet", "--yes", "--no-install-recommends"];
    apt(&["update", "--quiet"])?;
    apt(&[&install, missing.as_slice()].concat())
}

fn apt(arguments: &[&str]) -> Result<()> {
    if is_root()? {
        return run("apt-get", arguments);
    }
    run(
        "sudo",
        &[&["--non-interactive", "apt-get"], arguments].concat(),
    )
}

/// Returns whether this process may do everything.
pub(crate) fn is_root() -> Result<bool> {
    use std::os::unix::fs::MetadataExt as _;

    Ok(std::fs::metadata("/proc/self")?.uid() == 0)
}
