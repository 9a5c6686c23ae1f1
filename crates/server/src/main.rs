//! The program `oxwhisk`.
#![forbid(unsafe_code)]

mod admin;
mod busy_poll;
mod cli;
mod clock;
mod doctor;
mod environment;
mod platform;
mod run;
mod settings;
mod standalone;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Parser as _;

use busy_poll::BusyPoll;
use cli::{Cli, Command};
use settings::{SETTINGS, Settings};

/// Exit code for wrong usage and settings.
const MISUSE: u8 = 64;

fn main() -> ExitCode {
    if environment::is_sandbox_helper() {
        oxwhisk_container::sandbox::helper_main();
    }
    let arguments = admin::with_long_namespace(std::env::args_os());
    let command = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli.command,
        Err(refusal) => return refused(&refusal),
    };
    let failure = match command {
        Command::Run(_) => run::PLATFORM_FAILED,
        _ => 1,
    };
    match dispatch(command) {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to do about a closed standard error.
            let _unheard = writeln!(std::io::stderr(), "error: {error:#}");
            let is_misuse = error.is::<settings::Problems>() || error.is::<run::NothingToRun>();
            ExitCode::from(if is_misuse { MISUSE } else { failure })
        }
    }
}

/// Prints what the command line asks for, or what is wrong with it. `admin` ends as `wskadmin` does then; for the others 2
/// could be the status of an action.
fn refused(refusal: &clap::Error) -> ExitCode {
    // Nothing is left to do about a closed output.
    let _unheard = refusal.print();
    let is_admin = std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == "admin");
    match (refusal.use_stderr(), is_admin) {
        (false, _) => ExitCode::SUCCESS,
        (true, true) => ExitCode::from(2),
        (true, false) => ExitCode::from(MISUSE),
    }
}

fn dispatch(command: Command) -> Result<ExitCode> {
    match command {
        Command::Standalone(args) => {
            let flags = [
                ("port", args.port.map(|port| port.to_string())),
                (
                    "data_dir",
                    args.data_dir.map(|dir| dir.to_string_lossy().into_owned()),
                ),
            ];
            let settings = environment::settings(flags, args.config.as_deref())?;
            let (runtime, busy_poll) = start(&settings)?;
            runtime.block_on(standalone::run(settings, busy_poll))
        }
        Command::Run(args) => {
            let settings =
                environment::settings([("port", Some("0".to_owned()))], args.config.as_deref())?;
            start(&settings)?.0.block_on(run::run(args, settings))
        }
        Command::Admin(args) => {
            let data_dir = args.data_dir.map(|dir| dir.to_string_lossy().into_owned());
            let settings = environment::settings([("data_dir", data_dir)], args.config.as_deref())?;
            let shape = admin::Shape {
                json: args.json,
                verbose: args.verbose,
            };
            let (runtime, _) = start(&settings)?;
            runtime.block_on(admin::run(args.area, shape, &settings))
        }
        Command::Doctor(args) => {
            let settings = environment::settings([], args.config.as_deref())?;
            doctor::run(&args, &settings)
        }
        Command::Settings => {
            print_settings()?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Sets up logging and the threads; the second part keeps them awake, if it is used.
fn start(settings: &Settings) -> Result<(tokio::runtime::Runtime, Arc<BusyPoll>)> {
    tracing_subscriber::fmt()
        .with_max_level(settings.log)
        .with_writer(std::io::stderr)
        .with_ansi(environment::wants_colors())
        // A line that cannot be written is lost; telling so on the same output would end the process.
        .log_internal_errors(false)
        .init();
    let mut builder = match settings.workers {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let busy_poll = Arc::<BusyPoll>::default();
    if settings.workers == 1 && settings.busy_poll {
        let (before, after) = (Arc::clone(&busy_poll), Arc::clone(&busy_poll));
        builder
            .on_thread_park(move || before.before_sleep())
            .on_thread_unpark(move || after.after_sleep());
    }
    let runtime = builder
        .worker_threads(settings.workers)
        .enable_all()
        .build()
        .context("could not start the threads")?;
    Ok((runtime, busy_poll))
}

/// What the reference page says before its table.
const SETTINGS_HEAD: &str = "\
# Settings

Each can be set in the file that `--config` names (TOML; a dot in the name separates the table), or by an environment variable. A command line flag
comes before the environment, the environment before the file, the file before the default. Sizes are written `256MB` (multiples of 1024), times
`5s`, `10m`. All problems are reported together, before a port is bound. This page is the output of `oxwhisk settings`.";

/// Prints the reference page of the settings.
fn print_settings() -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{SETTINGS_HEAD}\n\n| Setting | Variable | Default | Meaning |\n| --- | --- | --- | --- |"
    )?;
    for key in SETTINGS {
        let default = if key.default.is_empty() {
            String::new()
        } else {
            format!("`{}`", key.default)
        };
        writeln!(
            out,
            "| `{}` | `{}` | {default} | {} |",
            key.name,
            key.variable(),
            key.about
        )?;
    }
    Ok(())
}
