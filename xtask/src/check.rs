//! `cargo xtask check`: the quick part of CI.

use anyhow::Result;

use crate::process::{self, cargo};
use crate::{tidy, tools};

/// Runs all quick checks; the first failure ends it.
pub(crate) fn run() -> Result<()> {
    lints()?;
    cargo(&["test", "--workspace", "--lib", "--bins"], &[])?;
    cargo(&["test", "--workspace", "--doc"], &[])
}

/// Runs what looks at the code without running it.
pub(crate) fn lints() -> Result<()> {
    cargo(&["fmt", "--all", "--check"], &[])?;
    cargo(
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--",
            "-D",
            "warnings",
        ],
        &[],
    )?;
    cargo(
        &[
            "doc",
            "--workspace",
            "--no-deps",
            "--document-private-items",
        ],
        &[],
    )?;
    tidy::run()?;
    let deny = tools::cargo_deny()?;
    process::run(&deny, &["check", "licenses", "bans", "sources"])?;
    let typos = tools::typos()?;
    process::run(&typos, &["--format", "brief"])
}
