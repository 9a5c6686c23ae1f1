//! `oxwhisk run`: one invocation of a file, in process.

mod artifact;
mod report;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use oxwhisk_bus::TransactionId;
use oxwhisk_controller::{Invocation, Outcome};
use oxwhisk_entity::json::{JsonKind, Members};
use oxwhisk_entity::{FullyQualifiedName, Json, LimitsPatch, WhiskActivation};

use crate::cli::RunArgs;
use crate::platform::{Platform, Role};
use crate::settings::Settings;
use artifact::Artifact;

/// The name that the action has while it runs.
const ACTION: &str = "guest/run";
/// How long the record is waited for once the result is there: logs come in within milliseconds.
const RECORD_PATIENCE: Duration = Duration::from_secs(5);

/// The exit code when the platform failed, the same as for an activation that ends with an internal error.
pub(crate) const PLATFORM_FAILED: u8 = 3;

/// Why there is nothing to run: a file, an argument or a kind.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct NothingToRun(anyhow::Error);

/// Runs a file and returns its status as an exit code: 0 success, 1 application error, 2 developer error, 3 ours.
///
/// # Errors
/// [`NothingToRun`] for what cannot be run, anything else for failures of the platform.
pub(crate) async fn run(args: RunArgs, settings: Settings) -> Result<ExitCode> {
    let began = Instant::now();
    let arguments = arguments(&args).map_err(NothingToRun)?;
    let artifact = Artifact::load(&args.file, args.kind.as_deref()).map_err(NothingToRun)?;
    let platform = Platform::start(settings, Role::OneShot).await?;
    let outcome = invoke(&platform, &artifact, &args, arguments).await;
    let activation = match outcome {
        Ok(activation) => activation,
        Err(error) => {
            platform.shutdown().await;
            return Err(error);
        }
    };
    let total = began.elapsed();
    let status = activation.response.status.code();
    if args.json {
        report::print_json(&activation, total)?;
    } else {
        report::print_text(&activation, total)?;
    }
    platform.shutdown().await;
    Ok(ExitCode::from(status))
}

async fn invoke(
    platform: &Platform,
    artifact: &Artifact,
    args: &RunArgs,
    payload: Json,
) -> Result<Arc<WhiskActivation>> {
    let user = platform
        .guest()
        .await?
        .context("the namespace `guest` does not exist")?;
    let action: FullyQualifiedName = FullyQualifiedName::parse(ACTION)?;
    let limits = LimitsPatch {
        timeout: args.timeout,
        memory: args.memory,
        ..LimitsPatch::default()
    };
    platform
        .controller
        .create_action(&action, &artifact.exec(args.main.as_deref())?, limits)
        .await
        .map_err(|refusal| match refusal.status.is_client_error() {
            true => NothingToRun(refusal.into()).into(),
            false => anyhow::Error::from(refusal),
        })?;
    let transid = TransactionId {
        id: "run".into(),
        start_ms: platform.epoch_ms(),
        extra_logging: true,
    };
    let invocation = Invocation {
        user,
        action,
        payload,
        transid,
        wait: Some(Duration::from_secs(600)),
    };
    let finished = match platform.controller.invoke(invocation).await? {
        Outcome::Finished(activation) => activation,
        Outcome::Accepted(id) => bail!("activation {id} did not end in time"),
    };
    let record = platform
        .record(&finished.namespace, finished.activation_id, RECORD_PATIENCE)
        .await?;
    Ok(record.unwrap_or(finished))
}

/// Puts the arguments together: the file's, and those of the command line over them.
fn arguments(args: &RunArgs) -> Result<Json> {
    let mut members = match &args.param_file {
        None => Members::default(),
        Some(path) => {
            let text = std::fs::read(path)
                .with_context(|| format!("could not read `{}`", path.display()))?;
            let json = Json::parse(&text)
                .with_context(|| format!("`{}` is not valid JSON", path.display()))?;
            if json.kind() != JsonKind::Object {
                bail!("`{}` is no JSON object", path.display());
            }
            json.members().unwrap_or_default()
        }
    };
    for pair in args.param.chunks(2) {
        if let [name, value] = pair {
            let value =
                Json::parse(value.as_bytes()).unwrap_or_else(|_| Json::from(value.as_str()));
            members.set(name.clone(), value);
        }
    }
    Ok(members.to_json())
}
