//! The task runner: `cargo xtask check | test | tidy | bench | soak | scenarios`.
#![forbid(unsafe_code)]

mod check;
mod citations;
mod install;
mod process;
mod test;
mod tidy;
mod tools;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "usage: cargo xtask TASK

  check        format, lints, unit tests, docs, licences, spelling, tidy: no services, no root
  test         installs what the tests need, then runs all of them
  tidy         the project's own rules: crate arrows, file sizes, no leftovers, tests for the whole contract
  bench        measures in one run and prints ratios; takes --quick and --json PATH
  soak         many clients at once, every answer checked; takes --clients N and --seconds S
  scenarios    replays recorded cases against a server; takes what its --help lists";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do about a closed standard error.
            let _unheard = writeln!(std::io::stderr(), "xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    match task.as_str() {
        "check" => check::run(),
        "test" => test::run(),
        "tidy" => tidy::run(),
        "bench" => {
            process::cargo(&["build", "--release", "--package", "oxwhisk"], &[])?;
            process::cargo(
                &["run", "--release", "--package", "oxwhisk-bench", "--"],
                &rest,
            )
        }
        "soak" => {
            process::cargo(&["build", "--release", "--package", "oxwhisk"], &[])?;
            process::cargo(
                &[
                    "run",
                    "--release",
                    "--package",
                    "oxwhisk-bench",
                    "--",
                    "soak",
                ],
                &rest,
            )
        }
        "scenarios" => process::cargo(
            &[
                "run",
                "--quiet",
                "--package",
                "oxwhisk-testing",
                "--bin",
                "scenarios",
                "--",
            ],
            &rest,
        ),
        _ => bail!("{USAGE}"),
    }
}
