//! `oxwhisk doctor`: what this machine offers, and how to mend what is missing.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use oxwhisk_container::ContainerId;
use oxwhisk_container::sandbox::{ApiListeners, Finding, Level, SandboxConfig, probe};
use serde::Serialize;

use crate::cli::DoctorArgs;
use crate::platform::{kinds, network};
use crate::settings::Settings;

/// Port of the trial's API inside its own network; no other program can have it there.
const TRIAL_PORT: u16 = 3233;

/// One line of the report.
#[derive(Debug, Serialize)]
struct Line {
    subject: String,
    level: &'static str,
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// Looks at isolation and runtimes; fails if something that is needed is missing.
pub(crate) fn run(args: &DoctorArgs, settings: &Settings) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.context("could not start the threads")?;
    let network = network(settings, TRIAL_PORT, Arc::new(NobodyAnswers));
    let findings = runtime.block_on(probe(SandboxConfig::new(network)));
    let mut lines: Vec<Line> = findings.into_iter().map(line_of).collect();
    lines.extend(runtimes(settings));
    let is_missing = lines.iter().any(|line| line.level == word(Level::Missing));
    print(&lines, args.json)?;
    Ok(if is_missing {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Full => "ok",
        Level::Degraded => "degraded",
        Level::Missing => "missing",
    }
}

fn line_of(finding: Finding) -> Line {
    Line {
        subject: finding.subject.to_owned(),
        level: word(finding.level),
        state: finding.state,
        remedy: finding.remedy,
    }
}

/// What actions can be written in here.
fn runtimes(settings: &Settings) -> Vec<Line> {
    let missing = |state: String, remedy: &str| Line {
        subject: "runtimes".to_owned(),
        level: word(Level::Missing),
        state,
        remedy: Some(remedy.to_owned()),
    };
    let kinds = match kinds::discover(settings) {
        Ok(kinds) => kinds,
        Err(error) => {
            return vec![missing(
                format!("{error:#}"),
                "see the setting `runtimes.dir`",
            )];
        }
    };
    if kinds.runtimes.is_empty() {
        return vec![missing(
            "no interpreter was found".to_owned(),
            "install Node.js (18 or later) or Python (3.9 or later)",
        )];
    }
    let line = |runtime: &Arc<oxwhisk_container::Runtime>| Line {
        subject: format!("kind {}", runtime.kind),
        level: word(Level::Full),
        state: runtime.command.first().cloned().unwrap_or_default(),
        remedy: None,
    };
    let mut lines: Vec<Line> = kinds.runtimes.iter().map(line).collect();
    if !kinds.has_npm_packages {
        lines.push(Line {
            subject: "npm packages".to_owned(),
            level: word(Level::Degraded),
            state:
                "actions cannot `require('openwhisk')` and the other packages of the stock image"
                    .to_owned(),
            remedy: Some(format!("run `npm ci` in `{}`", kinds.npm_folder.display())),
        });
    }
    if !kinds.has_python_packages {
        lines.push(Line {
            subject: "python packages".to_owned(),
            level: word(Level::Degraded),
            state: "actions find `requests`, `bs4` and others only if the interpreter has them"
                .to_owned(),
            remedy: Some(format!(
                "install `requirements.txt` in `{}`, see its README.md",
                kinds.python_folder.display()
            )),
        });
    }
    lines
}

fn print(lines: &[Line], as_json: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if as_json {
        writeln!(out, "{}", serde_json::to_string_pretty(lines)?)?;
        return Ok(());
    }
    let widest = lines
        .iter()
        .map(|line| line.subject.len())
        .max()
        .unwrap_or(0);
    for Line {
        subject,
        level,
        state,
        remedy,
    } in lines
    {
        writeln!(out, "{level:<8}  {subject:<widest$}  {state}")?;
        if let Some(remedy) = remedy {
            writeln!(out, "{:<8}  {:<widest$}  to mend it: {remedy}", "", "")?;
        }
    }
    Ok(())
}

/// The trial container asks nothing.
#[derive(Debug)]
struct NobodyAnswers;

impl ApiListeners for NobodyAnswers {
    fn opened(&self, _container: &ContainerId, _listener: TcpListener) {}

    fn closed(&self, _container: &ContainerId) {}
}
