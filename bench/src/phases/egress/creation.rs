//! How long a container takes with each network. Its program is ready at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use oxwhisk_container::sandbox::SandboxFactory;
use oxwhisk_container::{ContainerFactory as _, Runtime, discovery};
use serde_json::{Map, Value, json};

use crate::direct;
use crate::samples::Samples;

/// How long the pool of networks is left alone to make another.
const REST: Duration = Duration::from_millis(20);

/// Measures in turns, with networks that are ready and without.
pub(super) async fn measure(modes: &[(&str, &SandboxFactory)], count: usize) -> Result<Value> {
    let script = "echo '{\"ready\":true}' >&3; read line <&3";
    let runtime = Arc::new(Runtime {
        kind: "sh:bench".to_owned(),
        command: vec!["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()],
        readable: discovery::shell(),
        environment: Vec::new(),
    });
    let mut samples = vec![(Samples::default(), Samples::default()); modes.len()];
    for number in 0..count {
        for ((_, factory), (rested, _)) in modes.iter().zip(&mut samples) {
            tokio::time::sleep(REST).await;
            rested.push_ms(create(factory, &runtime, number).await?);
        }
    }
    for ((_, factory), (_, hurried)) in modes.iter().zip(&mut samples) {
        for number in 0..count {
            hurried.push_ms(create(factory, &runtime, number).await?);
        }
    }
    let mut all = Map::new();
    for ((mode, _), (rested, hurried)) in modes.iter().zip(samples) {
        let both = json!({"rested": rested.to_json(), "hurried": hurried.to_json()});
        all.insert((*mode).to_owned(), both);
    }
    Ok(Value::Object(all))
}

async fn create(
    factory: &SandboxFactory,
    runtime: &Arc<Runtime>,
    number: usize,
) -> Result<Duration> {
    let begin = Instant::now();
    let container = factory.create(direct::spec(runtime, number)).await?;
    let created = begin.elapsed();
    container.destroy().await;
    Ok(created)
}
