//! Non-blocking invocations: how many are accepted a second, and that each ends in one record.

use std::collections::HashSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{ARGUMENTS, Language};
use crate::load::Load;
use crate::options::Options;
use crate::report::{Aim, Report};
use crate::samples::{Samples, rounded};
use crate::server::Server;

pub(super) const NAME: &str = "accept";

/// Connections that send at once.
const WIDTH: usize = 16;
/// How long the server may take to run what it has accepted.
const DRAIN: Duration = Duration::from_secs(60);
/// Records that are read one by one.
const READ: usize = 50;

/// Sends for a bounded time, waits until all is run, and counts the records.
pub(super) fn run(options: &Options, report: &mut Report) -> Result<()> {
    let mut server = Server::start(options)?;
    server.create("accept", Language::Node, 256)?;
    server.invoke("accept")?;
    let mut load = Load::connect(&server.requests, WIDTH)?;
    let request = server.requests.make("POST", "/actions/accept", ARGUMENTS);
    let (mut latency, mut rates, mut drains) =
        (Samples::default(), Samples::default(), Samples::default());
    let mut accepted: HashSet<String> = HashSet::new();
    let mut refused = 0_u64;
    for number in 0..=options.count(5, 3) {
        let begin = Instant::now();
        let before = accepted.len();
        let round = load.round(&request, WIDTH, options.millis(1500, 800), |answer| {
            match answer.status {
                202 => ensure!(
                    accepted.insert(id_of(answer.body)?),
                    "an identifier came twice"
                ),
                429 | 503 => refused += 1,
                status => anyhow::bail!("an invocation was answered {status}"),
            }
            Ok(())
        })?;
        let count = u32::try_from(accepted.len() - before).unwrap_or(u32::MAX);
        wait_for_records(&mut server, accepted.len() + 1)?;
        // The first round starts the containers and is not counted.
        if number == 0 {
            continue;
        }
        latency.extend_us(&round.latencies);
        rates.push(f64::from(count) / round.elapsed.as_secs_f64());
        drains.push(f64::from(count) / begin.elapsed().as_secs_f64());
    }
    for id in accepted.iter().take(READ) {
        server.call("GET", &format!("/activations/{id}"), "", &[200])?;
    }
    let value = (rates.median(), "/s");
    report.figure(
        NAME,
        "accept_per_s",
        "accepted (202, durable), 16 connections",
        value,
        Aim::None,
    );
    report.line(
        NAME,
        "time to a 202, p50, p99",
        format!(
            "{:.0} µs, {:.0} µs",
            latency.median(),
            latency.percentile(99)
        ),
    );
    report.line(
        NAME,
        "accepted, run and recorded",
        format!("{:.0} /s", drains.median()),
    );
    report.line(
        NAME,
        "accepted = records",
        format!("{} = {}", accepted.len(), accepted.len()),
    );
    report.raw(
        NAME,
        json!({
            "accepted": accepted.len(),
            "records": accepted.len(),
            "refused": refused,
            "latency_us": latency.to_json(),
            "accepted_per_s": rates.to_json(),
            "run_per_s": rounded(drains.median()),
        }),
    );
    server.stop()
}

/// Waits until there are so many records of the action, and fails if there are more or not in time.
fn wait_for_records(server: &mut Server, expected: usize) -> Result<()> {
    let deadline = Instant::now() + DRAIN;
    loop {
        let body = server.call("GET", "/activations?count=true&name=accept", "", &[200])?;
        let count = serde_json::from_slice::<Value>(&body)?
            .get("activations")
            .and_then(Value::as_u64)
            .context("no count of activations")?;
        if count == expected as u64 {
            return Ok(());
        }
        ensure!(
            count < expected as u64,
            "{count} records of {expected} activations"
        );
        ensure!(
            Instant::now() < deadline,
            "only {count} of {expected} activations were recorded in {DRAIN:?}"
        );
        sleep(Duration::from_millis(20));
    }
}

fn id_of(body: &[u8]) -> Result<String> {
    let answer: Value = serde_json::from_slice(body)?;
    let id = answer.get("activationId").and_then(Value::as_str);
    id.map(str::to_owned).context("an answer has no identifier")
}
