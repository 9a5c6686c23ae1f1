//! The way out against the host's network: connections, transfers, memory, and what it costs at creation.
//!
//! Runs on a machine and an internet made of network namespaces: this program runs three times, as
//! what starts it all, as the machine (`inside`) and as the internet's server (`server`).

mod creation;
mod inside;
mod measured;
mod server;

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use oxwhisk_testing::internet::Internet;
use serde_json::Value;

use crate::options::Options;
use crate::report::{Aim, Report};

pub(super) const NAME: &str = "egress";

/// First argument of the program on the machine.
const INSIDE: &str = "--inside-the-machine";
/// First argument of the program in the internet.
const SERVER: &str = "--serve-the-internet";

/// Plays a part in the measurement if the first argument says so.
pub(crate) fn play_part() -> Option<Result<()>> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next()?.as_str() {
        INSIDE => Some(inside::run(arguments.next().as_deref() == Some("quick"))),
        SERVER => Some(server::run()),
        _ => None,
    }
}

/// What is compared: a name, the unit, and whether more is better.
const RATIOS: [(&str, &str, &str); 4] = [
    ("connect", "connect and close, one after the other", "µs"),
    ("echo", "a byte there and back", "µs"),
    ("download", "from the internet", "MB/s"),
    ("upload", "to the internet", "MB/s"),
];

/// Measures both networks in turns.
pub(super) fn run(options: &Options, report: &mut Report) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        report.line(NAME, "left out: needs root", String::new());
        return Ok(());
    }
    let raw = measure(options.quick)?;
    let median = |path: &[&str]| -> Result<f64> {
        let found = path.iter().try_fold(&raw, |value, name| value.get(name));
        let median = found.and_then(|samples| samples.get("p50")?.as_f64());
        median.with_context(|| format!("{path:?} was not measured"))
    };
    for (name, label, unit) in RATIOS {
        let (host, egress) = (median(&["host", name])?, median(&["egress", name])?);
        let both = format!("{host:.0}, {egress:.0} {unit}");
        report.line(NAME, &format!("{label}: host, egress"), both);
        let key = format!("egress_{name}_ratio");
        let label = format!("ratio egress / host, {name}");
        report.figure(NAME, &key, &label, (egress / host, ""), Aim::None);
    }
    for (kind, label) in [
        ("rested", "networks ready"),
        ("hurried", "one after the other"),
    ] {
        let of = |mode: &str| median(&["creation", mode, kind]);
        let all = format!(
            "{:.2}, {:.2}, {:.2} ms",
            of("host")?,
            of("api")?,
            of("egress")?
        );
        report.line(NAME, &format!("container, {label}: host, api, egress"), all);
    }
    let memory = |name: &str| -> Result<f64> {
        let found = raw
            .get("memory")
            .and_then(|memory| memory.get(name)?.get("pss_mib")?.as_f64());
        found.with_context(|| format!("memory `{name}` was not measured"))
    };
    for (name, label) in [
        ("idle", "egress process, no connection, PSS"),
        ("held", "egress process, 100 idle connections, PSS"),
        ("after", "egress process after all transfers, PSS"),
    ] {
        let key = format!("egress_memory_{name}_mib");
        report.figure(NAME, &key, label, (memory(name)?, "MiB"), Aim::None);
    }
    report.raw(NAME, raw);
    Ok(())
}

/// Runs the other two parts and returns what the machine has measured.
fn measure(is_quick: bool) -> Result<Value> {
    let program = std::env::current_exe().context("could not tell where this program is")?;
    let internet = Internet::new().context("could not prepare the internet")?;
    let mut command = internet.command(&program, 0);
    command
        .args([INSIDE, if is_quick { "quick" } else { "full" }])
        .env(Internet::SERVER_VARIABLE, server_command(&program)?);
    let output = command.output().context("could not start the machine")?;
    if !output.status.success() {
        bail!(
            "the machine failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    serde_json::from_slice(&output.stdout).context("the machine told no figures")
}

fn server_command(program: &Path) -> Result<String> {
    let program = program.to_str().context("this program's path is no text")?;
    ensure!(!program.contains(' '), "this program's path has blanks");
    Ok(format!("{program} {SERVER}"))
}
