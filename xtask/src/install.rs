//! What the tests need beside Rust, Node.js and Python, installed when it is missing.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};

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

/// Installs the packages that Python actions find, unless those that are listed are there already.
fn python_packages(folder: &Path) -> Result<()> {
    let listed = folder.join("requirements.txt");
    // Written last, so that it is there only when all else is.
    let installed = folder.join("packages/installed.txt");
    let wanted = fs::read(&listed)?;
    if fs::read(&installed).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    let arguments = "install --quiet --target packages --upgrade --no-deps --only-binary=:all: --platform any \
                     --python-version 3.9 --require-hashes -r requirements.txt";
    let arguments: Vec<_> = arguments.split_whitespace().collect();
    run_in(folder, &tools::pip()?, &arguments)?;
    Ok(fs::copy(listed, installed).map(drop)?)
}

/// Installs the programs that are missing.
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
    let wanted = missing.join(" ");
    install_with_apt(&missing)
        .with_context(|| format!("the tests need {wanted}: please install what is missing"))
}

/// Installs Debian packages, as root or through `sudo`.
fn install_with_apt(packages: &[&str]) -> Result<()> {
    let install = ["install", "--quiet", "--yes", "--no-install-recommends"];
    apt(&["update", "--quiet"])?;
    apt(&[&install, packages].concat())
}

fn apt(arguments: &[&str]) -> Result<()> {
    if is_root()? {
        return run("apt-get", arguments);
    }
    let as_root = [&["--non-interactive", "apt-get"], arguments].concat();
    run("sudo", &as_root)
}

/// Returns whether this process may do everything.
pub(crate) fn is_root() -> Result<bool> {
    Ok(fs::metadata("/proc/self")?.uid() == 0)
}
