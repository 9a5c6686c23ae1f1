//! The command: asks the running server, or opens the database, and prints.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use oxwhisk_store::embedded::OpenError;
use serde_json::json;
use tokio::net::UnixStream;

use crate::platform::{database, kept_somewhere, open_for_administration};
use crate::settings::Settings;

use super::args::Area;
use super::operation::Operation;
use super::outcome::{Outcome, View};
use super::refusal::Refused;
use super::socket::{SocketPath, read_line, write_line};
use super::users;

/// How long is waited for a server that is starting or ending, or another administrator.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the server may take to answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(60);
/// Longest answer that is read, bytes.
const MAX_ANSWER: u64 = 256 << 20;

/// What an operation comes to, here or over the socket.
type Answer = Result<Outcome, Refused>;

/// How an answer is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// As JSON.
    pub(crate) json: bool,
    /// With a word on standard error about who was asked.
    pub(crate) verbose: bool,
}

/// Carries out one command and prints what it gives.
///
/// # Errors
/// If neither a server nor the database can be reached, or nothing can be printed.
pub(crate) async fn run(area: Area, shape: Shape, settings: &Settings) -> Result<ExitCode> {
    let (operation, view) = match area.into_operation() {
        Ok(parsed) => parsed,
        Err(refusal) => return print(&Err(refusal.into()), View::Whole, shape),
    };
    let answer = match operation {
        // Needs no store.
        Operation::ShowKey {
            subject,
            namespace,
            key,
        } => Ok(users::show_key(subject, namespace, &key)),
        operation => carry_out(operation, settings, shape).await?,
    };
    print(&answer, view, shape)
}

async fn carry_out(operation: Operation, settings: &Settings, shape: Shape) -> Result<Answer> {
    kept_somewhere(settings)?;
    let deadline = Instant::now() + PATIENCE;
    let path = database(settings);
    let tell = |who: &str| {
        if shape.verbose {
            // Nothing is left to do about a closed standard error.
            let _unheard = writeln!(io::stderr(), "{who}");
        }
    };
    loop {
        if let Some(answer) = ask_server(&settings.data_dir, &operation).await? {
            tell("asked the running server");
            return Ok(answer);
        }
        if !operation.may_come_first() && !path.exists() {
            bail!(
                "there is no database in `{}`; name the folder with `--data-dir`",
                settings.data_dir.display()
            );
        }
        match open_for_administration(settings) {
            Ok(store) => {
                tell(&format!("opened `{}`", path.display()));
                return Ok(operation.perform(&store).await.map_err(Refused::from));
            }
            // A server that starts or ends, or another command like this one.
            Err(OpenError::InUse { .. }) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => return Err(error).context("could not open the store"),
        }
    }
}

/// Asks the server of a data directory; `None` if none listens there.
async fn ask_server(data_dir: &Path, operation: &Operation) -> Result<Option<Answer>> {
    let connected = match SocketPath::in_directory(data_dir) {
        Ok(place) => UnixStream::connect(place.address()).await,
        Err(error) => Err(error),
    };
    let mut stream = match connected {
        Ok(stream) => stream,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error).context("could not reach the running server"),
    };
    let exchange = async {
        write_line(&mut stream, operation)
            .await
            .context("could not ask the running server")?;
        read_line(&mut stream, MAX_ANSWER)
            .await
            .context("the running server did not answer; it may have done what it was asked to")
    };
    let answer = tokio::time::timeout(ANSWER_PATIENCE, exchange);
    let answer = answer
        .await
        .context("the running server did not answer in time")??;
    Ok(Some(answer))
}

/// Prints an answer on standard output, where `wskadmin` has all its texts.
fn print(answer: &Answer, view: View, shape: Shape) -> Result<ExitCode> {
    let mut out = io::stdout().lock();
    let status = match answer {
        Ok(outcome) if shape.json => {
            writeln!(
                out,
                "{}",
                serde_json::to_string_pretty(&outcome.json(view))?
            )?;
            outcome.status()
        }
        Ok(outcome) => {
            for line in outcome.lines(view) {
                writeln!(out, "{line}")?;
            }
            outcome.status()
        }
        Err(refused) => {
            if shape.json {
                let object = json!({ "error": refused.error });
                writeln!(out, "{}", serde_json::to_string_pretty(&object)?)?;
            } else {
                writeln!(out, "{}", refused.error)?;
            }
            refused.status
        }
    };
    out.flush()?;
    Ok(ExitCode::from(status))
}
