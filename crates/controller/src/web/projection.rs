//! From the result of an action to the answer, by the extension of the path. Source: invocation §9.6–9.7.

use http::{HeaderName, HeaderValue, StatusCode};
use oxwhisk_entity::Json;
use oxwhisk_entity::json::JsonKind;

use super::message_http;
use super::path::Extension;
use crate::http::{ApiError, Entity, pretty};
use crate::messages;

/// An answer as an action wants it.
#[derive(Debug)]
pub(super) struct Projection {
    pub(super) status: StatusCode,
    /// In order; a name may come more than once.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) entity: Entity,
}

/// Why a result makes no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProjectionError {
    /// It cannot be shown as this media type.
    Invalid(&'static str),
    /// It lacks the member that is asked for.
    PropertyMissing,
    /// The media type that it declares cannot be read.
    TypeUnknown,
    /// The media type that it declares does not go with its body.
    TypeMismatch,
}

/// Makes an answer of a value.
pub(super) fn project(extension: Extension, value: &Json) -> Result<Projection, ProjectionError> {
    let entity = match extension {
        Extension::Http => return message_http::read(value),
        Extension::Json => json(value),
        Extension::Html => html(value),
        Extension::Svg => svg(value),
        Extension::Text => text(value),
    }?;
    Ok(Projection {
        status: StatusCode::OK,
        headers: Vec::new(),
        entity,
    })
}

fn json(value: &Json) -> Result<Entity, ProjectionError> {
    match value.kind() {
        JsonKind::Object | JsonKind::Array => Ok(Entity::pretty_json("application/json", value)),
        JsonKind::Null | JsonKind::Bool | JsonKind::Number | JsonKind::String => {
            Err(ProjectionError::Invalid("application/json"))
        }
    }
}

fn html(value: &Json) -> Result<Entity, ProjectionError> {
    let text = string_of(value, "html").ok_or(ProjectionError::Invalid("text/html"))?;
    Ok(Entity::Typed {
        media_type: "text/html; charset=UTF-8".to_owned(),
        text,
    })
}

fn svg(value: &Json) -> Result<Entity, ProjectionError> {
    let text = string_of(value, "svg").ok_or(ProjectionError::Invalid("image/svg+xml"))?;
    Ok(Entity::Binary {
        media_type: "image/svg+xml".to_owned(),
        bytes: text.into(),
    })
}

fn text(value: &Json) -> Result<Entity, ProjectionError> {
    let value = member_of(value, "text").ok_or(ProjectionError::PropertyMissing)?;
    let text = match value.kind() {
        JsonKind::String => value.as_str().unwrap_or_default().into_owned(),
        JsonKind::Object | JsonKind::Array => pretty(&value),
        JsonKind::Null | JsonKind::Bool | JsonKind::Number => value.text().to_owned(),
    };
    Ok(Entity::Text(text))
}

/// Returns `body` or else the named member of an object; anything but an object itself.
fn member_of(value: &Json, name: &str) -> Option<Json> {
    match value.members() {
        Some(members) => members.get("body").or_else(|| members.get(name)).cloned(),
        None => Some(value.clone()),
    }
}

fn string_of(value: &Json, name: &str) -> Option<String> {
    let value = member_of(value, name)?;
    value.as_str().map(std::borrow::Cow::into_owned)
}

impl From<ProjectionError> for ApiError {
    fn from(error: ProjectionError) -> Self {
        let (status, message) = match error {
            ProjectionError::Invalid(media_type) => (
                StatusCode::BAD_REQUEST,
                messages::web_media_invalid(media_type),
            ),
            ProjectionError::PropertyMissing => (
                StatusCode::NOT_FOUND,
                messages::WEB_PROPERTY_MISSING.to_owned(),
            ),
            ProjectionError::TypeUnknown => (
                StatusCode::BAD_REQUEST,
                messages::WEB_TYPE_UNKNOWN.to_owned(),
            ),
            ProjectionError::TypeMismatch => (
                StatusCode::BAD_REQUEST,
                messages::WEB_TYPE_MISMATCH.to_owned(),
            ),
        };
        Self::new(status, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(extension: Extension, text: &str) -> String {
        let value = Json::from_canonical(text.to_owned());
        match project(extension, &value) {
            Ok(projection) => match projection.entity {
                Entity::Typed { media_type, text } => format!("{media_type} {text}"),
                Entity::Binary { media_type, bytes } => {
                    format!("{media_type} {}", String::from_utf8_lossy(&bytes))
                }
                Entity::Text(text) => format!("text {text}"),
                other => format!("{other:?}"),
            },
            Err(error) => ApiError::from(error).message,
        }
    }

    /// invocation §9.7; recordings `web-results/projection-*`, `web-results/outcome-application-error-*`.
    #[test]
    fn the_extension_says_what_is_shown() {
        use Extension::{Html, Json, Svg, Text};
        for (extension, value, answer) in [
            (Json, "{\"body\":1}", "application/json {\n  \"body\": 1\n}"),
            (Json, "[1,2]", "application/json [1, 2]"),
            (Json, "\"bad\"", "Response is not valid 'application/json'."),
            (
                Html,
                "{\"body\":\"b\",\"html\":\"h\"}",
                "text/html; charset=UTF-8 b",
            ),
            (Html, "{\"html\":\"h\"}", "text/html; charset=UTF-8 h"),
            (Html, "{\"html\":{}}", "Response is not valid 'text/html'."),
            (
                Html,
                "{\"body\":null,\"html\":\"h\"}",
                "Response is not valid 'text/html'.",
            ),
            (Html, "\"bad\"", "text/html; charset=UTF-8 bad"),
            (Svg, "{\"svg\":\"<svg/>\"}", "image/svg+xml <svg/>"),
            (Svg, "{}", "Response is not valid 'image/svg+xml'."),
            (Text, "{\"text\":\"\"}", "text "),
            (Text, "{\"body\":{\"a\":1}}", "text {\n  \"a\": 1\n}"),
            (Text, "{\"body\":null}", "text null"),
            (Text, "{\"body\":5.0}", "text 5.0"),
            (Text, "418", "text 418"),
            (Text, "{}", "Response does not include requested property."),
        ] {
            assert_eq!(shown(extension, value), answer, "{extension:?} {value}");
        }
    }
}
