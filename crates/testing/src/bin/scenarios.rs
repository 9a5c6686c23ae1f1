//! Replays the recorded scenarios against a server and says where its answers differ.

use std::error::Error;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use oxwhisk_testing::scenario::{
    Choice, Host, STOCK_GUEST_KEY, STOCK_SYSTEM_KEY, Selection, Show, canonical, chain, run_all,
};

const USAGE: &str = "\
usage: scenarios [--host URL] [--auth KEY] [--system-auth KEY] [AREA…] [option…]

Replays recorded cases against an OpenWhisk host and says where its answers differ.
Exit status: 0 all passed, 1 some failed, 2 nothing could be run.

  --host URL         plain http, default http://127.0.0.1:3233
  --auth KEY         key of namespace guest, uuid:secret; default the stock key
  --system-auth KEY  key of namespace whisk.system; default the stock key
  AREA, --areas A,B  only these areas; without, all that are served
  --only TEXT        only cases whose name contains TEXT or matches it (*, ?); repeatable
  --skip TEXT        not those cases; repeatable
  --later            also the cases that wait for what is not served yet
  --jobs N           so many cases at a time, default 1
  --show             requests and answers of the steps that differ
  --quiet            only failures and the totals
  --list             name the cases instead of running them
  --dir DIR          folder of the scenarios
  --format           rewrite the files of the folder in their canonical layout
";

/// What the command line asks for.
#[derive(Debug)]
struct Options {
    host: String,
    guest_key: String,
    system_key: String,
    folder: PathBuf,
    choice: Choice,
    jobs: NonZeroUsize,
    show: Show,
    verbosity: Verbosity,
    task: Task,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Verbosity {
    Failures,
    Everything,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Task {
    Run,
    List,
    Format,
    Help,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: "http://127.0.0.1:3233".to_owned(),
            guest_key: STOCK_GUEST_KEY.to_owned(),
            system_key: STOCK_SYSTEM_KEY.to_owned(),
            folder: [env!("CARGO_MANIFEST_DIR"), "..", "..", "scenarios"]
                .iter()
                .collect(),
            choice: Choice::default(),
            jobs: NonZeroUsize::MIN,
            show: Show::Differences,
            verbosity: Verbosity::Everything,
            task: Task::Run,
        }
    }
}

impl Options {
    fn parse(mut arguments: lexopt::Parser) -> Result<Self, lexopt::Error> {
        use lexopt::prelude::{Long, Short, Value, ValueExt as _};
        let mut options = Self::default();
        let choice = &mut options.choice;
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("host") => options.host = arguments.value()?.string()?,
                Long("auth") => options.guest_key = arguments.value()?.string()?,
                Long("system-auth") => options.system_key = arguments.value()?.string()?,
                Long("areas") => {
                    choice
                        .areas
                        .extend(arguments.value()?.string()?.split(',').map(str::to_owned));
                }
                Long("only") => choice.only.push(arguments.value()?.string()?),
                Long("skip") => choice.skip.push(arguments.value()?.string()?),
                Long("later") => choice.later = true,
                Long("jobs") => options.jobs = arguments.value()?.parse()?,
                Long("dir") => options.folder = arguments.value()?.into(),
                Long("show") => options.show = Show::Exchanges,
                Long("quiet") => options.verbosity = Verbosity::Failures,
                Long("list") => options.task = Task::List,
                Long("format") => options.task = Task::Format,
                Long("help") | Short('h') => options.task = Task::Help,
                Value(area) => choice.areas.push(area.string()?),
                Long(_) | Short(_) => return Err(argument.unexpected()),
            }
        }
        Ok(options)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Options::parse(lexopt::Parser::from_env()) {
        Ok(options) => carry_out(options).await,
        Err(fault) => Err(fault.into()),
    };
    outcome.unwrap_or_else(|fault| {
        // If standard error is closed, the exit status still tells.
        let _ = writeln!(io::stderr(), "scenarios: {}", chain(&*fault));
        ExitCode::from(2)
    })
}

async fn carry_out(options: Options) -> Result<ExitCode, Box<dyn Error>> {
    match options.task {
        Task::Help => io::stdout().write_all(USAGE.as_bytes())?,
        Task::Format => format_folder(&options.folder)?,
        Task::List => {
            let selection = Selection::read(&options.folder, &options.choice)?;
            for case in &selection.cases {
                writeln!(io::stdout(), "{}", case.name)?;
            }
            for (name, reason) in &selection.skipped {
                writeln!(io::stdout(), "{name} (skipped, {reason})")?;
            }
        }
        Task::Run => return run(options).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn run(options: Options) -> Result<ExitCode, Box<dyn Error>> {
    let selection = Selection::read(&options.folder, &options.choice)?;
    if selection.cases.is_empty() && selection.skipped.is_empty() {
        return Err("no case matches".into());
    }
    let host = Host::new(&options.host, &options.guest_key, &options.system_key)?;
    let authority = host.authority();
    tokio::net::TcpStream::connect(&authority)
        .await
        .map_err(|fault| format!("nothing listens on {authority}: {fault}"))?;
    let mut out = io::stdout();
    let totals = run_all(&host, selection, options.jobs, |case| {
        if options.verbosity == Verbosity::Everything || !case.failures.is_empty() {
            // A closed output is noticed when the totals are written.
            let _ = writeln!(out, "{}", case.lines(options.show).join("\n"));
        }
    })
    .await;
    writeln!(io::stdout(), "{totals}")?;
    Ok(if totals.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn format_folder(folder: &std::path::Path) -> Result<(), Box<dyn Error>> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "json") {
            let text = std::fs::read_to_string(&path)?;
            let laid_out = canonical(&text)?;
            if laid_out != text {
                std::fs::write(&path, laid_out)?;
            }
        }
    }
    Ok(())
}
