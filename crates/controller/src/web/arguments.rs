//! From a request to the arguments of a web action. Source: invocation §9.5.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header;
use oxwhisk_entity::Json;
use oxwhisk_entity::json::Members;

use super::media::MediaType;
use crate::http::{ApiError, EXTRA_LOGGING, Query, Request};

/// Arguments that only the platform gives.
const RESERVED: [&str; 6] = [
    "__ow_method",
    "__ow_headers",
    "__ow_path",
    "__ow_user",
    "__ow_query",
    "__ow_body",
];

/// What an action is told of a request.
#[derive(Debug)]
pub(super) struct Arguments<'a> {
    request: &'a Request,
    /// The media type of the body; `None` if there is neither a body nor a type.
    media_type: Option<MediaType>,
    content: Content,
}

/// Query and body, as far as they are taken apart.
#[derive(Debug, PartialEq, Eq)]
enum Content {
    /// Parameters of the query under members of the body, and a body that is no object.
    Parsed {
        parameters: Members,
        body: Option<Json>,
    },
    /// As they came, for actions that are `raw-http`.
    Raw { body: String },
}

/// Whether an action takes query and body as they come (annotation `raw-http`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handling {
    Parsed,
    Raw,
}

impl<'a> Arguments<'a> {
    /// Reads query and body.
    pub(super) fn read(request: &'a Request, handling: Handling) -> Result<Self, ApiError> {
        let media_type = media_type(request);
        let content = match handling {
            Handling::Raw => Content::Raw {
                body: media_type
                    .as_ref()
                    .map(|media_type| opaque(media_type, &request.body))
                    .unwrap_or_default(),
            },
            Handling::Parsed => parsed(request, media_type.as_ref())?,
        };
        Ok(Self {
            request,
            media_type,
            content,
        })
    }

    /// True if the caller gives an argument that is reserved or that `is_final` refuses.
    pub(super) fn overrides(&self, is_final: impl Fn(&str) -> bool) -> bool {
        match &self.content {
            Content::Raw { .. } => false,
            Content::Parsed { parameters, .. } => parameters
                .iter()
                .any(|(name, _)| RESERVED.contains(&name) || is_final(name)),
        }
    }

    /// Returns the object for the action. `rest` is the path behind the action's name, `caller` the namespace of who
    /// sent valid credentials.
    pub(super) fn to_json(&self, rest: &str, caller: Option<&str>) -> Json {
        let method = self.request.method.as_str().to_ascii_lowercase();
        let mut members = vec![
            ("__ow_method", Json::from(method.as_str())),
            ("__ow_headers", self.headers()),
            ("__ow_path", Json::from(rest)),
        ];
        members.extend(caller.map(|caller| ("__ow_user", Json::from(caller))));
        let mut given = None;
        match &self.content {
            Content::Parsed { parameters, body } => {
                members.extend(body.clone().map(|body| ("__ow_body", body)));
                given = Some(parameters.clone());
            }
            Content::Raw { body } => {
                let query = self.request.query.render();
                members.push(("__ow_query", Json::from(query.as_str())));
                members.push(("__ow_body", Json::from(body.as_str())));
            }
        }
        let own: Members = members
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        own.merged(given.unwrap_or_default()).to_json()
    }

    /// The headers as an object; of equal names the last counts.
    fn headers(&self) -> Json {
        let hidden = [
            header::CONTENT_TYPE,
            header::CONTENT_LENGTH,
            header::TRANSFER_ENCODING,
            EXTRA_LOGGING,
        ];
        let sent = self.request.headers.iter();
        let shown = sent.filter(|(name, _)| !hidden.contains(name));
        let shown = shown.map(|(name, value)| {
            let value = header_text(value.as_bytes());
            (name.as_str().to_owned(), Json::from(value.as_ref()))
        });
        let content_type = self.media_type.as_ref().map(|media_type| {
            let value = Json::from(media_type.shown().as_str());
            (header::CONTENT_TYPE.as_str().to_owned(), value)
        });
        shown.chain(content_type).collect::<Members>().to_json()
    }
}

/// Decodes a header's value: UTF-8 if it is that, else ISO 8859-1.
fn header_text(value: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(value) {
        Ok(text) => text.into(),
        Err(_) => value.iter().copied().map(char::from).collect(),
    }
}

/// The media type of a body: the declared one if it can be read; bytes of no type are octets.
fn media_type(request: &Request) -> Option<MediaType> {
    let declared = request.headers.get(header::CONTENT_TYPE);
    let declared = declared.and_then(|value| MediaType::parse(value.to_str().ok()?));
    declared.or_else(|| (!request.body.is_empty()).then(MediaType::octets))
}

fn parsed(request: &Request, media_type: Option<&MediaType>) -> Result<Content, ApiError> {
    let query = fields(&request.query);
    let mut content = Content::Parsed {
        parameters: query.clone(),
        body: None,
    };
    match media_type {
        None => {}
        Some(media_type) if media_type.is_json_family() && request.body.is_empty() => {}
        Some(media_type) if media_type.is_json_family() => {
            let value = Json::parse(&request.body)
                .map_err(|error| ApiError::malformed(&error.to_string()))?;
            content = match value.members() {
                Some(members) => Content::Parsed {
                    parameters: query.merged(members),
                    body: None,
                },
                None => Content::Parsed {
                    parameters: query,
                    body: Some(value),
                },
            };
        }
        Some(media_type) if media_type.is_form() => {
            let form = Query::parse(Some(&String::from_utf8_lossy(&request.body)));
            content = Content::Parsed {
                parameters: query.merged(fields(&form)),
                body: None,
            };
        }
        Some(media_type) => {
            let body = Json::from(opaque(media_type, &request.body).as_str());
            content = Content::Parsed {
                parameters: query,
                body: Some(body),
            };
        }
    }
    Ok(content)
}

/// Query or form as strings; of equal names the last counts.
fn fields(query: &Query) -> Members {
    query
        .pairs()
        .map(|(name, value)| (name.to_owned(), Json::from(value)))
        .collect()
}

/// A body that is not looked into: texts as they are, all else in base64; so is `application/json`, since ever.
fn opaque(media_type: &MediaType, body: &Bytes) -> String {
    if media_type.is_text() && !media_type.is_json() {
        String::from_utf8_lossy(body).into_owned()
    } else {
        STANDARD.encode(body)
    }
}

#[cfg(test)]
mod tests;
