//! Programs that the checks need beside Rust, installed below `target/tools` when they are missing.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::process::{exists, root, run};

/// Versions that the checks were written for.
const CARGO_DENY: &str = "0.20.2";
const TYPOS: &str = "1.52.0";

/// Returns the program `cargo-deny`.
pub(crate) fn cargo_deny() -> Result<String> {
    installed_by_cargo("cargo-deny", "cargo-deny", CARGO_DENY)
}

/// Returns the program `typos`: ready-made from PyPI, or built where Python cannot make environments.
pub(crate) fn typos() -> Result<String> {
    if exists("typos") {
        return Ok("typos".to_owned());
    }
    let program = text(folder().join("python/bin/typos"))?;
    if exists(&program) {
        return Ok(program);
    }
    let from_pypi = || {
        let package = format!("typos=={TYPOS}");
        run(&pip()?, &["install", "--quiet", &package])
    };
    match from_pypi() {
        Ok(()) => Ok(program),
        Err(_) => installed_by_cargo("typos-cli", "typos", TYPOS),
    }
}

/// Returns the program `pip` of a Python environment of our own.
pub(crate) fn pip() -> Result<String> {
    let venv = folder().join("python");
    let program = text(venv.join("bin/pip"))?;
    if !exists(&program) {
        run("python3", &["-m", "venv", &text(venv)?])?;
    }
    Ok(program)
}

/// Installs what `crates/server/tests/api_description.rs` runs, from PyPI: a fuzzer and a validator of API descriptions.
pub(crate) fn api_checkers() -> Result<()> {
    let venv = folder().join("openapi");
    let requirements = root().join("tests/openapi/requirements.txt");
    let wanted = fs::read(&requirements).context("could not read the requirements")?;
    // The copy says what is installed.
    let installed = venv.join("requirements.txt");
    if fs::read(&installed).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    run("python3", &["-m", "venv", &text(venv.clone())?])?;
    run(
        &text(venv.join("bin/pip"))?,
        &["install", "--quiet", "--requirement", &text(requirements)?],
    )?;
    fs::write(installed, wanted).context("could not note what was installed")
}

fn installed_by_cargo(package: &str, name: &str, version: &str) -> Result<String> {
    if exists(name) {
        return Ok(name.to_owned());
    }
    let root = folder();
    let program = text(root.join("bin").join(name))?;
    if !exists(&program) {
        let root = text(root)?;
        let arguments = [
            "install",
            "--quiet",
            "--locked",
            "--version",
            version,
            "--root",
            &root,
            package,
        ];
        run("cargo", &arguments)?;
    }
    Ok(program)
}

fn folder() -> PathBuf {
    root().join("target/tools")
}

fn text(path: PathBuf) -> Result<String> {
    path.into_os_string()
        .into_string()
        .ok()
        .context("the path of the workspace is no UTF-8")
}
