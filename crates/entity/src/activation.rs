//! Activations: their records and outcomes.

use serde::{Deserialize, Serialize};

use crate::json::Json;
use crate::names::{EntityName, EntityPath, SemVer};
use crate::{ActivationId, Parameters};

/// How an activation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResponseStatus {
    /// It gave a result without the member `error`.
    Success,
    /// The action itself reported an error.
    ApplicationError,
    /// The action crashed, took too long, or answered what is no result.
    DeveloperError,
    /// The platform failed.
    WhiskError,
}

impl ResponseStatus {
    /// Returns the number that stores and messages use: 0 to 3.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::ApplicationError => 1,
            Self::DeveloperError => 2,
            Self::WhiskError => 3,
        }
    }

    /// Returns the status of a number; numbers beyond 3 are failures of the platform.
    #[must_use]
    pub fn from_code(code: u64) -> Self {
        match code {
            0 => Self::Success,
            1 => Self::ApplicationError,
            2 => Self::DeveloperError,
            _ => Self::WhiskError,
        }
    }

    /// Returns the status of a text of the REST API; other texts are failures of the platform.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        [Self::Success, Self::ApplicationError, Self::DeveloperError]
            .into_iter()
            .find(|status| status.text() == text)
            .unwrap_or(Self::WhiskError)
    }

    /// Returns the text of the REST API.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::ApplicationError => "application error",
            Self::DeveloperError => "action developer error",
            Self::WhiskError => "whisk internal error",
        }
    }
}

/// The outcome of an activation.
///
/// Stored and sent between components as `{"statusCode": n, "result"?: any, "size"?: n}`; the REST API
/// shows [`ActivationResponse::to_api`] instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WireResponse", into = "WireResponse")]
pub struct ActivationResponse {
    /// How it ended.
    pub status: ResponseStatus,
    /// What it gave; of a failure `{"error": …}`.
    pub result: Option<Json>,
    /// UTF-16 code units of the container's answer, or its bytes if it was cut off; absent if there was none.
    pub size: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct WireResponse {
    #[serde(rename = "statusCode")]
    status_code: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
}

impl From<WireResponse> for ActivationResponse {
    fn from(wire: WireResponse) -> Self {
        Self {
            status: ResponseStatus::from_code(wire.status_code),
            result: wire.result,
            size: wire.size,
        }
    }
}

impl From<ActivationResponse> for WireResponse {
    fn from(response: ActivationResponse) -> Self {
        Self {
            status_code: response.status.code().into(),
            result: response.result,
            size: response.size,
        }
    }
}

#[derive(Serialize)]
struct ApiResponse<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    status: &'static str,
    success: bool,
}

impl ActivationResponse {
    /// The outcome of a run that gave a result.
    #[must_use]
    pub fn success(result: Option<Json>, size: Option<u64>) -> Self {
        Self {
            status: ResponseStatus::Success,
            result,
            size,
        }
    }

    /// A failure whose `error` is a text of ours.
    #[must_use]
    pub fn error(status: ResponseStatus, message: &str) -> Self {
        Self {
            status,
            result: Some(Json::error(&Json::from(message))),
            size: None,
        }
    }

    /// Returns the object that the REST API shows: `{"result"?, "size"?, "status": text, "success": bool}`.
    #[must_use]
    pub fn to_api(&self) -> Json {
        Json::of(&ApiResponse {
            result: self.result.as_ref(),
            size: self.size,
            status: self.status.text(),
            success: self.status == ResponseStatus::Success,
        })
    }

    /// Returns the result, or `{}` where there is none.
    #[must_use]
    pub fn result_or_empty(&self) -> Json {
        self.result.clone().unwrap_or_else(Json::empty_object)
    }
}

/// The record of one activation. Source: entities §9.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WhiskActivation {
    /// Namespace of the invoking identity.
    pub namespace: EntityPath,
    /// Name of the action, sequence or trigger.
    pub name: EntityName,
    /// The identity's subject.
    pub subject: String,
    /// Its identifier.
    pub activation_id: ActivationId,
    /// Milliseconds since the epoch.
    pub start: u64,
    /// Milliseconds since the epoch; 0 for triggers, which have no end.
    pub end: u64,
    /// The sequence or composition that it was part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<ActivationId>,
    /// How it ended.
    pub response: ActivationResponse,
    /// Lines, or identifiers of the parts of a sequence.
    #[serde(default)]
    pub logs: Vec<String>,
    /// Version of the action.
    pub version: SemVer,
    /// Always false.
    #[serde(default)]
    pub publish: bool,
    /// What the platform says about it.
    #[serde(default)]
    pub annotations: Parameters,
    /// Milliseconds; absent for triggers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiActivation<'a> {
    namespace: &'a EntityPath,
    name: &'a EntityName,
    version: SemVer,
    publish: bool,
    annotations: &'a Parameters,
    subject: &'a str,
    activation_id: ActivationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<ActivationId>,
    start: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<u64>,
    response: Json,
    logs: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ActivationSummary<'a> {
    namespace: &'a EntityPath,
    name: &'a EntityName,
    version: SemVer,
    publish: bool,
    annotations: &'a Parameters,
    activation_id: ActivationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<ActivationId>,
    start: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<u8>,
}

