//! Says where an answer differs from the recorded one.

use super::Answer;
use crate::json::{Json, Object};

/// Headers that must not appear where the recording lacks them.
const TELLING_HEADERS: [&str; 6] = [
    "content-type",
    "location",
    "allow",
    "www-authenticate",
    "set-cookie",
    "retry-after",
];
const TELLING_PREFIXES: [&str; 2] = ["access-control-", "x-"];
/// Longest form of a value in a difference, in characters.
const SHORT: usize = 400;

/// Compares two normalised answers; each line names a place, what was expected there, and what was found.
#[must_use]
pub fn differences(expected: &Answer, actual: &Answer) -> Vec<String> {
    let mut found = Vec::new();
    if expected.status != actual.status {
        found.push(format!(
            "status: expected {}, got {}",
            expected.status, actual.status
        ));
    }
    let none = Object::new();
    if let Some(expected) = &expected.headers {
        headers(
            expected,
            actual.headers.as_ref().unwrap_or(&none),
            &mut found,
        );
    }
    for name in ["body", "text", "base64"] {
        let part = |answer: &Answer| {
            answer
                .contents()
                .find(|(part, _)| *part == name)
                .map(|(_, value)| value)
        };
        match (part(expected), part(actual)) {
            (Some(expected), Some(actual)) => values(&expected, &actual, name, &mut found),
            (Some(expected), None) => found.push(absent(name, &expected)),
            (None, Some(actual)) if expected.headers.is_some() => {
                found.push(surplus(name, &actual))
            }
            (None, Some(_) | None) => {}
        }
    }
    found
}

/// Writes a value for people, cut off after so many characters.
pub(super) fn short(value: &Json, limit: usize) -> String {
    let text = value.to_spaced();
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

fn absent(place: &str, expected: &Json) -> String {
    format!("{place}: expected {}, absent", short(expected, SHORT))
}

fn surplus(place: &str, actual: &Json) -> String {
    format!("{place}: not expected, got {}", short(actual, SHORT))
}

fn headers(expected: &Object, actual: &Object, found: &mut Vec<String>) {
    let counts = |name: &str| {
        expected.contains_key(name)
            || TELLING_HEADERS.contains(&name)
            || TELLING_PREFIXES
                .iter()
                .any(|prefix| name.starts_with(prefix))
    };
    let actual = actual.iter().filter(|(name, _)| counts(name));
    objects(
        expected,
        &actual
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        "headers",
        found,
    );
}

fn values(expected: &Json, actual: &Json, place: &str, found: &mut Vec<String>) {
    match (expected, actual) {
        (Json::Object(expected), Json::Object(actual)) => objects(expected, actual, place, found),
        (Json::Array(left), Json::Array(right)) if left.len() == right.len() => {
            for (index, (expected, actual)) in left.iter().zip(right).enumerate() {
                values(expected, actual, &format!("{place}.{index}"), found);
            }
        }
        (Json::Array(left), Json::Array(right)) => found.push(format!(
            "{place}: expected {} elements, got {}: {} / {}",
            left.len(),
            right.len(),
            short(expected, SHORT),
            short(actual, SHORT)
        )),
        _ if expected == actual => {}
        _ => found.push(format!(
            "{place}: expected {}, got {}",
            short(expected, SHORT),
            short(actual, SHORT)
        )),
    }
}

fn objects(expected: &Object, actual: &Object, place: &str, found: &mut Vec<String>) {
    for (name, value) in expected {
        let place = format!("{place}.{name}");
        match actual.get(name) {
            Some(actual) => values(value, actual, &place, found),
            None => found.push(absent(&place, value)),
        }
    }
    for (name, value) in actual
        .iter()
        .filter(|(name, _)| !expected.contains_key(name.as_str()))
    {
        found.push(surplus(&format!("{place}.{name}"), value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(expected: &str, actual: &str) -> Vec<String> {
        differences(
            &serde_json::from_str(expected).unwrap(),
            &serde_json::from_str(actual).unwrap(),
        )
    }

    #[test]
    fn each_difference_is_named_with_its_place() {
        let table = [
            (
                r#"{"status":200,"headers":{}}"#,
                r#"{"status":404,"headers":{}}"#,
                "status: expected 200, got 404",
            ),
            (
                r#"{"status":200,"headers":{},"body":{"a":{"b":[1,5]}}}"#,
                r#"{"status":200,"headers":{},"body":{"a":{"b":[1,5.0]}}}"#,
                "body.a.b.1: expected 5, got 5.0",
            ),
            (
                r#"{"status":200,"headers":{},"body":{"a":null}}"#,
                r#"{"status":200,"headers":{},"body":{}}"#,
                "body.a: expected null, absent",
            ),
            (
                r#"{"status":200,"headers":{},"body":{}}"#,
                r#"{"status":200,"headers":{},"body":{"a":null}}"#,
                "body.a: not expected, got null",
            ),
            (
                r#"{"status":200,"headers":{},"body":[1]}"#,
                r#"{"status":200,"headers":{},"body":[1,2]}"#,
                "body: expected 1 elements, got 2: [1] / [1, 2]",
            ),
            (
                r#"{"status":200,"headers":{},"body":{}}"#,
                r#"{"status":200,"headers":{},"body":[]}"#,
                "body: expected {}, got []",
            ),
            (
                r#"{"status":200,"headers":{}}"#,
                r#"{"status":200,"headers":{},"text":"x"}"#,
                r#"text: not expected, got "x""#,
            ),
            (
                r#"{"status":200,"headers":{},"body":null}"#,
                r#"{"status":200,"headers":{}}"#,
                "body: expected null, absent",
            ),
            (
                r#"{"status":200,"headers":{"content-type":"a"}}"#,
                r#"{"status":200,"headers":{"content-type":["a","a"]}}"#,
                r#"headers.content-type: expected "a", got ["a", "a"]"#,
            ),
            (
                r#"{"status":200,"headers":{"etag":"1"}}"#,
                r#"{"status":200,"headers":{}}"#,
                r#"headers.etag: expected "1", absent"#,
            ),
            (
                r#"{"status":200,"headers":{}}"#,
                r#"{"status":200,"headers":{"x-a":"1"}}"#,
                r#"headers.x-a: not expected, got "1""#,
            ),
        ];
        for (expected, actual, line) in table {
            assert_eq!(compared(expected, actual), [line]);
        }
    }

    #[test]
    fn order_of_members_and_headers_that_tell_nothing_do_not_differ() {
        let expected = r#"{"status":200,"headers":{},"body":{"a":1,"b":[{"c":1,"d":2}]}}"#;
        let actual = r#"{"status":200,"headers":{"etag":"1"},"body":{"b":[{"d":2,"c":1}],"a":1}}"#;
        assert_eq!(compared(expected, actual), [""; 0]);
    }

    #[test]
    fn status_alone_counts_where_only_it_was_recorded() {
        assert_eq!(
            compared(
                r#"{"status":200}"#,
                r#"{"status":200,"headers":{"x-a":"1"},"text":"x"}"#
            ),
            [""; 0]
        );
    }

    #[test]
    fn long_values_are_cut_off_between_characters() {
        let value = Json::String("é".repeat(500));
        assert_eq!(short(&value, 400), format!("\"{}…", "é".repeat(399)));
    }
}
