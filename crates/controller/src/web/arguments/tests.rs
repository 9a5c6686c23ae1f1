use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::*;
use crate::http::RequestId;

/// A `POST` with this query, content type (if it is not empty) and body.
fn request(query: &str, content_type: &'static str, body: &'static [u8]) -> Request {
    let mut headers = HeaderMap::new();
    if !content_type.is_empty() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    Request {
        origin: crate::serve::Origin::Client,
        method: Method::POST,
        query: Query::parse(Some(query)),
        headers,
        body: Bytes::from_static(body),
        id: RequestId::random(),
        start_ms: 0,
    }
}

/// What an action gets of a request, without method and path.
fn given(request: &Request, handling: Handling) -> String {
    let arguments = Arguments::read(request, handling).unwrap();
    let mut members = arguments.to_json("", None).members().unwrap();
    for name in ["__ow_method", "__ow_path", "__ow_headers"] {
        assert!(members.remove(name).is_some(), "{name}");
    }
    members.to_json().to_string()
}

/// invocation §9.5, the table of bodies; recordings `web/body-*`.
#[test]
fn bodies_are_taken_apart() {
    for (content_type, body, expected) in [
        ("", &b""[..], r#"{}"#),
        ("", b"some text", r#"{"__ow_body":"c29tZSB0ZXh0"}"#),
        ("nonsense", b"x", r#"{"__ow_body":"eA=="}"#),
        ("application/json", b"", r#"{}"#),
        ("application/json", b"{\"a\": 1.50}", r#"{"a":1.50}"#),
        ("application/json", b"[1, 2]", r#"{"__ow_body":[1,2]}"#),
        ("application/json", b"null", r#"{"__ow_body":null}"#),
        ("application/foo+json", b"{\"a\":1}", r#"{"a":1}"#),
        (
            "application/x-www-form-urlencoded",
            b"a=1&b=x+y&c=%C3%A9&a=2&d=&e",
            r#"{"a":"2","b":"x y","c":"é","d":"","e":""}"#,
        ),
        ("application/x-www-form-urlencoded", b"", r#"{}"#),
        (
            "text/plain; charset=iso-8859-1",
            b"plain \xe9",
            "{\"__ow_body\":\"plain \u{fffd}\"}",
        ),
        ("image/svg+xml", b"<svg/>", r#"{"__ow_body":"PHN2Zy8+"}"#),
        ("application/x-foo", b"x", r#"{"__ow_body":"eA=="}"#),
        (
            "application/x-foo; charset=utf-8",
            b"x",
            r#"{"__ow_body":"x"}"#,
        ),
    ] {
        let request = request("", content_type, body);
        assert_eq!(
            given(&request, Handling::Parsed),
            expected,
            "{content_type}"
        );
    }
}

/// invocation §9.5, last column; recordings `web/raw-body-*`, `web/raw-query`.
#[test]
fn raw_bodies_and_queries_are_left_as_they_are() {
    for (content_type, body, expected) in [
        ("", &b""[..], r#"{"__ow_query":"a=1&b","__ow_body":""}"#),
        (
            "application/json",
            b"{",
            r#"{"__ow_query":"a=1&b","__ow_body":"ew=="}"#,
        ),
        (
            "application/vnd.api+json",
            b"{}",
            r#"{"__ow_query":"a=1&b","__ow_body":"{}"}"#,
        ),
        (
            "application/foo+json",
            b"{}",
            r#"{"__ow_query":"a=1&b","__ow_body":"e30="}"#,
        ),
        (
            "application/x-www-form-urlencoded",
            b"x=%20",
            r#"{"__ow_query":"a=1&b","__ow_body":"x=%20"}"#,
        ),
    ] {
        let request = request("a=1&b", content_type, body);
        assert_eq!(given(&request, Handling::Raw), expected, "{content_type}");
    }
}

/// Recordings `web/arguments-query-forms`, `web/body-overrides-query`, `web/arguments-query-malformed`.
#[test]
fn members_of_the_body_win_over_the_query() {
    let body = request("a=q&b=1&b=2&&=x", "application/json", b"{\"a\":[1]}");
    assert_eq!(
        given(&body, Handling::Parsed),
        r#"{"a":[1],"b":"2","":"x"}"#
    );
}

/// Recordings `web/headers-duplicates`, `web/headers-request-id`, `web/user-is-shown-with-good-credentials`.
#[test]
fn the_request_is_described() {
    let mut request = request("", "application/json; charset=utf-8", b"{}");
    for (name, value) in [
        ("x-dup", "a"),
        ("x-dup", "b"),
        ("content-length", "2"),
        ("x-ow-extra-logging", "on"),
        ("x-request-id", "mine"),
    ] {
        let name = HeaderName::from_static(name);
        request
            .headers
            .append(name, HeaderValue::from_static(value));
    }
    let arguments = Arguments::read(&request, Handling::Parsed).unwrap();
    let members = arguments.to_json("/a%20b", Some("guest")).members();
    let members = members.unwrap();
    let shown = |name| members.get(name).map(Json::text).unwrap();
    assert_eq!(shown("__ow_method"), r#""post""#);
    assert_eq!(shown("__ow_path"), r#""/a%20b""#);
    assert_eq!(shown("__ow_user"), r#""guest""#);
    let mut headers = members.get("__ow_headers").unwrap().members().unwrap();
    let mut taken = |name| headers.remove(name).map(|value| value.to_string());
    assert_eq!(taken("x-dup").as_deref(), Some(r#""b""#));
    assert_eq!(taken("x-request-id").as_deref(), Some(r#""mine""#));
    assert_eq!(
        taken("content-type").as_deref(),
        Some(r#""application/json""#)
    );
    assert!(headers.is_empty(), "{headers:?}");
}

/// invocation §9.2 check 10; recordings `web/reserved-*`, `web/final-parameter`, `web/raw-does-not-check-reserved`.
#[test]
fn reserved_and_final_parameters_are_refused() {
    for (query, body, refused) in [
        ("__ow_method=x", &b"{}"[..], true),
        ("__ow_foo=x", b"{}", false),
        ("", b"{\"__ow_body\":1}", true),
        ("locked=x", b"{}", true),
        ("", b"{\"locked\":1}", true),
        ("", b"[\"locked\"]", false),
        ("a=1", b"{\"b\":2}", false),
    ] {
        let request = request(query, "application/json", body);
        let overrides = |handling| {
            let arguments = Arguments::read(&request, handling).unwrap();
            arguments.overrides(|name| name == "locked")
        };
        assert_eq!(overrides(Handling::Parsed), refused, "{query}");
        assert!(!overrides(Handling::Raw), "{query}");
    }
}
