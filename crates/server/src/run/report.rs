//! What `oxwhisk run` prints.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Result;
use oxwhisk_entity::{Json, WhiskActivation};
use serde::Serialize;

/// Where the time of a run went, in milliseconds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Times {
    /// From the command to the result.
    total: u64,
    /// Until a container was ready for the code.
    wait: u64,
    /// Loading the code.
    init: u64,
    /// Running it.
    run: u64,
}

#[derive(Serialize)]
struct Report<'a> {
    status: &'static str,
    result: Json,
    logs: &'a [String],
    times: Times,
}

fn times(activation: &WhiskActivation, total: Duration) -> Times {
    let annotation = |key| {
        activation
            .annotations
            .get(key)
            .and_then(|value| value.text().parse().ok())
            .unwrap_or(0)
    };
    let init = annotation("initTime");
    Times {
        total: u64::try_from(total.as_millis()).unwrap_or(u64::MAX),
        wait: annotation("waitTime"),
        init,
        run: activation.duration.unwrap_or(0).saturating_sub(init),
    }
}

/// Prints one JSON object on standard output.
pub(super) fn print_json(activation: &WhiskActivation, total: Duration) -> Result<()> {
    let report = Report {
        status: activation.response.status.text(),
        result: activation.response.result_or_empty(),
        logs: &activation.logs,
        times: times(activation, total),
    };
    writeln!(std::io::stdout(), "{}", Json::of(&report))?;
    Ok(())
}

/// Prints the result on standard output, everything else on standard error.
pub(super) fn print_text(activation: &WhiskActivation, total: Duration) -> Result<()> {
    let mut notes = std::io::stderr().lock();
    for line in &activation.logs {
        writeln!(notes, "{line}")?;
    }
    let result = activation.response.result_or_empty();
    let pretty = serde_json::from_str::<serde_json::Value>(result.text())
        .and_then(|value| serde_json::to_string_pretty(&value))
        .unwrap_or_else(|_| result.to_string());
    writeln!(std::io::stdout(), "{pretty}")?;
    let Times {
        total,
        wait,
        init,
        run,
    } = times(activation, total);
    let status = activation.response.status.text();
    writeln!(
        notes,
        "{status} in {total} ms: container {wait} ms, init {init} ms, run {run} ms"
    )?;
    Ok(())
}
