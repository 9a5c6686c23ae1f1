//! The machine's part: measures containers with each network and prints the figures.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use oxwhisk_container::ContainerFactory as _;
use oxwhisk_container::sandbox::{EgressPolicy, NetworkMode, SandboxConfig, SandboxFactory};
use oxwhisk_testing::internet;
use serde_json::{Value, json};

use super::creation;
use super::measured::Measured;
use super::server::ECHO;
use crate::direct::Listeners;
use crate::processes::{Memory, named};
use crate::samples::Samples;

/// How long the internet may take until its server answers.
const PATIENCE: Duration = Duration::from_secs(10);

/// Prints what was measured as JSON.
pub(super) fn run(is_quick: bool) -> Result<()> {
    wait_for_server()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let figures = runtime.block_on(measure(is_quick))?;
    writeln!(std::io::stdout(), "{figures}")?;
    Ok(())
}

fn wait_for_server() -> Result<()> {
    let begin = Instant::now();
    while TcpStream::connect((internet::SERVER, ECHO)).is_err() {
        if begin.elapsed() > PATIENCE {
            bail!("the internet does not answer");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

async fn factory(network: NetworkMode) -> Result<SandboxFactory> {
    let started = SandboxFactory::start(SandboxConfig::new(network)).await;
    started.context("could not start the sandbox helper")
}

async fn measure(is_quick: bool) -> Result<Value> {
    let rounds = if is_quick { 3 } else { 10 };
    let listeners = || Arc::new(Listeners::default());
    let host = factory(NetworkMode::Host).await?;
    let api = factory(NetworkMode::Api {
        port: 3233,
        listeners: listeners(),
    })
    .await?;
    let egress = factory(NetworkMode::Egress {
        port: 3233,
        listeners: listeners(),
        policy: EgressPolicy::default(),
    })
    .await?;
    if let Some(refusal) = egress.egress_refusal() {
        bail!("there is no way out here: {refusal}");
    }
    let modes = [("host", &host), ("api", &api), ("egress", &egress)];
    let creation = creation::measure(&modes, rounds * 10).await?;
    let (by_host, by_egress) = (
        Measured::start(&host, 0).await?,
        Measured::start(&egress, 1).await?,
    );
    let memory = || Memory::of(&named("oxwhisk-egress")).to_json();
    let idle = memory();
    let mut samples: [[Samples; 4]; 2] = Default::default();
    let [through_host, through_egress] = &mut samples;
    for _ in 0..rounds {
        by_host.round(through_host).await?;
        by_egress.round(through_egress).await?;
    }
    let after = memory();
    by_egress.hold(100).await?;
    let held = memory();
    let [through_host, through_egress] = samples.map(|[connect, echo, download, upload]| {
        json!({
            "connect": connect.to_json(), "echo": echo.to_json(),
            "download": download.to_json(), "upload": upload.to_json(),
        })
    });
    by_host.stop().await;
    by_egress.stop().await;
    for factory in [host, api, egress] {
        factory.shutdown().await;
    }
    Ok(json!({
        "host": through_host, "egress": through_egress, "creation": creation,
        "memory": {"idle": idle, "held": held, "after": after},
    }))
}
