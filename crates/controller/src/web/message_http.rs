//! Answers that an action describes itself: `{"statusCode", "headers", "body"}`. Source: invocation §9.8.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderName, HeaderValue, StatusCode, header};
use oxwhisk_entity::json::{JsonKind, Members};
use oxwhisk_entity::{Json, is_binary_code};

use super::media::MediaType;
use super::projection::{Projection, ProjectionError};
use crate::http::Entity;

const INVALID: ProjectionError = ProjectionError::Invalid("message/http");

/// Headers that the server writes itself.
const OWN: [HeaderName; 5] = [
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::SERVER,
    header::DATE,
];

/// Header lines of one answer; more than any client reads.
const MOST_LINES: usize = 4096;
/// How deep arrays of a header's values may be nested.
const MOST_NESTED: usize = 16;

/// Takes what Java's decoder takes: padding may be missing, and what is over in the last letter does not count.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Reads the description of an answer.
pub(super) fn read(value: &Json) -> Result<Projection, ProjectionError> {
    let members = value.members().ok_or(INVALID)?;
    let headers = members.get("headers").map(Headers::read).transpose()?;
    let Headers { lines, declared } = headers.unwrap_or_default();
    let stated = members.get("statusCode").map(status).transpose()?;
    let entity = entity(&members, declared.as_deref())?;
    let default = match entity {
        Entity::Empty => StatusCode::NO_CONTENT,
        _ => StatusCode::OK,
    };
    let status = stated.unwrap_or(default);
    Ok(Projection {
        status,
        headers: lines,
        entity: if allows_entity(status) {
            entity
        } else {
            Entity::Empty
        },
    })
}

fn allows_entity(status: StatusCode) -> bool {
    !matches!(
        status,
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
    )
}

/// Reads a status: a whole number, or a string of one. Interim ones (1xx) would leave the request unanswered.
fn status(value: &Json) -> Result<StatusCode, ProjectionError> {
    let number = match value.kind() {
        JsonKind::Number => whole_number(value.text()),
        JsonKind::String => value.as_str().and_then(|text| text.parse::<i32>().ok()),
        JsonKind::Null | JsonKind::Bool | JsonKind::Array | JsonKind::Object => None,
    };
    number
        .filter(|number| (200..600).contains(number))
        .and_then(|number| u16::try_from(number).ok())
        .and_then(|number| StatusCode::from_u16(number).ok())
        .ok_or(INVALID)
}

/// Reads `201`, `201.0` and `2.01E+2`.
fn whole_number(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let number: f64 = text.parse().ok()?;
    if number.fract() == 0.0 && (0.0..1000.0).contains(&number) {
        format!("{number:.0}").parse().ok()
    } else {
        None
    }
}

/// The headers of a description.
#[derive(Debug, Default)]
struct Headers {
    lines: Vec<(HeaderName, HeaderValue)>,
    /// The media type of the body, which goes with the entity.
    declared: Option<String>,
}

impl Headers {
    fn read(value: &Json) -> Result<Self, ProjectionError> {
        let mut headers = Self::default();
        for (name, value) in value.members().ok_or(INVALID)?.iter() {
            headers.take(name, value, 0)?;
        }
        Ok(headers)
    }

    /// Takes one member: a text, or an array of such, nested or not, with a line for each.
    fn take(&mut self, name: &str, value: &Json, depth: usize) -> Result<(), ProjectionError> {
        match value.kind() {
            JsonKind::String => self.line(name, &value.as_str().unwrap_or_default()),
            JsonKind::Number | JsonKind::Bool => self.line(name, value.text()),
            JsonKind::Array if depth == MOST_NESTED => Err(INVALID),
            JsonKind::Array => value
                .elements()
                .unwrap_or_default()
                .iter()
                .try_for_each(|element| self.take(name, element, depth + 1)),
            JsonKind::Null | JsonKind::Object => Err(INVALID),
        }
    }

    /// Adds a line; what the server writes itself, what has no name and what would break the line is dropped.
    fn line(&mut self, name: &str, value: &str) -> Result<(), ProjectionError> {
        if name.is_empty() {
            return Ok(());
        }
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| INVALID)?;
        if name == header::CONTENT_TYPE {
            self.declared.get_or_insert_with(|| value.to_owned());
            return Ok(());
        }
        if let Ok(value) = HeaderValue::from_bytes(&on_the_wire(value))
            && !OWN.contains(&name)
        {
            if self.lines.len() == MOST_LINES {
                return Err(INVALID);
            }
            self.lines.push((name, value));
        }
        Ok(())
    }
}

/// Encodes a header's value in ISO 8859-1, as the original does, or in UTF-8 if it has other characters.
fn on_the_wire(value: &str) -> Vec<u8> {
    let latin: Option<Vec<u8>> = value.chars().map(|c| u8::try_from(c).ok()).collect();
    latin.unwrap_or_else(|| value.as_bytes().to_owned())
}

/// Makes the entity of the member `body`.
fn entity(members: &Members, declared: Option<&str>) -> Result<Entity, ProjectionError> {
    let Some(body) = members.get_some("body") else {
        return Ok(Entity::Empty);
    };
    match body.as_str() {
        Some(text) if text.is_empty() => Ok(Entity::Empty),
        Some(text) => of_string(&text, declared),
        None => of_json(body, declared),
    }
}

fn of_string(text: &str, declared: Option<&str>) -> Result<Entity, ProjectionError> {
    let declared = declared.unwrap_or("text/html");
    let media_type = MediaType::parse(declared).ok_or(ProjectionError::TypeUnknown)?;
    // JSON that looks like base64 is decoded as well, since ever.
    let is_plain = media_type.is_text() && !(media_type.is_json_family() && is_binary_code(text));
    if is_plain {
        return Ok(Entity::Typed {
            media_type: media_type.as_utf8(),
            text: text.to_owned(),
        });
    }
    let bytes = decoded(text).ok_or(ProjectionError::TypeMismatch)?;
    Ok(Entity::Binary {
        media_type: media_type.as_utf8(),
        bytes: bytes.into(),
    })
}

fn of_json(body: &Json, declared: Option<&str>) -> Result<Entity, ProjectionError> {
    let Some(declared) = declared else {
        return Ok(Entity::pretty_json("application/json", body));
    };
    match MediaType::parse(declared) {
        Some(media_type) if media_type.is_json_family() => {
            Ok(Entity::pretty_json(media_type.essence(), body))
        }
        Some(_) | None => Err(ProjectionError::TypeMismatch),
    }
}

/// Decodes base64; padding that is there must be whole.
fn decoded(text: &str) -> Option<Vec<u8>> {
    if text.ends_with('=') && !text.len().is_multiple_of(4) {
        return None;
    }
    BASE64.decode(text).ok()
}

#[cfg(test)]
mod tests;
