//! A JSON value that keeps what a comparison of answers must see: the order of members and the form
//! of numbers (`5` is not `5.0`, and forty digits stay forty digits).
//!
//! `serde_json` offers the same with its feature `arbitrary_precision`, but features are shared by
//! all crates of a build, and that one changes how the server itself treats numbers.

mod number;
mod print;

use std::fmt;

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

pub use number::Number;

/// Members of an object in the order of the source; of members with one name the last value counts.
pub type Object = IndexMap<String, Json>;

/// How deep arrays and objects may be nested.
const MAX_DEPTH: usize = 500;

/// Reports a text that is not JSON or is nested too deep.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// The text breaks the grammar.
    #[error("not JSON")]
    Syntax(#[from] serde_json::Error),
    /// The value is nested deeper than this module follows.
    #[error("JSON nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
}

/// One JSON value.
///
/// Two values are equal if their types and contents are: the order of members does not matter,
/// integers are compared digit by digit, and an integer never equals a fraction.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, in the form in which it was written.
    Number(Number),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object.
    Object(Object),
}

impl Json {
    /// Parses a text that holds one JSON value.
    ///
    /// # Errors
    /// [`JsonError`] if the text is not JSON or is nested too deep.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        decode(serde_json::from_str::<&RawValue>(text)?, 0)
    }

    /// Returns the text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// Returns the members of an object.
    #[must_use]
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(members) => Some(members),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) | Self::Array(_) => None,
        }
    }

    /// Returns whether the value is a whole number written without fraction and exponent.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        matches!(self, Self::Number(number) if number.is_integer())
    }

    /// Returns the number of elements, members or characters; `None` for other values.
    #[must_use]
    pub fn length(&self) -> Option<usize> {
        match self {
            Self::String(text) => Some(text.chars().count()),
            Self::Array(elements) => Some(elements.len()),
            Self::Object(members) => Some(members.len()),
            Self::Null | Self::Bool(_) | Self::Number(_) => None,
        }
    }

    /// Returns the value at a dotted path such as `logs.0` or `logs.-1` (the last element).
    #[must_use]
    pub fn lookup(&self, path: &str) -> Option<&Self> {
        path.split('.').try_fold(self, |value, part| match value {
            Self::Array(elements) => elements.get(position(part, elements.len())?),
            Self::Object(members) => members.get(part),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) => None,
        })
    }

    /// Applies `change` to the value at `path`, whose part `*` stands for every element or member.
    /// A path that leads nowhere changes nothing.
    pub fn change_at(&mut self, path: &[&str], change: &mut dyn FnMut(&mut Self)) {
        let Some((part, rest)) = path.split_first() else {
            return change(self);
        };
        match self {
            Self::Array(elements) if *part == "*" => {
                elements
                    .iter_mut()
                    .for_each(|element| element.change_at(rest, change));
            }
            Self::Array(elements) => {
                let place = part
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| elements.get_mut(index));
                place
                    .into_iter()
                    .for_each(|element| element.change_at(rest, change));
            }
            Self::Object(members) if *part == "*" => {
                members
                    .values_mut()
                    .for_each(|member| member.change_at(rest, change));
            }
            Self::Object(members) => {
                members
                    .get_mut(*part)
                    .into_iter()
                    .for_each(|member| member.change_at(rest, change));
            }
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) => {}
        }
    }

    /// Writes the value without blanks: the form in which bodies are sent.
    #[must_use]
    pub fn to_compact(&self) -> String {
        print::Printer::COMPACT.print(self)
    }

    /// Writes the value with a blank after each comma and colon: the form for people.
    #[must_use]
    pub fn to_spaced(&self) -> String {
        print::Printer::SPACED.print(self)
    }

    /// Writes the value in ASCII, with blanks after commas and colons.
    #[must_use]
    pub fn to_ascii(&self) -> String {
        print::Printer::ASCII.print(self)
    }

    /// Writes the value in ASCII with the members of objects in order of their names, so that equal
    /// values read the same. Arrays whose order means nothing are sorted by this text.
    #[must_use]
    pub fn to_sort_key(&self) -> String {
        print::Printer::SORT_KEY.print(self)
    }
}

/// The index that a part of a path means in an array of that length; negative ones count from the end.
fn position(part: &str, length: usize) -> Option<usize> {
    let index = part.parse::<isize>().ok()?;
    if index < 0 {
        length.checked_sub(index.unsigned_abs())
    } else {
        usize::try_from(index).ok()
    }
}

fn decode(raw: &RawValue, depth: usize) -> Result<Json, JsonError> {
    if depth > MAX_DEPTH {
        return Err(JsonError::TooDeep);
    }
    let text = raw.get();
    Ok(match text.as_bytes().first() {
        Some(b'{') => {
            let members = serde_json::from_str::<IndexMap<String, &RawValue>>(text)?;
            let decoded = members
                .into_iter()
                .map(|(name, member)| Ok((name, decode(member, depth + 1)?)));
            Json::Object(decoded.collect::<Result<Object, JsonError>>()?)
        }
        Some(b'[') => {
            let elements = serde_json::from_str::<Vec<&RawValue>>(text)?;
            let decoded = elements
                .into_iter()
                .map(|element| decode(element, depth + 1));
            Json::Array(decoded.collect::<Result<_, JsonError>>()?)
        }
        Some(b'"') => Json::String(serde_json::from_str(text)?),
        Some(b't' | b'f') => Json::Bool(serde_json::from_str(text)?),
        Some(b'n') => Json::Null,
        _ => Json::Number(Number::from_source(text)),
    })
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        decode(&Box::<RawValue>::deserialize(deserializer)?, 0).map_err(de::Error::custom)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_compact())
    }
}

#[cfg(test)]
mod tests;
