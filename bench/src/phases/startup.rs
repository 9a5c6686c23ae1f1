//! How fast the server starts, and what it weighs when idle.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::REPLENISH;
use crate::options::Options;
use crate::processes::Memory;
use crate::report::{Aim, Report};
use crate::samples::Samples;
use crate::server::Server;

pub(super) const NAME: &str = "startup";

/// Measures several starts on empty data directories.
pub(super) fn run(options: &Options, report: &mut Report) -> Result<()> {
    let [mut answered, mut ready, mut server, mut helper] = [(); 4].map(|()| Samples::default());
    for _ in 0..options.count(15, 7) {
        let started = Server::start(options)?;
        answered.push_ms(started.answered);
        ready.push_ms(started.ready);
        // The stem cells are started by now.
        sleep(REPLENISH + Duration::from_millis(200));
        let family = started.family();
        server.push(Memory::of(&[family.program]).pss);
        helper.push(Memory::of(&family.helper).pss);
        started.stop()?;
    }
    let label = "start to first authenticated answer";
    let value = (answered.median(), "ms");
    report.figure(NAME, "startup_ms", label, value, Aim::AtMost(50.0));
    report.line(
        NAME,
        "start to readiness line",
        format!("{:.2} ms", ready.median()),
    );
    let value = (server.median(), "MiB");
    report.figure(
        NAME,
        "idle_pss_mib",
        "server idle, PSS",
        value,
        Aim::AtMost(25.0),
    );
    report.line(
        NAME,
        "sandbox helper idle, PSS",
        format!("{:.2} MiB", helper.median()),
    );
    report.raw(
        NAME,
        json!({
            "answered_ms": answered.to_json(),
            "ready_ms": ready.to_json(),
            "server_pss_mib": server.to_json(),
            "helper_pss_mib": helper.to_json(),
        }),
    );
    Ok(())
}
