//! Warm blocking invocations against the runtime itself.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{ARGUMENTS, Language};
use crate::direct::Direct;
use crate::load::{Load, Round};
use crate::options::Options;
use crate::processes::{Cpu, Family, Memory};
use crate::report::{Aim, Report};
use crate::samples::{Samples, rounded};
use crate::server::Server;

pub(super) const NAME: &str = "warm";

/// Invocations in flight in the capacity rounds.
const WIDTH: usize = 16;
/// Length of the unmeasured begin of each round.
const WARM_UP: Duration = Duration::from_millis(100);

/// What the rounds of one side at one width came to.
#[derive(Debug, Default)]
struct Side {
    /// All latencies, in microseconds.
    latency: Samples,
    /// Median latency of each round, in microseconds.
    medians: Vec<f64>,
    /// Answers a second of each round.
    rates: Vec<f64>,
    answers: usize,
    elapsed: Duration,
    cpu: Cpu,
    load: f64,
}

impl Side {
    fn add(&mut self, round: &Round, cpu: Cpu, load: f64) {
        let mut latency = Samples::default();
        latency.extend_us(&round.latencies);
        self.medians.push(latency.median());
        self.latency.extend_us(&round.latencies);
        self.rates.push(round.rate());
        self.answers += round.latencies.len();
        self.elapsed += round.elapsed;
        self.cpu = self.cpu + cpu;
        self.load += load;
    }

    fn rate(&self) -> f64 {
        median(self.rates.iter().copied())
    }

    /// CPU time in microseconds for each answer.
    fn each(&self, seconds: f64) -> f64 {
        let answers = u32::try_from(self.answers.max(1)).unwrap_or(u32::MAX);
        seconds * 1e6 / f64::from(answers)
    }

    fn to_json(&self) -> Value {
        json!({
            "latency_us": self.latency.to_json(),
            "round_p50_us": self.medians.iter().copied().map(rounded).collect::<Vec<_>>(),
            "round_per_s": self.rates.iter().copied().map(rounded).collect::<Vec<_>>(),
            "per_s": rounded(self.rate()),
            "seconds": rounded(self.elapsed.as_secs_f64()),
            "cpu_seconds": {
                "driver": rounded(self.load),
                "server": rounded(self.cpu.program),
                "helper": rounded(self.cpu.helper),
                "runtime": rounded(self.cpu.containers),
            },
        })
    }
}

/// Returns the median of numbers.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut samples = Samples::default();
    values.for_each(|value| samples.push(value));
    samples.median()
}

/// Both sides, ready to be measured.
#[derive(Debug)]
struct Rig {
    direct: Direct,
    server: Server,
    load: Load,
    request: Vec<u8>,
}

impl Rig {
    fn start(options: &Options) -> Result<Self> {
        let mut server = Server::start(options)?;
        server.create("warm", Language::Node, 256)?;
        server.invoke("warm")?;
        let mut direct = Direct::start()?;
        direct.add(Language::Node, WIDTH)?;
        let path = "/actions/warm?blocking=true&result=true";
        let request = server.requests.make("POST", path, ARGUMENTS);
        let load = Load::connect(&server.requests, WIDTH)?;
        Ok(Self {
            direct,
            server,
            load,
            request,
        })
    }

    /// Runs on the containers themselves; this process is only their driver.
    fn direct(&self, width: usize, duration: Duration, side: &mut Side) -> Result<()> {
        self.direct.round(width, WARM_UP)?;
        let before = Family::of(std::process::id()).cpu();
        let round = self.direct.round(width, duration)?;
        let mut used = Family::of(std::process::id()).cpu() - before;
        let load = std::mem::take(&mut used.program);
        side.add(&round, used, load);
        Ok(())
    }

    fn through_server(
        &mut self,
        request: &[u8],
        width: usize,
        duration: Duration,
        side: &mut Side,
    ) -> Result<()> {
        let answered = |answer: crate::http::Answer<'_>| {
            ensure!(
                answer.status == 200,
                "an invocation was answered {}",
                answer.status
            );
            Ok(())
        };
        self.load.round(request, width, WARM_UP, answered)?;
        let me = std::process::id();
        let (before, load_before) = (self.server.family().cpu(), Family::of(me).cpu().program);
        let round = self.load.round(request, width, duration, answered)?;
        let used = self.server.family().cpu() - before;
        let load = Family::of(me).cpu().program - load_before;
        side.add(&round, used, load);
        Ok(())
    }
}

