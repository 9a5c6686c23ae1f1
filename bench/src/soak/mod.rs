//! Many clients at once that use all of the API, each answer checked: `cargo xtask soak [--clients N] [--seconds S]`.
//!
//! Each client owns entities of its own, so it knows what every answer about them must be, and shares some actions with
//! all others. What was accepted is looked up in the end at the latest: every identifier has its record with the
//! result that its arguments lead to. The server's memory is sampled, and afterwards no container may be left but the
//! stem cells that were there before.

mod actions;
mod client;
mod ledger;
mod options;
mod own;
mod shared;
mod watch;

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use oxwhisk_testing::{ServerOptions, TestServer};
use tokio::task::JoinSet;

use client::Client;
use ledger::Ledger;
use options::Options;
use watch::Watch;

/// Raises the limits that would refuse so many clients, and lets idle containers go soon; everything else is as it is by
/// default.
const SETTINGS: &str = "\
[limits]
invocations_per_minute = 1000000000
fires_per_minute = 1000000000
concurrent_invocations = 1000000

[invoker]
pause_grace = \"500ms\"
idle_container_timeout = \"3s\"
";

/// How long after the last request the containers may take to go: their idle time, and a busy machine.
const LEAVE_PATIENCE: Duration = Duration::from_secs(40);

/// Runs the load and reports.
///
/// # Errors
/// Any answer or record that the model does not allow, memory over its bound, containers left behind.
pub(crate) fn run(arguments: impl IntoIterator<Item = String>) -> Result<()> {
    let Some(options) = Options::parse(arguments)? else {
        writeln!(std::io::stdout(), "{}", options::HELP)?;
        return Ok(());
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(soak(&options))
}

async fn soak(options: &Options) -> Result<()> {
    let folder = tempfile::tempdir().context("could not make a folder")?;
    let settings = folder.path().join("oxwhisk.toml");
    std::fs::write(&settings, SETTINGS).context("could not write the server's settings")?;
    let mut server = ServerOptions::new(&options.server)
        .argument("--config")
        .argument(&settings)
        .start()?;
    writeln!(
        std::io::stderr(),
        "soak: {} clients for {} s, seed {}",
        options.clients,
        options.seconds,
        options.seed
    )?;
    let ledger = Arc::new(Ledger::default());
    let client = |number| Client::new(&server, number, options.seed, Arc::clone(&ledger));
    shared::create(&client(0)).await?;
    let watch = Watch::start(server.pid()).await?;
    let end = Instant::now() + Duration::from_secs(options.seconds);
    let mut clients = JoinSet::new();
    for number in 1..=options.clients {
        clients.spawn(client(number).work(end));
    }
    let finished = watch.sample_while(clients).await;
    ledger.print(&mut std::io::stdout().lock(), options.seconds)?;
    let memory = watch.print(&mut std::io::stdout().lock())?;
    let left = watch.containers_left(LEAVE_PATIENCE).await;
    finished?;
    left?;
    ensure!(
        memory.highest_pss_mib <= options.max_memory_mib,
        "the server's memory reached {:.0} MiB; {} are allowed",
        memory.highest_pss_mib,
        options.max_memory_mib
    );
    end_of(&mut server)?;
    ledger.verdict()
}

/// The server ends well and has said nothing that needs a human.
fn end_of(server: &mut TestServer) -> Result<()> {
    let status = server.stop()?;
    let said = server.stderr();
    let bad: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("panicked") || line.contains(" ERROR "))
        .take(20)
        .collect();
    if !status.success() || !bad.is_empty() {
        bail!(
            "the server ended with {status} and said:\n{}",
            bad.join("\n")
        );
    }
    Ok(())
}
