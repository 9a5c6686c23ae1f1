//! Texts that end up in records. All but [`INTERRUPTED`] and [`CONTAINER_LOST`] are OpenWhisk's, to the byte
//! (invocation §3.3, §6, §7).

use oxwhisk_entity::ByteSize;

pub(crate) const ACTION_REMOVED: &str = "Action could not be found or may have been deleted.";
pub(crate) const ACTION_MISMATCH: &str = "Action version is not compatible and cannot be invoked.";
pub(crate) const ACTION_FETCH_FAILED: &str = "Action could not be fetched.";
pub(crate) const PROVISIONING_FAILED: &str = "Failed to provision resources to run the action.";
pub(crate) const MEMORY_EXHAUSTED: &str = "The action exhausted its memory and was aborted.";
pub(crate) const ABNORMAL_INIT: &str = "The action did not initialize and exited unexpectedly.";
pub(crate) const ABNORMAL_RUN: &str =
    "The action did not produce a valid response and exited unexpectedly.";
/// Ours: the original blames the action, or loses the activation.
pub(crate) const CONTAINER_LOST: &str = "The platform lost the container of the activation.";
/// Ours: the original loses such activations.
pub(crate) const INTERRUPTED: &str =
    "The activation was interrupted by a restart of the platform and was not run again.";

pub(crate) const LOG_INCOMPLETE: &str =
    "There was an issue while collecting your logs. Data might be missing.";
pub(crate) const LOG_OF_DEVELOPER_ERROR: &str =
    "The action did not initialize or run as expected. Log data might be missing.";

pub(crate) fn log_truncated(limit: ByteSize) -> String {
    format!(
        "Logs were truncated because the total bytes size exceeds the limit of {} bytes.",
        limit.as_bytes()
    )
}

pub(crate) fn timed_out_init(limit_ms: u64) -> String {
    format!("The action exceeded its time limits of {limit_ms} milliseconds during initialization.")
}

pub(crate) fn timed_out_run(limit_ms: u64) -> String {
    format!("The action exceeded its time limits of {limit_ms} milliseconds.")
}

pub(crate) fn invalid_init(body: &str) -> String {
    with_body("The action failed during initialization", body)
}

pub(crate) fn invalid_run(body: &str) -> String {
    with_body(
        "The action did not produce a valid JSON or JSON Array response",
        body,
    )
}

fn with_body(text: &str, body: &str) -> String {
    if body.is_empty() {
        format!("{text}.")
    } else {
        format!("{text}: {body}")
    }
}

pub(crate) fn too_long(length: u64, max: ByteSize, start: &str) -> String {
    format!(
        "The action produced a response that exceeded the allowed length: {length} > {} bytes. The truncated response was: {start}",
        max.as_bytes()
    )
}

pub(crate) fn pull_failed(image: &str) -> String {
    format!("Failed to pull container image '{image}'.")
}
