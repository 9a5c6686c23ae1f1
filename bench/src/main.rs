//! Measures what the platform costs over its runtimes: `cargo xtask bench [--quick] [--json PATH]`; and as `soak`, loads
//! a server with many clients and checks all it answers.
//!
//! Everything runs in turns within one run (a round of one side, a round of the other), so that the
//! ratios hold on a machine that is busy with other things too. All sockets are on loopback.
#![forbid(unsafe_code)]

mod direct;
mod http;
mod load;
mod machine;
mod options;
mod phases;
mod processes;
mod report;
mod samples;
mod server;
mod soak;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use oxwhisk_container::sandbox;

use options::{Options, Parsed};
use report::Report;

fn main() -> ExitCode {
    if std::env::args_os()
        .next()
        .is_some_and(|name| name == sandbox::HELPER_NAME)
    {
        sandbox::helper_main();
    }
    match phases::play_part().unwrap_or_else(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do about a closed standard error.
            let _unheard = writeln!(std::io::stderr(), "bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("soak") {
        return soak::run(arguments);
    }
    let options = match Options::parse()? {
        Parsed::Run(options) => options,
        Parsed::Help(text) => {
            writeln!(std::io::stdout(), "{text}")?;
            return Ok(());
        }
    };
    let mut report = Report::new(&options);
    for phase in phases::PHASES {
        if options.is_wanted(phase.name) {
            writeln!(std::io::stderr(), "{}: {}", phase.name, phase.about)?;
            (phase.run)(&options, &mut report)?;
        }
    }
    report.finish();
    report.print(&mut std::io::stdout().lock())?;
    if let Some(path) = &options.json {
        report.write_json(path)?;
    }
    Ok(())
}
