//! The records of activations. Source: entities §9.

use std::time::Duration;

use oxwhisk_bus::ActivationMessage;
use oxwhisk_entity::{
    ActivationResponse, EntityPath, Json, Parameter, Parameters, SemVer, WhiskActivation,
};

use crate::executable::{Executable, annotation};

/// How many annotations depend on the activation.
const MORE_ANNOTATIONS: usize = 5;

/// A time that began at some moment and took some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interval {
    /// Milliseconds since the epoch.
    pub(crate) start_ms: u64,
    pub(crate) took: Duration,
}

impl Interval {
    fn took_ms(self) -> u64 {
        u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX)
    }
}

/// When an activation was initialised and run, as far as it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Timing {
    pub(crate) init: Option<Interval>,
    pub(crate) run: Option<Interval>,
    pub(crate) timed_out: bool,
}

impl Timing {
    /// Returns start, end and duration in milliseconds: start is that of the run less the time of the
    /// initialisation, which may lie further back.
    fn span(&self, now_ms: u64) -> (u64, u64, u64) {
        let init_ms = self.init.map_or(0, Interval::took_ms);
        match (self.run, self.init) {
            (Some(run), _) => {
                let (start, took) = (run.start_ms, run.took_ms());
                (start.saturating_sub(init_ms), start + took, init_ms + took)
            }
            (None, Some(init)) => (init.start_ms, init.start_ms + init_ms, init_ms),
            (None, None) => (now_ms, now_ms, 0),
        }
    }

    fn begun_ms(&self) -> Option<u64> {
        let first = self.init.or(self.run)?;
        Some(first.start_ms)
    }
}

/// The record of an activation that reached a container, or failed to get one; its log is empty.
///
/// `now_ms` counts from the epoch and dates what was never begun.
pub(crate) fn of_run(
    message: &ActivationMessage,
    action: &Executable,
    response: ActivationResponse,
    timing: &Timing,
    now_ms: u64,
) -> WhiskActivation {
    let begun = timing.begun_ms().unwrap_or(now_ms);
    let wait = begun.saturating_sub(message.transid.start_ms);
    let mut annotations = Vec::with_capacity(action.annotations.len() + MORE_ANNOTATIONS);
    annotations.extend_from_slice(&action.annotations);
    annotations.push(annotation("timeout", Json::from(timing.timed_out)));
    annotations.extend(caused_by(message));
    if let Some(init) = timing.init {
        annotations.push(annotation("initTime", Json::from(init.took_ms())));
    }
    annotations.push(annotation("waitTime", Json::from(wait)));
    if let Some(binding) = &message.action.binding {
        annotations.push(annotation("binding", Json::from(binding.as_str())));
    }
    let (start, end, duration) = timing.span(now_ms);
    WhiskActivation {
        version: action.version,
        start,
        end,
        duration: Some(duration),
        ..skeleton(message, response, annotations)
    }
}

/// The record of an activation that was given up without looking at its action: `start` = `end`, few
/// annotations (entities §9.3, column *fallback*).
pub(crate) fn of_nothing(
    message: &ActivationMessage,
    response: ActivationResponse,
    now_ms: u64,
) -> WhiskActivation {
    let path = message.action.to_string();
    let mut annotations = vec![
        annotation("path", Json::from(path.as_str())),
        annotation("kind", Json::from("unknown")),
    ];
    annotations.extend(caused_by(message));
    WhiskActivation {
        start: now_ms,
        end: now_ms,
        duration: Some(0),
        ..skeleton(message, response, annotations)
    }
}

fn caused_by(message: &ActivationMessage) -> Option<Parameter> {
    message
        .cause
        .map(|_| annotation("causedBy", Json::from("sequence")))
}

fn skeleton(
    message: &ActivationMessage,
    response: ActivationResponse,
    annotations: Vec<Parameter>,
) -> WhiskActivation {
    WhiskActivation {
        namespace: EntityPath::from(&message.user.namespace.name),
        name: message.action.name.clone(),
        subject: message.user.subject.clone(),
        activation_id: message.activation_id,
        start: 0,
        end: 0,
        cause: message.cause,
        response,
        logs: Vec::new(),
        version: message.action.version.unwrap_or(SemVer::FIRST),
        publish: false,
        annotations: Parameters::new(annotations),
        duration: None,
    }
}