/// Measures in turns: direct, server, direct, server …
pub(super) fn run(options: &Options, report: &mut Report) -> Result<()> {
    let mut rig = Rig::start(options)?;
    let mut sides: [[Side; 2]; 2] = Default::default();
    let mut floor = Side::default();
    let lengths = [options.millis(1200, 600), options.millis(2000, 900)];
    let (invocation, limits) = (
        rig.request.clone(),
        rig.server.requests.make("GET", "/limits", ""),
    );
    for _ in 0..options.count(10, 5) {
        for ([direct, server], (width, length)) in
            sides.iter_mut().zip([1, WIDTH].into_iter().zip(lengths))
        {
            rig.direct(width, length, direct)?;
            rig.through_server(&invocation, width, length, server)?;
        }
        rig.through_server(&limits, 1, length_of_floor(lengths), &mut floor)?;
    }
    let family = rig.server.family();
    let containers = family.containers_of("node").len();
    let after_load = Memory::of(&[family.program]).pss;
    let [one, many] = &sides;
    show(report, one, many, &floor);
    report.line(
        NAME,
        "Node.js containers: direct, server (stem cell included)",
        format!("{WIDTH}, {containers}"),
    );
    let value = (after_load, "MiB");
    report.figure(
        NAME,
        "loaded_pss_mib",
        "server after the load, PSS",
        value,
        Aim::None,
    );
    let json = |[direct, server]: &[Side; 2]| json!({"direct": direct.to_json(), "server": server.to_json()});
    report.raw(
        NAME,
        json!({
            "c1": json(one),
            "c16": json(many),
            "get_limits_c1": floor.to_json(),
            "direct_containers": WIDTH,
            "server_node_containers": containers,
        }),
    );
    rig.direct.stop();
    rig.server.stop()
}

fn length_of_floor([one, _]: [Duration; 2]) -> Duration {
    one / 2
}

fn show(report: &mut Report, one: &[Side; 2], many: &[Side; 2], floor: &Side) {
    let ratio = |values: fn(&Side) -> &Vec<f64>, [direct, server]: &[Side; 2]| {
        median(
            values(server)
                .iter()
                .zip(values(direct))
                .map(|(server, direct)| server / direct),
        )
    };
    let p50 = ratio(|side| &side.medians, one);
    let capacity = ratio(|side| &side.rates, many);
    report.figure(
        NAME,
        "warm_p50_ratio_c1",
        "1 at once: p50 of server / direct",
        (p50, "×"),
        Aim::AtMost(1.3),
    );
    for ([direct, server], width) in [(one, 1), (many, WIDTH)] {
        for (name, side) in [("direct", direct), ("server", server)] {
            let label = format!("{width} at once: {name} p50, p99");
            let (p50, p99) = (side.latency.median(), side.latency.percentile(99));
            report.line(NAME, &label, format!("{p50:.0} µs, {p99:.0} µs"));
        }
    }
    report.line(
        NAME,
        "1 at once: GET …/limits p50",
        format!("{:.0} µs", floor.latency.median()),
    );
    // Whatever the server does between them, a caller pays for a request and for a run.
    let [direct, server] = one;
    let hops = floor
        .medians
        .iter()
        .zip(&direct.medians)
        .map(|(floor, direct)| floor + direct);
    let over_hops = median(
        server
            .medians
            .iter()
            .zip(hops)
            .map(|(server, hops)| server / hops),
    );
    report.figure(
        NAME,
        "warm_p50_over_hops_c1",
        "1 at once: p50 of server / (direct + GET …/limits)",
        (over_hops, "×"),
        Aim::None,
    );
    report.figure(
        NAME,
        "capacity_ratio_c16",
        "16 at once: rate of server / direct",
        (capacity, "×"),
        Aim::AtLeast(0.75),
    );
    let [direct, server] = many;
    report.line(
        NAME,
        "16 at once: direct, server",
        format!("{:.0}/s, {:.0}/s", direct.rate(), server.rate()),
    );
    let direct_cpu = format!(
        "{:.0} driver, {:.0} runtime µs",
        direct.each(direct.load),
        direct.each(direct.cpu.containers)
    );
    report.line(NAME, "16 at once: CPU of a direct run", direct_cpu);
    let server_cpu = format!(
        "{:.0} load, {:.0} server, {:.0} runtime µs",
        server.each(server.load),
        server.each(server.cpu.program),
        server.each(server.cpu.containers)
    );
    report.line(NAME, "16 at once: CPU of an invocation", server_cpu);
}
