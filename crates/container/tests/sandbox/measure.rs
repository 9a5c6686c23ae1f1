//! What a sandbox costs; prints medians and 99th percentiles:
//! `cargo test --release -p oxwhisk-container --test sandbox -- --ignored --nocapture measure`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::*;
use oxwhisk_container::sandbox::{NetworkMode, SandboxConfig, SandboxFactory};
use oxwhisk_container::{Container, ContainerFactory, Runtime};
use oxwhisk_entity::ByteSize;

fn show(name: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    println!(
        "{name:32} p50 {:>9.1?}  p99 {:>9.1?}  n {}",
        at(50),
        at(99),
        times.len()
    );
}

/// Creates containers of a runtime that is ready at once, so that only the sandbox is measured.
async fn creation(
    factory: &dyn ContainerFactory,
    name: &str,
    runtime: &Arc<Runtime>,
    count: usize,
) {
    let (mut creations, mut ends) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let start = Instant::now();
        let container = factory.create(spec(runtime)).await.unwrap();
        creations.push(start.elapsed());
        let start = Instant::now();
        container.destroy().await;
        ends.push(start.elapsed());
    }
    show(&format!("{name}: create"), creations);
    show(&format!("{name}: destroy"), ends);
}

async fn round_trips(container: &dyn Container, name: &str, count: usize) {
    let mut times = Vec::new();
    for _ in 0..count {
        let start = Instant::now();
        run(container, "{}").await.unwrap();
        times.push(start.elapsed());
        container.logs(id(1), ByteSize::mib(1), MINUTE).await;
    }
    show(&format!("{name}: run"), times);
    let mut times = Vec::new();
    for _ in 0..count {
        let start = Instant::now();
        run(container, "{}").await.unwrap();
        container.logs(id(1), ByteSize::mib(1), MINUTE).await;
        times.push(start.elapsed());
    }
    show(&format!("{name}: run and logs"), times);
    let mut times = Vec::new();
    for _ in 0..200 {
        let start = Instant::now();
        container.pause().await.unwrap();
        times.push(start.elapsed());
        container.resume().await.unwrap();
    }
    show(&format!("{name}: pause"), times);
}

#[tokio::test]
#[ignore = "a measurement, to be run alone and optimised"]
async fn costs_of_the_bare_sandbox() {
    let start = Instant::now();
    let factory = factory().await;
    println!("factory start {:?}", start.elapsed());
    creation(&factory, "sh", &ready_at_once(), 300).await;
    factory.shutdown().await;
    // Without network namespaces, which the loop above uses up faster than they are made.
    let network = NetworkMode::Host;
    let factory = SandboxFactory::start(SandboxConfig {
        network,
        ..config()
    })
    .await
    .unwrap();
    creation(&factory, "sh, network of the host", &ready_at_once(), 300).await;
    factory.shutdown().await;
}

#[tokio::test]
#[ignore = "a measurement, to be run alone and optimised"]
async fn costs_of_runtimes() {
    let factory = factory().await;
    creation(&factory, "node", &node(), 30).await;
    creation(&factory, "python", &python(), 30).await;
    let container = started(&factory, spec(&node()), "function main(p) { return p }").await;
    round_trips(&*container, "node", 5000).await;
    container.destroy().await;
    let container = started(&factory, spec(&python()), "def main(p):\n  return p\n").await;
    round_trips(&*container, "python", 5000).await;
    show_helper_memory();
    container.destroy().await;
    factory.shutdown().await;
}

fn show_helper_memory() {
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let text =
            |file: &str| std::fs::read_to_string(entry.path().join(file)).unwrap_or_default();
        if text("cmdline").contains("oxwhisk-sandbox-helper") {
            let rollup = text("smaps_rollup");
            let wanted = |line: &&str| {
                ["Pss:", "Private_Dirty:", "Rss:"]
                    .iter()
                    .any(|name| line.starts_with(name))
            };
            println!(
                "helper {:?}",
                rollup.lines().filter(wanted).collect::<Vec<_>>()
            );
        }
    }
}
