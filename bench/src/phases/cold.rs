//! The first activation of an action.

use std::thread::sleep;

use anyhow::Result;
use serde_json::{Map, Value};

use super::{Language, REPLENISH};
use crate::direct::Direct;
use crate::options::Options;
use crate::report::{Aim, Report};
use crate::samples::Samples;
use crate::server::Server;

pub(super) const NAME: &str = "cold";

/// Memory of the stem cells that the server keeps by default, in MB.
const STEM_MB: u32 = 256;
/// Memory for which there is no stem cell, in MB.
const OTHER_MB: u32 = 512;

/// The ways to the first answer, in the order in which they take turns.
const WAYS: [(&str, &str, Language, u32, Aim); 4] = [
    (
        "cold_node_ms",
        "node, no stem cell",
        Language::Node,
        OTHER_MB,
        Aim::None,
    ),
    (
        "cold_node_stem_ms",
        "node, stem cell",
        Language::Node,
        STEM_MB,
        Aim::AtMost(5.0),
    ),
    (
        "cold_python_ms",
        "python, no stem cell",
        Language::Python,
        OTHER_MB,
        Aim::None,
    ),
    (
        "cold_python_stem_ms",
        "python, stem cell",
        Language::Python,
        STEM_MB,
        Aim::AtMost(10.0),
    ),
];

/// Measures new actions in turns, through the server and in the sandbox alone.
pub(super) fn run(options: &Options, report: &mut Report) -> Result<()> {
    let mut server = Server::start(options)?;
    let mut direct = Direct::start()?;
    let mut through_server = [(); 4].map(|()| Samples::default());
    let mut alone = [(); 2].map(|()| (Samples::default(), Samples::default()));
    for number in 0..options.count(15, 5) {
        for ((_, _, language, memory, _), samples) in WAYS.into_iter().zip(&mut through_server) {
            let name = format!("cold{number}-{}-{memory}", language.name());
            server.create(&name, language, memory)?;
            sleep(REPLENISH);
            samples.push_ms(server.invoke(&name)?);
        }
        for (language, (created, answered)) in [Language::Node, Language::Python]
            .into_iter()
            .zip(&mut alone)
        {
            let cold = direct.cold(language)?;
            created.push_ms(cold.created);
            answered.push_ms(cold.answered);
        }
    }
    let mut raw = Map::new();
    for ((key, label, _, _, aim), samples) in WAYS.into_iter().zip(&through_server) {
        report.figure(
            NAME,
            key,
            &format!("{label}: blocking call"),
            (samples.median(), "ms"),
            aim,
        );
        raw.insert(key.to_owned(), samples.to_json());
    }
    for (language, (created, answered)) in
        [Language::Node, Language::Python].into_iter().zip(&alone)
    {
        let name = language.name();
        let text = format!("{:.2} ms, {:.2} ms", created.median(), answered.median());
        report.line(
            NAME,
            &format!("{name}, sandbox alone: start, init and run"),
            text,
        );
        raw.insert(format!("sandbox_{name}_start_ms"), created.to_json());
        raw.insert(format!("sandbox_{name}_init_run_ms"), answered.to_json());
    }
    report.raw(NAME, Value::Object(raw));
    direct.stop();
    server.stop()
}
