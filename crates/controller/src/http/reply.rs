//! Answers.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use oxwhisk_entity::{ActivationId, Json};
use serde::Serialize;

use super::headers::{ACTIVATION_ID, REQUEST_ID};
use super::{ApiError, Cors, Request, RequestId, accepts};
use crate::messages;

/// The entity of an answer.
#[derive(Debug, Clone)]
pub(crate) enum Entity {
    /// None.
    Empty,
    /// A JSON text.
    Json(Json),
    /// Plain text in UTF-8.
    Text(String),
    /// A page in UTF-8.
    Html(String),
}

/// An answer before its general headers are added.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) entity: Entity,
    pub(crate) cors: Cors,
}

impl Reply {
    /// An answer of the REST API.
    pub(crate) fn new(status: StatusCode, entity: Entity) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            entity,
            cors: Cors::Rest,
        }
    }

    /// 200 with a JSON value.
    pub(crate) fn json(value: Json) -> Self {
        Self::new(StatusCode::OK, Entity::Json(value))
    }

    /// 200 with a text.
    pub(crate) fn text(text: &str) -> Self {
        Self::new(StatusCode::OK, Entity::Text(text.to_owned()))
    }

    /// The same with other CORS headers.
    pub(crate) fn with_cors(mut self, cors: Cors) -> Self {
        self.cors = cors;
        self
    }

    /// The same with the header that names an activation.
    pub(crate) fn with_activation(mut self, id: ActivationId) -> Self {
        if let Ok(value) = HeaderValue::try_from(id.to_string()) {
            self.headers.insert(ACTIVATION_ID, value);
        }
        self
    }

    /// Adds the general headers and checks that the caller takes the answer.
    pub(crate) fn into_response(self, request: &Request) -> Response<Full<Bytes>> {
        if self.status.is_success()
            && let Some(offered) = self.entity.media_type()
            && !accepts(&request.headers, offered)
        {
            let shown = if matches!(self.entity, Entity::Text(_)) {
                "text/plain"
            } else {
                offered
            };
            let error =
                ApiError::rejection(StatusCode::NOT_ACCEPTABLE, messages::not_acceptable(shown));
            return Self::of_error(error, &request.id).build(&request.id);
        }
        self.build(&request.id)
    }

    /// The answer to a failed request: `{"error": text, "code": transaction id}`.
    pub(crate) fn of_error(error: ApiError, id: &RequestId) -> Self {
        #[derive(Serialize)]
        struct Body<'a> {
            error: &'a str,
            code: &'a str,
        }
        let body = Body {
            error: &error.message,
            code: &id.text,
        };
        let entity = Entity::Json(Json::of(&body));
        let headers = error
            .header
            .map(|(name, value)| (name, HeaderValue::from_static(value)))
            .into_iter()
            .collect();
        Self {
            status: error.status,
            headers,
            entity,
            cors: error.cors,
        }
    }

    fn build(self, id: &RequestId) -> Response<Full<Bytes>> {
        let mut headers = self.headers;
        headers.insert(REQUEST_ID, id.header());
        self.cors.add_to(&mut headers);
        if let Some(media_type) = self.entity.media_type() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        }
        let mut response = Response::new(Full::new(self.entity.into_bytes()));
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response
    }
}

impl Entity {
    fn media_type(&self) -> Option<&'static str> {
        match self {
            Self::Empty => None,
            Self::Json(_) => Some("application/json"),
            Self::Text(_) => Some("text/plain; charset=UTF-8"),
            Self::Html(_) => Some("text/html; charset=UTF-8"),
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Empty => Bytes::new(),
            Self::Json(json) => Bytes::copy_from_slice(json.text().as_bytes()),
            Self::Text(text) | Self::Html(text) => text.into(),
        }
    }
}
