//! Answers, and what is in them.

use bytes::Bytes;
use http::{Response, StatusCode};
use oxwhisk_entity::{ActivationId, Json};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::ClientError;

/// The header that carries the id of an activation beside its result.
const ACTIVATION_ID: &str = "x-openwhisk-activation-id";

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer(pub(crate) Response<Bytes>);

/// The form of all of OpenWhisk's refusals. Source: rest-api §5.1.
#[derive(Deserialize)]
struct Refusal {
    error: String,
    code: Option<String>,
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        self.0.status()
    }

    /// Returns the answer if the server did not refuse.
    pub(crate) fn accepted(self) -> Result<Self, ClientError> {
        if self.status().is_success() {
            Ok(self)
        } else {
            Err(self.refusal())
        }
    }

    /// Returns whether it is a refusal of the platform, and not the result of an action that failed.
    pub(crate) fn is_refusal(&self) -> bool {
        let has_code = |refusal: Refusal| refusal.code.is_some();
        !self.status().is_success() && serde_json::from_slice(self.0.body()).is_ok_and(has_code)
    }

    /// Returns why the server refused.
    pub(crate) fn refusal(&self) -> ClientError {
        let status = self.status();
        let Refusal { error, code } =
            serde_json::from_slice(self.0.body()).unwrap_or_else(|_| Refusal {
                error: match String::from_utf8_lossy(self.0.body()).trim() {
                    "" => status.canonical_reason().unwrap_or("no reason").to_owned(),
                    text => text.chars().take(1000).collect(),
                },
                code: None,
            });
        ClientError::Refused {
            status,
            error,
            code,
        }
    }

    /// Reads the body of an answer that is no refusal.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(self.0.body()).map_err(|error| self.unreadable(error))
    }

    /// Reads the body as any JSON.
    pub(crate) fn json(&self) -> Result<Json, ClientError> {
        Json::parse(self.0.body()).map_err(|error| self.unreadable(error))
    }

    /// Returns the activation that the headers name.
    pub(crate) fn activation_id(&self) -> Option<ActivationId> {
        let value = self.0.headers().get(ACTIVATION_ID)?;
        value.to_str().ok()?.parse().ok()
    }

    pub(crate) fn unreadable(
        &self,
        error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> ClientError {
        ClientError::Unreadable {
            status: self.status(),
            source: error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, body: &str) -> (String, bool) {
        let response = Response::builder().status(status);
        let answer = Answer(response.body(Bytes::from(body.to_owned())).unwrap());
        let is_refusal = answer.is_refusal();
        (answer.accepted().unwrap_err().to_string(), is_refusal)
    }

    /// rest-api §5.1: a failure with both members is the platform's, one without `code` is an action's.
    #[test]
    fn refusals_are_told_with_text_and_code_in_whatever_form_they_come() {
        let table = [
            (
                404,
                r#"{"error":"The requested resource does not exist.","code":"abc"}"#,
                "The requested resource does not exist. (status 404 Not Found, code abc)",
                true,
            ),
            (
                502,
                r#"{"error":"mine"}"#,
                "mine (status 502 Bad Gateway)",
                false,
            ),
            (
                502,
                r#"{"error":{"a":1}}"#,
                "{\"error\":{\"a\":1}} (status 502 Bad Gateway)",
                false,
            ),
            (
                503,
                "<html> ",
                "<html> (status 503 Service Unavailable)",
                false,
            ),
            (
                500,
                "",
                "Internal Server Error (status 500 Internal Server Error)",
                false,
            ),
        ];
        for (status, body, text, is_refusal) in table {
            assert_eq!(refused(status, body), (text.to_owned(), is_refusal));
        }
    }
}
