//! Query parameters.

use std::borrow::Cow;

use http::StatusCode;

use super::ApiError;
use super::target::percent_decode;
use crate::messages;

/// The parameters of a query string, decoded; the first of equal names counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

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
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(name), decode(value))
        };
        Self(text.split('&').map(pair).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
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

    /// Recordings `actions-read/list-*`.
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
