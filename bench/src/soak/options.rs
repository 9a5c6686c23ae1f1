//! The command line of the soak.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use lexopt::{Arg, Parser, ValueExt as _};

pub(super) const HELP: &str = "usage: cargo xtask soak [--clients N] [--seconds S] [--seed N] [--max-memory MIB] [--server PROGRAM]

  --clients     how many clients send requests without pause; 500
  --seconds     for how long; 60 (an hour is 3600)
  --seed        where the random choices begin
  --max-memory  what the server's own memory (PSS) may reach, in MiB; 256
  --server      the program; the one that was built with this";

/// How much load, and on what.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) clients: usize,
    pub(super) seconds: u64,
    pub(super) seed: u64,
    pub(super) max_memory_mib: f64,
    pub(super) server: PathBuf,
}

impl Options {
    /// Reads the command line; `None` if it asks for help.
    ///
    /// # Errors
    /// An unknown option, or a server that was not built.
    pub(super) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Option<Self>> {
        let here = std::env::current_exe().context("could not tell where this program is")?;
        let mut options = Self {
            clients: 500,
            seconds: 60,
            seed: 20_261_125,
            max_memory_mib: 256.0,
            server: here.with_file_name("oxwhisk"),
        };
        let mut parser = Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("clients") => options.clients = parser.value()?.parse()?,
                Arg::Long("seconds") => options.seconds = parser.value()?.parse()?,
                Arg::Long("seed") => options.seed = parser.value()?.parse()?,
                Arg::Long("max-memory") => options.max_memory_mib = parser.value()?.parse()?,
                Arg::Long("server") => options.server = PathBuf::from(parser.value()?),
                Arg::Long("help") | Arg::Short('h') => return Ok(None),
                Arg::Long(_) | Arg::Short(_) | Arg::Value(_) => {
                    return Err(argument.unexpected().into());
                }
            }
        }
        if !options.server.is_file() {
            let path = options.server.display();
            bail!("`{path}` is not there: build it with `cargo build --release -p oxwhisk`");
        }
        Ok(Some(options))
    }
}
