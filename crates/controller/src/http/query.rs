//! Query parameters.

use std::borrow::Cow;

use http::StatusCode;

use super::ApiError;
use super::target::{is_path_byte, percent_decode, push_escape};
use crate::messages;

/// The parameters of a query string or form, decoded. A name may stand without `=` and value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, Option<String>)>);

impl Query {
    pub(crate) fn parse(text: Option<&str>) -> Self {
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return Self::default();
        };
        let decode = |part: &str| -> String {
            let spaced: Cow<'_, str> = if part.contains('+') {
                part.replace('+', " ").into()
            } else {
                part.into()
            };
            percent_decode(&spaced).into_owned()
        };
        let pair = |part: &str| {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (part, None),
            };
            (decode(name), value.map(decode))
        };
        Self(text.split('&').map(pair).collect())
    }

    /// Iterates over all parameters in order; a missing value is empty.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_deref().unwrap_or_default()))
    }

    /// Writes the query string anew, blanks as `+`.
    pub(crate) fn render(&self) -> String {
        let mut out = String::new();
        for (index, (name, value)) in self.0.iter().enumerate() {
            if index > 0 {
                out.push('&');
            }
            push_encoded(&mut out, name);
            if let Some(value) = value {
                out.push('=');
                push_encoded(&mut out, value);
            }
        }
        out
    }

    /// Returns the first value of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs()
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value)
    }

    /// Reads a flag; absent or empty is the default. Source: rest-api §6.1.
    pub(crate) fn flag(&self, name: &str, default: bool) -> Result<bool, ApiError> {
        let value = self.get(name).unwrap_or_default().to_lowercase();
        match value.as_str() {
            "" => Ok(default),
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err(bad(
                name,
                &format!("'{value}' is not a valid Boolean value"),
            )),
        }
    }
}

/// Escapes what may not stand in a name or value of a query.
fn push_encoded(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'?' | b'/' => out.push(char::from(byte)),
            b'&' | b'=' | b';' | b'+' => push_escape(out, byte),
            _ if is_path_byte(byte) => out.push(char::from(byte)),
            _ => push_escape(out, byte),
        }
    }
}

fn bad(name: &str, detail: &str) -> ApiError {
    ApiError::rejection(
        StatusCode::BAD_REQUEST,
        messages::bad_parameter(name, detail),
    )
}

/// The parameters that all lists have. Source: rest-api §6.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ListQuery {
    /// At most how many; 1 to 200.
    pub(crate) limit: u32,
    /// How many to leave out.
    pub(crate) skip: u32,
    /// Whether to count only.
    pub(crate) count: bool,
}

const DEFAULT_LIMIT: i32 = 30;
const MAX_LIMIT: i32 = 200;

impl ListQuery {
    pub(crate) fn of(query: &Query, collection: &str) -> Result<Self, ApiError> {
        let integer = |name: &str, default: i32| match query.get(name) {
            None => Ok(default),
            Some(text) => text.parse::<i32>().map_err(|_| {
                bad(
                    name,
                    &format!("The value '{text}' is not an integer for {collection}."),
                )
            }),
        };
        let skip = integer("skip", 0)?;
        let skip = u32::try_from(skip).map_err(|_| {
            bad(
                "skip",
                &format!("The value '{skip}' is not greater than or equal to 0 for {collection}."),
            )
        })?;
        let limit = integer("limit", DEFAULT_LIMIT)?;
        let limit = match u32::try_from(limit) {
            Ok(0) => MAX_LIMIT.unsigned_abs(),
            Ok(limit) if limit <= MAX_LIMIT.unsigned_abs() => limit,
            _ => {
                let text = format!(
                    "The value '{limit}' is not in the range of 0 to {MAX_LIMIT} for {collection}."
                );
                return Err(bad("limit", &text));
            }
        };
        Ok(Self {
            limit,
            skip,
            count: query.flag("count", false)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// rest-api §6.1: four words for each, in any case; no value means the default, whichever that is.
    #[test]
    fn flags_are_read_from_the_words_for_yes_and_no() {
        for (text, expected) in [
            ("f=true&f=false", Ok(Some(true))),
            ("f=YES", Ok(Some(true))),
            ("f=On", Ok(Some(true))),
            ("f=1", Ok(Some(true))),
            ("f=False", Ok(Some(false))),
            ("f=no", Ok(Some(false))),
            ("f=OFF", Ok(Some(false))),
            ("f=0", Ok(Some(false))),
            ("f", Ok(None)),
            ("f=", Ok(None)),
            ("g=true&F=true", Ok(None)),
            ("f=Maybe", Err("maybe")),
            ("f=t", Err("t")),
            ("f=%20true", Err(" true")),
        ] {
            let query = Query::parse(Some(text));
            for default in [true, false] {
                let found = query.flag("f", default).map_err(|error| error.message);
                let expected = match expected {
                    Ok(value) => Ok(value.unwrap_or(default)),
                    Err(value) => Err(format!(
                        "The query parameter 'f' was malformed:\n'{value}' is not a valid Boolean value"
                    )),
                };
                assert_eq!(found, expected, "{text}");
            }
        }
    }

    /// invocation §9.5; recordings `web/raw-query`, `web/arguments-query-forms`.
    #[test]
    fn queries_are_written_anew() {
        let query = Query::parse(Some("a=1&a=2&b&c=&d=%20+e&%c3%a9=x"));
        assert_eq!(query.render(), "a=1&a=2&b&c=&d=++e&%C3%A9=x");
        let pairs: Vec<_> = query.pairs().collect();
        assert_eq!(
            pairs,
            [
                ("a", "1"),
                ("a", "2"),
                ("b", ""),
                ("c", ""),
                ("d", "  e"),
                ("é", "x")
            ]
        );
    }

    /// rest-api §6.2; recordings `actions-read/list-*`.
    #[test]
    fn lists_are_bounded() {
        let list = |text| {
            ListQuery::of(&Query::parse(Some(text)), "actions").map_err(|error| error.message)
        };
        assert_eq!(
            list("limit=0&skip=2"),
            Ok(ListQuery {
                limit: 200,
                skip: 2,
                count: false
            })
        );
        assert_eq!(
            list("limit=%2B5&count=YES"),
            Ok(ListQuery {
                limit: 5,
                skip: 0,
                count: true
            })
        );
        for (text, detail) in [
            (
                "limit=201",
                "'limit' was malformed:\nThe value '201' is not in the range of 0 to 200 for actions.",
            ),
            (
                "limit=+5",
                "'limit' was malformed:\nThe value ' 5' is not an integer for actions.",
            ),
            (
                "skip=-5&limit=500",
                "'skip' was malformed:\nThe value '-5' is not greater than or equal to 0 for actions.",
            ),
            (
                "count=many",
                "'count' was malformed:\n'many' is not a valid Boolean value",
            ),
        ] {
            assert_eq!(list(text), Err(format!("The query parameter {detail}")));
        }
    }
}
