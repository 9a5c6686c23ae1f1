//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use lexopt::{Arg, Parser, ValueExt as _};

use crate::phases;

/// How much is measured, and where the results go.
#[derive(Debug)]
pub(crate) struct Options {
    /// Fewer and shorter rounds.
    pub(crate) quick: bool,
    /// Where the figures go as JSON.
    pub(crate) json: Option<PathBuf>,
    /// The server's program.
    pub(crate) server: PathBuf,
    /// Names of the phases to run; empty for all.
    only: Vec<String>,
}

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// Measure.
    Run(Options),
    /// Show this text.
    Help(String),
}

impl Options {
    /// Reads the command line.
    ///
    /// # Errors
    /// An unknown option or phase, or a server that was not built.
    pub(crate) fn parse() -> Result<Parsed> {
        let (mut quick, mut json, mut server, mut only) = (false, None, None, Vec::new());
        let mut parser = Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("quick") => quick = true,
                Arg::Long("json") => json = Some(PathBuf::from(parser.value()?)),
                Arg::Long("server") => server = Some(PathBuf::from(parser.value()?)),
                Arg::Long("only") => only.push(phase_named(parser.value()?.string()?)?),
                Arg::Long("help") | Arg::Short('h') => return Ok(Parsed::Help(help())),
                Arg::Long(_) | Arg::Short(_) | Arg::Value(_) => {
                    return Err(argument.unexpected().into());
                }
            }
        }
        let server = match server {
            Some(path) => path,
            None => beside_this_program()?,
        };
        if !server.is_file() {
            bail!(
                "`{}` is not there: build it with `cargo build --release -p oxwhisk`",
                server.display()
            );
        }
        Ok(Parsed::Run(Self {
            quick,
            json,
            server,
            only,
        }))
    }

    /// Tells whether a phase is to be run.
    pub(crate) fn is_wanted(&self, phase: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == phase)
    }

    /// Chooses between the number of rounds or samples of a full run and that of a quick one.
    pub(crate) fn count(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }

    /// Chooses between the length of a round of a full run and that of a quick one, in milliseconds.
    pub(crate) fn millis(&self, full: u64, quick: u64) -> Duration {
        Duration::from_millis(if self.quick { quick } else { full })
    }
}

fn phase_named(name: String) -> Result<String> {
    if phases::PHASES.iter().any(|phase| phase.name == name) {
        Ok(name)
    } else {
        bail!("there is no phase `{name}`; see --help")
    }
}

/// Returns the server that was built with this program.
fn beside_this_program() -> Result<PathBuf> {
    let here = std::env::current_exe().context("could not tell where this program is")?;
    Ok(here.with_file_name("oxwhisk"))
}

fn help() -> String {
    let mut text = "usage: cargo xtask bench [--quick] [--json PATH] [--only PHASE]… [--server PROGRAM]\n\nphases:\n".to_owned();
    for phase in phases::PHASES {
        text.push_str(&format!("  {:10} {}\n", phase.name, phase.about));
    }
    text
}
