//! Memory of idle containers.

use std::thread::sleep;

use anyhow::{Result, ensure};
use serde_json::{Map, Value, json};

use super::{Language, REPLENISH};
use crate::options::Options;
use crate::processes::Memory;
use crate::report::{Aim, Report};
use crate::samples::Samples;
use crate::server::Server;

pub(super) const NAME: &str = "memory";

/// Measures the stem cells, then containers that have run an action, of which there are then several.
pub(super) fn run(options: &Options, report: &mut Report) -> Result<()> {
    let mut server = Server::start(options)?;
    sleep(REPLENISH);
    let mut raw = Map::new();
    let languages = [Language::Node, Language::Python];
    for language in languages {
        let stems = server.family().containers_of(language.name());
        ensure!(
            !stems.is_empty(),
            "no stem cell of {} was started",
            language.name()
        );
        raw.insert(format!("{}_stem", language.name()), figures(&stems));
    }
    for number in 0..options.count(6, 3) {
        for language in languages {
            let name = format!("memory{number}-{}", language.name());
            server.create(&name, language, 256)?;
            server.invoke(&name)?;
        }
    }
    sleep(REPLENISH);
    for language in languages {
        let idle = server.family().containers_of(language.name());
        let name = language.name();
        let (pss, dirty) = (of(&idle, |one| one.pss), of(&idle, |one| one.private_dirty));
        let label = format!("{name}: PSS of an idle container, one of {}", idle.len());
        let key = format!("idle_{name}_pss_mib");
        report.figure(NAME, &key, &label, (pss.median(), "MiB"), Aim::None);
        let label = format!("{name}: private dirty");
        let key = format!("idle_{name}_private_dirty_mib");
        report.figure(NAME, &key, &label, (dirty.median(), "MiB"), Aim::None);
        raw.insert(format!("{name}_used"), figures(&idle));
    }
    report.raw(NAME, Value::Object(raw));
    server.stop()
}

fn of(containers: &[Memory], figure: fn(&Memory) -> f64) -> Samples {
    let mut samples = Samples::default();
    containers.iter().for_each(|one| samples.push(figure(one)));
    samples
}

fn figures(containers: &[Memory]) -> Value {
    json!({
        "pss_mib": of(containers, |one| one.pss).to_json(),
        "private_dirty_mib": of(containers, |one| one.private_dirty).to_json(),
        "each": containers.iter().map(|one| one.to_json()).collect::<Vec<_>>(),
    })
}
