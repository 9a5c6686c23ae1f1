//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::admin::AdminArgs;

/// A serverless platform that speaks Apache OpenWhisk.
#[derive(Debug, Parser)]
#[command(name = "oxwhisk", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the whole platform from this one process
    Standalone(StandaloneArgs),
    /// Run a file or folder once, and show its result, its logs and where the time went.
    ///
    /// Ends with 0 for success, 1 for an error that the action reported, 2 for a crash, a time-out or the like, 3 for a
    /// failure of the platform, 64 if there was nothing to run or a setting is wrong. The action reaches the internet, but
    /// no server of the platform of its own: give it host and key of one as arguments if it needs that.
    Run(RunArgs),
    /// Manage users, keys and limits, of a running server or of its data directory
    Admin(AdminArgs),
    /// Tell what this machine offers for isolation and runtimes, and how to mend what is missing
    Doctor(DoctorArgs),
    /// List all settings with their defaults, as the reference page shows them
    Settings,
}

#[derive(Debug, Args)]
pub(crate) struct StandaloneArgs {
    /// Port on the loopback address; 0 picks a free one [default: 3233]
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Folder for the database and all else that is kept [default: below the XDG state directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// File with settings
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Source file, zip archive, or folder with `package.json`, `index.js` or `__main__.py`
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// An argument; the value is taken as JSON if it is some, as text otherwise
    #[arg(short, long = "param", num_args = 2, value_names = ["NAME", "VALUE"], action = clap::ArgAction::Append)]
    pub(crate) param: Vec<String>,
    /// A file with a JSON object of arguments; those of `--param` come over it
    #[arg(short = 'P', long = "param-file", value_name = "FILE")]
    pub(crate) param_file: Option<PathBuf>,
    /// Kind of the action, such as `nodejs:20` or `python:default` [default: by the file]
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<String>,
    /// Entry point [default: main]
    #[arg(long, value_name = "NAME")]
    pub(crate) main: Option<String>,
    /// Milliseconds that initialisation and the run may take each [default: 60000]
    #[arg(short, long, value_name = "MS")]
    pub(crate) timeout: Option<i32>,
    /// Memory in MB [default: 256]
    #[arg(short, long, value_name = "MB")]
    pub(crate) memory: Option<i32>,
    /// Print one JSON object with result, status, logs and times
    #[arg(long)]
    pub(crate) json: bool,
    /// File with settings
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// File with settings
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}
