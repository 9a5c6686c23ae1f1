//! `oxwhisk standalone`.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};

use crate::platform::{Platform, Role, guest_key};
use crate::settings::Settings;

/// Serves until SIGTERM or SIGINT.
pub(crate) async fn run(settings: Settings) -> Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate()).context("could not listen for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("could not listen for signals")?;
    let platform = Platform::start(settings, Role::Standalone).await?;
    let mut out = std::io::stdout();
    writeln!(
        out,
        "oxwhisk listening on {}, AUTH={}",
        platform.url(),
        guest_key()
    )?;
    out.flush()?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("shutting down");
    platform.shutdown().await;
    Ok(ExitCode::SUCCESS)
}
