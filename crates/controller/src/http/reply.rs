//! Answers.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use hyper::ext::ReasonPhrase;
use oxwhisk_entity::{ActivationId, Json};
use serde::Serialize;

use super::headers::{ACTIVATION_ID, REQUEST_ID, put_first};
use super::{
    ApiError, Cors, ErrorForm, List, Request, RequestId, ResponseBody, accepts_type, accepts_utf8,
    pretty,
};
use crate::messages;

/// The entity of an answer.
#[derive(Debug)]
pub(crate) enum Entity {
    /// None.
    Empty,
    /// A JSON text.
    Json(Json),
    /// A JSON array that is sent while it is read.
    List(List),
    /// Plain text in UTF-8.
    Text(String),
    /// The reason of the status and nothing more.
    Reason,
    /// A page in UTF-8.
    Html(String),
    /// A text in UTF-8 of another media type.
    Typed {
        /// Whole, with its parameters.
        media_type: String,
        text: String,
    },
    /// Bytes of any media type.
    Binary {
        /// Whole, with its parameters.
        media_type: String,
        bytes: Bytes,
    },
}

/// An answer before its general headers are added.
#[derive(Debug)]
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

    /// 200 and nothing to say.
    pub(crate) fn ok() -> Self {
        Self::new(StatusCode::OK, Entity::Reason)
    }

    /// 204: what was asked for is gone, and that is all.
    pub(crate) fn deleted() -> Self {
        Self::new(StatusCode::NO_CONTENT, Entity::Empty)
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
    pub(crate) fn into_response(self, request: &Request) -> Response<ResponseBody> {
        if self.is_negotiated()
            && let Some(offered) = self.entity.media_type()
            && !self.is_accepted(offered, &request.headers)
        {
            let shown = if matches!(self.entity, Entity::Text(_)) {
                "text/plain"
            } else {
                offered
            };
            let error =
                ApiError::rejection(StatusCode::NOT_ACCEPTABLE, messages::not_acceptable(shown));
            return Self::of_error(error, &request.id).build(request);
        }
        self.build(request)
    }

    /// What `Accept` is enforced on: successes that say more than that, and redirections but for those of our own,
    /// which have a page (rest-api §2.1, observed.md, invocation §9.8).
    fn is_negotiated(&self) -> bool {
        match self.entity {
            Entity::Reason => false,
            Entity::Html(_) => self.status.is_success(),
            _ => self.status.is_success() || self.status.is_redirection(),
        }
    }

    fn is_accepted(&self, media_type: &str, request: &HeaderMap) -> bool {
        let has_charset = !matches!(self.entity, Entity::Binary { .. });
        accepts_type(request, media_type) && (!has_charset || accepts_utf8(request))
    }

    /// The answer to a failed request: `{"code": transaction id, "error": text}`.
    pub(crate) fn of_error(error: ApiError, id: &RequestId) -> Self {
        #[derive(Serialize)]
        struct Body<'a> {
            code: &'a str,
            error: &'a str,
        }
        let body = Json::of(&Body {
            code: &id.text,
            error: &error.message,
        });
        let entity = match error.form {
            ErrorForm::Compact => Entity::Json(body),
            ErrorForm::Pretty => Entity::pretty_json("application/json", &body),
            ErrorForm::Plain => Entity::Text(error.message),
        };
        Self {
            status: error.status,
            headers: error.header.into_iter().collect(),
            entity,
            cors: error.cors,
        }
    }

    fn build(self, request: &Request) -> Response<ResponseBody> {
        let mut headers = self.headers;
        put_first(&mut headers, REQUEST_ID, request.id.header());
        self.cors.add_to(&mut headers, &request.headers);
        if let Some(content_type) = self.entity.content_type() {
            headers.insert(header::CONTENT_TYPE, content_type);
        }
        let mut response = Response::new(self.entity.into_body(self.status));
        if self.status.canonical_reason().is_none() {
            // hyper would write `<none>`.
            let nothing = ReasonPhrase::from_static(b"");
            response.extensions_mut().insert(nothing);
        }
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response
    }
}

impl Entity {
    /// JSON for people to read, of this media type.
    pub(crate) fn pretty_json(media_type: &str, value: &Json) -> Self {
        Self::Typed {
            media_type: media_type.to_owned(),
            text: pretty(value),
        }
    }

    fn media_type(&self) -> Option<&str> {
        match self {
            Self::Typed { media_type, .. } | Self::Binary { media_type, .. } => Some(media_type),
            _ => self.fixed_type(),
        }
    }

    fn content_type(&self) -> Option<HeaderValue> {
        match self {
            Self::Typed { media_type, .. } | Self::Binary { media_type, .. } => {
                HeaderValue::from_str(media_type).ok()
            }
            _ => self.fixed_type().map(HeaderValue::from_static),
        }
    }

    fn fixed_type(&self) -> Option<&'static str> {
        match self {
            Self::Empty | Self::Typed { .. } | Self::Binary { .. } => None,
            Self::Json(_) | Self::List(_) => Some("application/json"),
            Self::Text(_) | Self::Reason => Some("text/plain; charset=UTF-8"),
            Self::Html(_) => Some("text/html; charset=UTF-8"),
        }
    }

    fn into_body(self, status: StatusCode) -> ResponseBody {
        let bytes: Bytes = match self {
            Self::List(list) => return list.into(),
            Self::Empty => Bytes::new(),
            Self::Reason => Bytes::from(status.canonical_reason().unwrap_or_default()),
            Self::Json(json) => Bytes::copy_from_slice(json.text().as_bytes()),
            Self::Text(text) | Self::Html(text) | Self::Typed { text, .. } => text.into(),
            Self::Binary { bytes, .. } => bytes,
        };
        bytes.into()
    }
}