impl WhiskActivation {
    /// Returns the whole record as the REST API shows it.
    #[must_use]
    pub fn to_api(&self) -> Json {
        let ended = self.end != 0;
        Json::of(&ApiActivation {
            namespace: &self.namespace,
            name: &self.name,
            version: self.version,
            publish: self.publish,
            annotations: &self.annotations,
            subject: &self.subject,
            activation_id: self.activation_id,
            cause: self.cause,
            start: self.start,
            end: ended.then_some(self.end),
            duration: self.duration.filter(|_| ended),
            response: self.response.to_api(),
            logs: &self.logs,
        })
    }

    /// Returns the summary of lists. Its `duration` is end − start, and triggers have a `statusCode`
    /// (entities §9.5, observed.md).
    #[must_use]
    pub fn to_summary(&self) -> Json {
        let ended = self.end != 0;
        Json::of(&ActivationSummary {
            namespace: &self.namespace,
            name: &self.name,
            version: self.version,
            publish: self.publish,
            annotations: &self.annotations,
            activation_id: self.activation_id,
            cause: self.cause,
            start: self.start,
            end: ended.then_some(self.end),
            duration: ended.then(|| self.end.saturating_sub(self.start)),
            status_code: Some(self.response.status.code()),
        })
    }

    /// Returns the key that the list filter `name` compares with: `[package/]name`.
    ///
    /// The package is that of the annotation `path` if it has three parts (invocation §10).
    #[must_use]
    pub fn filter_key(&self) -> String {
        let path = self.annotations.get("path").and_then(Json::as_str);
        let mut parts = path.as_deref().unwrap_or_default().split('/').skip(1);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(package), Some(_), None) => format!("{package}/{}", self.name),
            _ => self.name.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read_from_numbers_and_texts() {
        for code in 0..4 {
            let status = ResponseStatus::from_code(code);
            assert_eq!(u64::from(status.code()), code);
            assert_eq!(ResponseStatus::from_text(status.text()), status);
        }
        let unknown = ResponseStatus::from_text("lost");
        assert_eq!(unknown, ResponseStatus::WhiskError);
    }

    /// invocation §10: a packaged action is listed under its package's name, through a binding too; all else, triggers
    /// among it, under its own.
    #[test]
    fn records_are_sought_by_package_and_name() {
        for (annotations, key) in [
            (r#"[]"#, "hello"),
            (r#"[{"key":"path","value":"guest/hello"}]"#, "hello"),
            (r#"[{"key":"path","value":"guest/p/hello"}]"#, "p/hello"),
            (
                r#"[{"key":"path","value":"other/p/hello"},{"key":"binding","value":"guest/b"}]"#,
                "p/hello",
            ),
            (r#"[{"key":"path","value":7}]"#, "hello"),
        ] {
            let record = format!(
                r#"{{"namespace":"guest","name":"hello","subject":"guest","activationId":"{:032}",
                "start":1,"end":2,"response":{{"statusCode":0}},"logs":[],"version":"0.0.1","publish":false,
                "annotations":{annotations}}}"#,
                1
            );
            let record: WhiskActivation = serde_json::from_str(&record).unwrap();
            assert_eq!(record.filter_key(), key, "{annotations}");
        }
    }

    /// entities §9.2: no `statusCode` in what the API shows.
    #[test]
    fn responses_have_a_wire_form_and_an_api_form() {
        let response = ActivationResponse::error(ResponseStatus::ApplicationError, "bad");
        let wire = serde_json::to_string(&response).unwrap();
        assert_eq!(wire, r#"{"statusCode":1,"result":{"error":"bad"}}"#);
        assert_eq!(
            serde_json::from_str::<ActivationResponse>(&wire).unwrap(),
            response
        );
        assert_eq!(
            response.to_api().text(),
            r#"{"result":{"error":"bad"},"status":"application error","success":false}"#
        );
    }
}
