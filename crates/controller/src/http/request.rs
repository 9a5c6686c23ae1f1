//! One request, read whole.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use oxwhisk_bus::TransactionId;
use oxwhisk_entity::Json;

use super::{ApiError, EXTRA_LOGGING, Query, RequestId};
use crate::serve::Origin;
use crate::{large, messages};

/// A request as the handlers take it.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) id: RequestId,
    /// When it came in, milliseconds since the epoch.
    pub(crate) start_ms: u64,
    pub(crate) origin: Origin,
}

impl Request {
    /// Returns what ties the activations that come of this request together.
    pub(crate) fn transaction(&self) -> TransactionId {
        TransactionId {
            id: Arc::clone(&self.id.text),
            start_ms: self.start_ms,
            extra_logging: self.wants_extra_logging(),
        }
    }

    /// Returns whether the request asks for extra logging.
    pub(crate) fn wants_extra_logging(&self) -> bool {
        self.headers
            .get(EXTRA_LOGGING)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"on"))
    }

    /// Reads a body that must be JSON. Source: rest-api §6.3.
    pub(crate) async fn json(&self) -> Result<Json, ApiError> {
        self.check_json_type()?;
        large::parse(&self.body).await
    }

    /// Reads a body that may be missing: `{}` then.
    pub(crate) async fn optional_json(&self) -> Result<Json, ApiError> {
        if self.body.is_empty() && !self.headers.contains_key(header::CONTENT_TYPE) {
            return Ok(Json::empty_object());
        }
        self.check_json_type()?;
        if self.body.is_empty() {
            return Ok(Json::empty_object());
        }
        large::parse(&self.body).await
    }

    /// Refuses a body of another type.
    pub(crate) fn check_json_type(&self) -> Result<(), ApiError> {
        let content_type = self.content_type();
        let is_json = content_type
            .as_ref()
            .is_some_and(|found| found.essence_str() == "application/json");
        if is_json || (content_type.is_none() && self.body.is_empty() && !self.has_content_type()) {
            return Ok(());
        }
        let found = content_type
            .as_ref()
            .map_or_else(|| "application/octet-stream".to_owned(), shown);
        Err(ApiError::rejection(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            messages::unsupported_type(&found),
        ))
    }

    fn has_content_type(&self) -> bool {
        self.headers.contains_key(header::CONTENT_TYPE)
    }

    /// The media type of the body, if the header can be parsed.
    fn content_type(&self) -> Option<mime::Mime> {
        self.headers
            .get(header::CONTENT_TYPE)?
            .to_str()
            .ok()?
            .parse()
            .ok()
    }
}

/// A media type as the original prints it: character sets in upper case.
fn shown(found: &mime::Mime) -> String {
    let mut text = found.essence_str().to_owned();
    for (name, value) in found.params() {
        let value = if name == mime::CHARSET {
            value.as_str().to_uppercase()
        } else {
            value.as_str().to_owned()
        };
        text.push_str(&format!("; {name}={value}"));
    }
    text
}
