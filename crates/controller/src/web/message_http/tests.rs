use super::*;
use crate::http::ApiError;

/// An answer as text: status, content type, body; or the text of the error.
fn shown(text: &str) -> String {
    let value = Json::from_canonical(text.to_owned());
    match read(&value) {
        Ok(projection) => {
            let status = projection.status.as_u16();
            match projection.entity {
                Entity::Empty => format!("{status}"),
                Entity::Typed { media_type, text } => format!("{status} {media_type}: {text}"),
                Entity::Binary { media_type, bytes } => {
                    format!("{status} {media_type}: {bytes:?}")
                }
                other => format!("{status} {other:?}"),
            }
        }
        Err(error) => ApiError::from(error).message,
    }
}

fn lines(text: &str) -> Vec<String> {
    let value = Json::from_canonical(format!("{{\"headers\":{text}}}"));
    let headers = read(&value).unwrap().headers;
    headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect()
}

const BAD: &str = "Response is not valid 'message/http'.";
const MISMATCH: &str = "Response type in header did not match generated content type.";
const UNKNOWN: &str = "Response did not specify a known content-type.";

/// invocation §9.8; recordings `web-results/status-*`.
#[test]
fn statuses_are_numbers_from_200_to_599() {
    for (status, answer) in [
        ("200", "200 text/html; charset=UTF-8: x"),
        ("201.0", "201 text/html; charset=UTF-8: x"),
        ("4E+2", "400 text/html; charset=UTF-8: x"),
        ("\"201\"", "201 text/html; charset=UTF-8: x"),
        ("599", "599 text/html; charset=UTF-8: x"),
        ("204", "204"),
        ("304", "304"),
        ("100", BAD),
        ("99", BAD),
        ("600", BAD),
        ("-1", BAD),
        ("0", BAD),
        ("200.5", BAD),
        ("1E+400", BAD),
        ("null", BAD),
        ("true", BAD),
        ("{}", BAD),
        ("\"abc\"", BAD),
        ("\" 201 \"", BAD),
    ] {
        let value = format!("{{\"statusCode\":{status},\"body\":\"x\"}}");
        assert_eq!(shown(&value), answer, "{status}");
    }
    for (value, answer) in [
        ("{}", "204"),
        ("{\"statusCode\":200}", "200"),
        ("{\"statusCode\":404,\"body\":\"\"}", "404"),
        ("{\"body\":null}", "204"),
        ("5", BAD),
        ("\"bad\"", BAD),
    ] {
        assert_eq!(shown(value), answer, "{value}");
    }
}

/// invocation §9.8, the table of bodies; recordings `web-results/type-*`.
#[test]
fn the_declared_type_governs_the_body() {
    let string = "\"plain text, no base64\"";
    for (declared, body, answer) in [
        (
            "text/css",
            string,
            "200 text/css; charset=UTF-8: plain text, no base64",
        ),
        (
            "application/json",
            string,
            "200 application/json: plain text, no base64",
        ),
        (
            "application/json",
            "\"bWFpbg==\"",
            "200 application/json: b\"main\"",
        ),
        (
            "application/json; charset=utf-8",
            "{\"a\":1}",
            "200 application/json: {\n  \"a\": 1\n}",
        ),
        (
            "application/vnd.api+json",
            "\"bWFpbg==\"",
            "200 application/vnd.api+json: b\"main\"",
        ),
        ("application/hal+json", string, MISMATCH),
        (
            "application/hal+json",
            "\"bWFpbg==\"",
            "200 application/hal+json: b\"main\"",
        ),
        (
            "application/hal+json",
            "[1,2]",
            "200 application/hal+json: [1, 2]",
        ),
        ("image/png", string, MISMATCH),
        ("image/png", "\"bWFpbg==\"", "200 image/png: b\"main\""),
        ("image/png", "\"bWFpbg\"", "200 image/png: b\"main\""),
        ("image/png", "\"bWFpbg=\"", MISMATCH),
        ("image/png", "5", MISMATCH),
        ("image/svg+xml", "\"<svg/>\"", MISMATCH),
        ("text/html", "{\"a\":1}", MISMATCH),
        ("nonsense", string, UNKNOWN),
        ("", string, UNKNOWN),
        ("nonsense", "{}", MISMATCH),
        ("nonsense", "null", "204"),
    ] {
        let value = format!("{{\"headers\":{{\"Content-Type\":\"{declared}\"}},\"body\":{body}}}");
        assert_eq!(shown(&value), answer, "{declared} {body}");
    }
    assert_eq!(shown("{\"body\":5}"), "200 application/json: 5");
    let first = "{\"headers\":{\"content-type\":[\"text/plain\",\"text/css\"]},\"body\":\"x\"}";
    assert_eq!(shown(first), "200 text/plain; charset=UTF-8: x");
    let number = "{\"headers\":{\"content-type\":5},\"body\":\"x\"}";
    assert_eq!(shown(number), UNKNOWN);
}

/// invocation §9.8, observed.md; recordings `web-results/headers-*`.
#[test]
fn headers_are_lines() {
    for (headers, expected) in [
        (
            r#"{"X-One":"a","x-n":1.5,"x-b":true}"#,
            vec!["x-one: a", "x-n: 1.5", "x-b: true"],
        ),
        (
            r#"{"x-a":["1",["2",3],true]}"#,
            vec!["x-a: 1", "x-a: 2", "x-a: 3", "x-a: true"],
        ),
        (
            r#"{"x-a":[],"x-e":"","x-u":"é ☃"}"#,
            vec!["x-e: ", "x-u: é ☃"],
        ),
        (r#"{"":"b","x-a":"b\r\nx-c: d"}"#, vec![]),
        (
            r#"{"Content-Length":"99","transfer-encoding":"chunked","Server":"m","date":"d","connection":"close"}"#,
            vec![],
        ),
        (
            r#"{"content-type":"text/css","CONTENT-TYPE":"text/css"}"#,
            vec![],
        ),
    ] {
        assert_eq!(lines(headers), expected, "{headers}");
    }
    assert_eq!(on_the_wire("é"), [0xe9]);
    for bad in [
        r#""x""#,
        "null",
        "[]",
        "5",
        r#"{"x":null}"#,
        r#"{"x":{"b":1}}"#,
        r#"{"a b":"c"}"#,
    ] {
        let value = format!("{{\"headers\":{bad},\"body\":\"x\"}}");
        assert_eq!(shown(&value), BAD, "{bad}");
    }
}

#[test]
fn headers_without_measure_are_refused() {
    let many: Vec<String> = (0..5000).map(|n| format!("\"h{n}\":1")).collect();
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(5000), "]".repeat(5000));
    for headers in [format!("{{{}}}", many.join(",")), deep] {
        let text = format!("{{\"headers\":{headers},\"body\":\"x\"}}");
        assert_eq!(shown(&text), ApiError::from(INVALID).message);
    }
    assert_eq!(lines(r#"{"a":[[1,[2]]]}"#), ["a: 1", "a: 2"]);
}
