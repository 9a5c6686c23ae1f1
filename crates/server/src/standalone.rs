//! `oxwhisk standalone`.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use crate::busy_poll::BusyPoll;
use crate::platform::{Platform, Role};
use crate::settings::Settings;

/// Serves until SIGTERM or SIGINT, then lets activations that run end; a second signal ends it at once.
pub(crate) async fn run(settings: Settings, busy_poll: Arc<BusyPoll>) -> Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate()).context("could not listen for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("could not listen for signals")?;
    raise_open_files();
    let mut platform = Platform::start(settings, Role::Standalone).await?;
    tokio::spawn(busy_poll.keep_awake(platform.controller.request_count()));
    let mut out = std::io::stdout();
    let key = match platform.guest().await? {
        Some(guest) => format!(", AUTH={}", guest.authkey.api_key),
        None => String::new(),
    };
    writeln!(out, "oxwhisk listening on {}{key}", platform.url())?;
    out.flush()?;
    let outcome = tokio::select! {
        _ = terminate.recv() => ExitCode::SUCCESS,
        _ = interrupt.recv() => ExitCode::SUCCESS,
        part = platform.part_ended() => {
            tracing::error!(part, "a part of the server ended; stopping the others");
            ExitCode::FAILURE
        }
    };
    tracing::info!("shutting down");
    tokio::select! {
        () = platform.shutdown() => Ok(outcome),
        _ = terminate.recv() => Ok(give_up()),
        _ = interrupt.recv() => Ok(give_up()),
    }
}

/// The second signal: whoever sent it does not want to wait for running activations. They are told lost at the next
/// start, as after a crash.
fn give_up() -> ExitCode {
    tracing::warn!("ended without waiting for running activations");
    ExitCode::FAILURE
}

/// Takes all open files that the system grants: each connection and each container needs some.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "could not raise the limit of open files");
    }
}
