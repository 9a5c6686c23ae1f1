//! Running other programs.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Returns the folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Runs a program in the workspace's folder and fails if it does.
pub(crate) fn run<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> Result<()> {
    run_in(&root(), program, arguments)
}

/// Runs a program in a folder and fails if it does.
pub(crate) fn run_in<S: AsRef<OsStr>>(folder: &Path, program: &str, arguments: &[S]) -> Result<()> {
    let shown: Vec<_> = arguments
        .iter()
        .map(|argument| argument.as_ref().to_string_lossy())
        .collect();
    writeln!(std::io::stderr(), "$ {program} {}", shown.join(" "))?;
    let mut command = Command::new(program);
    let status = command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .status();
    let status = status.with_context(|| format!("could not start `{program}`"))?;
    if !status.success() {
        bail!("`{program}` failed ({status})");
    }
    Ok(())
}

/// Runs cargo with fixed arguments and more.
pub(crate) fn cargo(fixed: &[&str], rest: &[String]) -> Result<()> {
    let all: Vec<&str> = fixed
        .iter()
        .copied()
        .chain(rest.iter().map(String::as_str))
        .collect();
    run("cargo", &all)
}

/// Returns whether a program can be started.
pub(crate) fn exists(program: &str) -> bool {
    let probe = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    probe.is_ok_and(|status| status.success())
}
