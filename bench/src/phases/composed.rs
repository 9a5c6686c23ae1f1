//! Triggers, sequences, compositions and web actions against the sum of what they are made of.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{ARGUMENTS, Language};
use crate::load::Load;
use crate::options::Options;
use crate::processes::Cpu;
use crate::report::{Aim, Report};
use crate::samples::{Samples, rounded};
use crate::server::Server;

pub(super) const NAME: &str = "composed";

/// Length of the unmeasured begin of each round.
const WARM_UP: Duration = Duration::from_millis(60);
/// A part, a component, a step and a web action do the same.
const PART: &str = "part";
/// Calls the part five times, then ends.
const CONDUCTOR: &str = "\
function main({ name, step }) {
  step = step || 0
  return step < 5 ? { action: 'part', params: { name }, state: { step: step + 1 } } : { params: { name } }
}";

/// One kind of request and what it costs.
#[derive(Debug)]
struct Side {
    name: &'static str,
    request: Vec<u8>,
    status: u16,
    /// Median latency of each round, in microseconds.
    medians: Vec<f64>,
    answers: usize,
    cpu: Cpu,
}

impl Side {
    fn new(name: &'static str, status: u16, request: Vec<u8>) -> Self {
        Self {
            name,
            request,
            status,
            medians: Vec::new(),
            answers: 0,
            cpu: Cpu::default(),
        }
    }

    fn round(&mut self, server: &Server, load: &mut Load, length: Duration) -> Result<()> {
        let (name, status) = (self.name, self.status);
        let answered = |answer: crate::http::Answer<'_>| {
            let found = answer.status;
            ensure!(found == status, "{name} was answered {found}");
            Ok(())
        };
        load.round(&self.request, 1, WARM_UP, answered)?;
        let before = server.family().cpu();
        let round = load.round(&self.request, 1, length, answered)?;
        self.cpu = self.cpu + (server.family().cpu() - before);
        let mut latency = Samples::default();
        latency.extend_us(&round.latencies);
        self.medians.push(latency.median());
        self.answers += round.latencies.len();
        Ok(())
    }

    fn p50(&self) -> f64 {
        median(self.medians.iter().copied())
    }

    /// CPU time of the server alone in microseconds for each answer.
    fn server_cpu(&self) -> f64 {
        let answers = u32::try_from(self.answers.max(1)).unwrap_or(u32::MAX);
        self.cpu.program * 1e6 / f64::from(answers)
    }

    fn to_json(&self) -> Value {
        json!({
            "round_p50_us": self.medians.iter().copied().map(rounded).collect::<Vec<_>>(),
            "answers": self.answers,
            "server_cpu_us": rounded(self.server_cpu()),
        })
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut samples = Samples::default();
    values.for_each(|value| samples.push(value));
    samples.median()
}

/// A composed request and its parts.
struct Composed {
    key: &'static str,
    label: &'static str,
    side: usize,
    /// Which request the parts are, and how many.
    part: usize,
    parts: u32,
}

/// Places in the list of sides.
const INVOKE: usize = 0;
const ACCEPT: usize = 1;

const COMPOSED: [Composed; 4] = [
    Composed {
        key: "trigger_rule_ratio",
        label: "trigger → rule → action, until 202: p50 / that of a non-blocking invocation",
        side: 2,
        part: ACCEPT,
        parts: 1,
    },
    Composed {
        key: "sequence5_ratio",
        label: "sequence of five: p50 / 5 invocations",
        side: 3,
        part: INVOKE,
        parts: 5,
    },
    Composed {
        key: "conductor5_ratio",
        label: "conductor of five steps: p50 / 11 invocations (6 of the conductor)",
        side: 4,
        part: INVOKE,
        parts: 11,
    },
    Composed {
        key: "web_action_ratio",
        label: "web action: p50 / an invocation",
        side: 5,
        part: INVOKE,
        parts: 1,
    },
];

/// Measures all kinds of requests in turns, on one connection.
pub(super) fn run(options: &Options, report: &mut Report) -> Result<()> {
    let mut server = Server::start(options)?;
    let mut sides = prepare(&mut server)?;
    let mut load = Load::connect(&server.requests, 1)?;
    for _ in 0..options.count(8, 4) {
        for side in &mut sides {
            side.round(&server, &mut load, options.millis(900, 500))?;
        }
    }
    for side in &sides {
        let label = format!("{}: p50, server's CPU", side.name);
        let value = format!("{:.0} µs, {:.0} µs", side.p50(), side.server_cpu());
        report.line(NAME, &label, value);
    }
    for composed in COMPOSED {
        let (Some(side), Some(part)) = (sides.get(composed.side), sides.get(composed.part)) else {
            continue;
        };
        let parts = f64::from(composed.parts);
        let rounds = side.medians.iter().zip(&part.medians);
        let ratio = median(rounds.map(|(whole, part)| whole / (part * parts)));
        let value = (ratio, "×");
        report.figure(NAME, composed.key, composed.label, value, Aim::AtMost(1.2));
    }
    let raw = sides
        .iter()
        .map(|side| (side.name.to_owned(), side.to_json()));
    report.raw(NAME, Value::Object(raw.collect()));
    server.stop()
}

/// Creates everything, uses it once, and makes the requests.
fn prepare(server: &mut Server) -> Result<Vec<Side>> {
    let exported = json!([{"key": "web-export", "value": true}]);
    let conducts = json!([{"key": "conductor", "value": true}]);
    let action = |code: &str, annotations: &Value| {
        let exec = json!({"kind": Language::Node.kind(), "code": code});
        json!({"exec": exec, "annotations": annotations})
    };
    let components: Vec<String> = (0..5).map(|_| format!("/_/{PART}")).collect();
    let entities = [
        ("/actions/part", action(Language::Node.code(), &exported)),
        ("/actions/conductor", action(CONDUCTOR, &conducts)),
        (
            "/actions/sequence",
            json!({"exec": {"kind": "sequence", "components": components}}),
        ),
        ("/triggers/trigger", json!({})),
        (
            "/rules/rule",
            json!({"trigger": "/_/trigger", "action": "/_/part"}),
        ),
    ];
    for (path, body) in &entities {
        server.call("PUT", path, &body.to_string(), &[200])?;
    }
    for name in [PART, "sequence", "conductor"] {
        server.invoke(name)?;
    }
    let post = |path: &str| server.requests.make("POST", path, ARGUMENTS);
    let blocking = |name: &str| post(&format!("/actions/{name}?blocking=true&result=true"));
    let web = server
        .requests
        .anywhere("POST", "/api/v1/web/guest/default/part.json", ARGUMENTS);
    Ok(vec![
        Side::new("invocation", 200, blocking(PART)),
        Side::new("non-blocking invocation", 202, post("/actions/part")),
        Side::new("trigger", 202, post("/triggers/trigger")),
        Side::new("sequence", 200, blocking("sequence")),
        Side::new("conductor", 200, blocking("conductor")),
        Side::new("web action", 200, web),
    ])
}
