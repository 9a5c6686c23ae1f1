//! From a container's answer to the response of an activation. Source: invocation §3.3,
//! runtime-protocol §4.
#![warn(clippy::wildcard_enum_match_arm)]

use std::borrow::Cow;
use std::time::Duration;

use oxwhisk_container::{ContainerError, CreateError, Response};
use oxwhisk_entity::{ActivationResponse, ByteSize, Json, ResponseStatus};
use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::messages;

/// The status with which a runtime says that it is leaving and took nothing.
const LEAVING: u16 = 503;
const OK: u16 = 200;

/// What a container's answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Initialised; the run may begin.
    Initialized,
    /// The activation is over.
    Over {
        response: ActivationResponse,
        /// The time limit was reached.
        timed_out: bool,
    },
    /// The container did not take the request: another one must.
    Reschedule,
}

/// What is allowed and how long it took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) took: Duration,
    pub(crate) time_limit_ms: u64,
    /// Longest answer that is kept whole.
    pub(crate) max: ByteSize,
}

impl Measured {
    fn is_over_time(self) -> bool {
        self.took >= Duration::from_millis(self.time_limit_ms)
    }
}

pub(crate) fn of_init(answer: Result<Response, ContainerError>, measured: Measured) -> Outcome {
    let answer = match answer {
        Ok(response) if response.status == LEAVING => return Outcome::Reschedule,
        Ok(response) if response.status == OK && response.full_length.is_none() => {
            return Outcome::Initialized;
        }
        Err(ContainerError::Unhealthy) => return Outcome::Reschedule,
        answer => answer,
    };
    let timed_out = || {
        let text = messages::timed_out_init(measured.time_limit_ms);
        over(developer_error(&text), true)
    };
    match answer {
        Err(ContainerError::PlatformLost) => over(whisk_error(messages::CONTAINER_LOST), false),
        _ if measured.is_over_time() => timed_out(),
        Err(ContainerError::Timeout) => timed_out(),
        Err(ContainerError::MemoryExhausted) => {
            over(developer_error(messages::MEMORY_EXHAUSTED), false)
        }
        Err(
            ContainerError::ConnectionLost
            | ContainerError::Unhealthy
            | ContainerError::State { .. },
        ) => over(developer_error(messages::ABNORMAL_INIT), false),
        Ok(response) => over(failed_init(&response, measured.max), false),
    }
}

fn failed_init(response: &Response, max: ByteSize) -> ActivationResponse {
    let text = String::from_utf8_lossy(&response.entity);
    if let Some(length) = response.full_length {
        return truncated(ResponseStatus::DeveloperError, &text, length, max);
    }
    let error = Json::parse(&response.entity)
        .ok()
        .and_then(|json| error_member(&json));
    let error = error.unwrap_or_else(|| Json::from(messages::invalid_init(&text).as_str()));
    failure(ResponseStatus::DeveloperError, &error, size_of(&text))
}

pub(crate) fn of_run(answer: Result<Response, ContainerError>, measured: Measured) -> Outcome {
    let timed_out = || {
        let text = messages::timed_out_run(measured.time_limit_ms);
        over(developer_error(&text), true)
    };
    match answer {
        Err(ContainerError::Unhealthy) => Outcome::Reschedule,
        Ok(response) if response.status == LEAVING => Outcome::Reschedule,
        Err(ContainerError::PlatformLost) => over(whisk_error(messages::CONTAINER_LOST), false),
        _ if measured.is_over_time() => timed_out(),
        Err(ContainerError::Timeout) => timed_out(),
        Err(ContainerError::MemoryExhausted) => {
            over(developer_error(messages::MEMORY_EXHAUSTED), false)
        }
        Err(ContainerError::ConnectionLost | ContainerError::State { .. }) => {
            over(developer_error(messages::ABNORMAL_RUN), false)
        }
        Ok(response) => over(answered(&response, measured.max), false),
    }
}

fn answered(response: &Response, max: ByteSize) -> ActivationResponse {
    let text = String::from_utf8_lossy(&response.entity);
    if let Some(length) = response.full_length {
        return truncated(ResponseStatus::ApplicationError, &text, length, max);
    }
    let size = size_of(&text);
    let invalid = || {
        let error = Json::from(messages::invalid_run(&text).as_str());
        failure(ResponseStatus::DeveloperError, &error, size)
    };
    let Ok(json) = Json::parse(&response.entity) else {
        return invalid();
    };
    match (response.status, error_member(&json)) {
        (OK, Some(error)) => failure(ResponseStatus::ApplicationError, &error, size),
        (_, Some(error)) => failure(ResponseStatus::DeveloperError, &error, size),
        (OK, None) if is_result(&json) => ActivationResponse::success(Some(json), Some(size)),
        _ => invalid(),
    }
}

fn is_result(json: &Json) -> bool {
    json.text().starts_with(['{', '['])
}

/// The response of an activation whose container could not be made.
pub(crate) fn of_creation(error: &CreateError) -> ActivationResponse {
    match error {
        CreateError::Pull { image } => developer_error(&messages::pull_failed(image)),
        CreateError::Unsupported { .. } | CreateError::Step { .. } => {
            whisk_error(messages::PROVISIONING_FAILED)
        }
    }
}

pub(crate) fn whisk_error(text: &str) -> ActivationResponse {
    ActivationResponse::error(ResponseStatus::WhiskError, text)
}

pub(crate) fn application_error(text: &str) -> ActivationResponse {
    ActivationResponse::error(ResponseStatus::ApplicationError, text)
}

fn developer_error(text: &str) -> ActivationResponse {
    ActivationResponse::error(ResponseStatus::DeveloperError, text)
}

fn over(response: ActivationResponse, timed_out: bool) -> Outcome {
    Outcome::Over {
        response,
        timed_out,
    }
}

fn truncated(status: ResponseStatus, text: &str, length: u64, max: ByteSize) -> ActivationResponse {
    let text = messages::too_long(length, max, text);
    failure(status, &Json::from(text.as_str()), length)
}

fn failure(status: ResponseStatus, error: &Json, size: u64) -> ActivationResponse {
    ActivationResponse {
        status,
        result: Some(Json::error(error)),
        size: Some(size),
    }
}

/// Counts UTF-16 code units, as the original does (observed.md on entities §9.2).
fn size_of(text: &str) -> u64 {
    if text.is_ascii() {
        return text.len() as u64;
    }
    text.encode_utf16().count() as u64
}

/// Returns the member `error` of an object: the last, if there are several.
fn error_member(json: &Json) -> Option<Json> {
    let text = json.text();
    // Canonical texts write the name in one way only, so most results need no second look.
    if !text.starts_with('{') || !text.contains("\"error\":") {
        return None;
    }
    let found: ErrorMember<'_> = serde_json::from_str(text).ok()?;
    Some(Json::from_canonical(found.0?.get().to_owned()))
}

/// The raw text of `error`, all other members skipped without being kept.
struct ErrorMember<'a>(Option<&'a RawValue>);

impl<'de> Deserialize<'de> for ErrorMember<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = ErrorMember<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut error = None;
                while let Some(name) = map.next_key::<Cow<'de, str>>()? {
                    if name == "error" {
                        error = Some(map.next_value::<&RawValue>()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(ErrorMember(error))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests;
