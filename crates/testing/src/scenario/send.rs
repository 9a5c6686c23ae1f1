//! From a step's request to bytes, and waiting out rate limits.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{BodyText, HeaderValues, Host, Request, ScenarioError, Variables};
use crate::wire::{self, Response};

/// How long one answer may take; a blocking invocation takes up to a minute.
const PATIENCE: Duration = Duration::from_secs(100);
/// How often a request is sent while the namespace is throttled.
const ATTEMPTS: usize = 40;
/// Named in recorded answers that show the request's headers.
const USER_AGENT: &str = "ow-recorder/1";

/// Sends a request. A `429` is waited out unless it is `wanted`.
pub(super) async fn send(
    host: &Host,
    request: &Request,
    variables: &Variables,
    throttling_wanted: bool,
) -> Result<Response, ScenarioError> {
    let request = wire_request(host, &variables.request(request)?)?;
    let authority = host.authority();
    let mut attempt = 1;
    loop {
        let response = wire::exchange(&authority, &request, PATIENCE)
            .await
            .map_err(|source| {
                let target: String = request.target.chars().take(200).collect();
                ScenarioError::NoAnswer {
                    request: format!("{} {target}", request.method),
                    source,
                }
            })?;
        if response.status != 429 || throttling_wanted || attempt == ATTEMPTS {
            return Ok(response);
        }
        attempt += 1;
        tokio::time::sleep(pause(&response)).await;
    }
}

/// Until the next minute begins if the rate is exhausted, else until another activation may have ended.
fn pause(throttled: &Response) -> Duration {
    if !String::from_utf8_lossy(&throttled.content).contains("last minute") {
        return Duration::from_millis(1500);
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Duration::from_secs(60 - now.as_secs() % 60) + Duration::from_millis(200)
}

fn wire_request(host: &Host, request: &Request) -> Result<wire::Request, ScenarioError> {
    let target = target(request);
    if target.contains(|character: char| character.is_ascii_control() || character == ' ') {
        return Err(ScenarioError::Malformed(format!(
            "target `{target}` breaks the request line"
        )));
    }
    let (body, kind) = body(request)?;
    let own: Vec<(String, &HeaderValues)> = request
        .headers
        .iter()
        .map(|(name, values)| (name.to_lowercase(), values))
        .collect();
    let lacks = |name: &str| own.iter().all(|(found, _)| found != name);
    let mut headers = Vec::new();
    let mut add = |name: &str, value: String| headers.push((name.to_owned(), value));
    if lacks("host") {
        add("Host", host.authority());
    }
    if lacks("user-agent") {
        add("User-Agent", USER_AGENT.to_owned());
    }
    for (name, values) in &own {
        match values {
            HeaderValues::One(value) => add(name, value.clone()),
            HeaderValues::Several(values) => {
                values.iter().for_each(|value| add(name, value.clone()))
            }
        }
    }
    if let Some(authorization) = host
        .authorization(request.auth)
        .filter(|_| lacks("authorization"))
    {
        add("authorization", authorization);
    }
    if let Some(kind) = kind.filter(|_| lacks("content-type")) {
        add("content-type", kind.to_owned());
    }
    if body.is_some() || matches!(request.method.as_str(), "POST" | "PUT" | "PATCH") {
        add(
            "Content-Length",
            body.as_ref().map_or(0, Vec::len).to_string(),
        );
    }
    Ok(wire::Request {
        method: request.method.clone(),
        target,
        headers,
        body: body.unwrap_or_default(),
    })
}

/// The bytes of the body, and the content type that goes with them unless the step names one.
fn body(request: &Request) -> Result<(Option<Vec<u8>>, Option<&'static str>), ScenarioError> {
    if let Some(encoded) = &request.body_base64 {
        let bytes = STANDARD.decode(encoded);
        let bytes =
            bytes.map_err(|fault| ScenarioError::Malformed(format!("`body_base64`: {fault}")))?;
        return Ok((Some(bytes), None));
    }
    if let Some(BodyText::Whole(text)) = &request.body_text {
        return Ok((Some(text.clone().into_bytes()), None));
    }
    Ok(match &request.body {
        Some(value) => (
            Some(value.to_compact().into_bytes()),
            Some("application/json"),
        ),
        None => (None, None),
    })
}

fn target(request: &Request) -> String {
    if request.query.is_empty() {
        return request.path.clone();
    }
    let pairs: Vec<String> = request
        .query
        .iter()
        .map(|(name, value)| format!("{}={}", escaped(name), escaped(value)))
        .collect();
    let mark = if request.path.contains('?') { '&' } else { '?' };
    format!("{}{mark}{}", request.path, pairs.join("&"))
}

/// Escapes everything but unreserved characters, the slash included.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"_.-~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(request: &str) -> wire::Request {
        let host = Host::new("localhost:1", "u:s", "v:t").unwrap();
        let request = Variables::default()
            .request(&serde_json::from_str(request).unwrap())
            .unwrap();
        wire_request(&host, &request).unwrap()
    }

    fn heads(request: &wire::Request) -> Vec<String> {
        request
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect()
    }

    #[test]
    fn json_body_brings_its_content_type_and_every_request_its_key() {
        let request = sent(r#"{"method":"PUT","path":"/p","body":{"b":1.0,"a":["é"]}}"#);
        assert_eq!(request.body, r#"{"b":1.0,"a":["é"]}"#.as_bytes());
        let expected = [
            "Host: localhost:1",
            "User-Agent: ow-recorder/1",
            "authorization: Basic dTpz",
            "content-type: application/json",
            "Content-Length: 20",
        ];
        assert_eq!(heads(&request), expected);
    }

    #[test]
    fn headers_of_the_step_replace_those_of_the_client() {
        let request = sent(
            r#"{"method":"POST","path":"/p","headers":{"Host":"h","User-Agent":"me","AUTHORIZATION":"x",
                "Content-Type":"text/plain","X-A":["1","2"]},"body":{}}"#,
        );
        let expected = [
            "host: h",
            "user-agent: me",
            "authorization: x",
            "content-type: text/plain",
            "x-a: 1",
            "x-a: 2",
            "Content-Length: 2",
        ];
        assert_eq!(heads(&request), expected);
    }

    #[test]
    fn only_methods_with_a_body_state_the_length_of_an_empty_one() {
        for (method, stated) in [
            ("GET", false),
            ("DELETE", false),
            ("POST", true),
            ("PUT", true),
            ("PATCH", true),
        ] {
            let request = sent(&format!(
                r#"{{"method":"{method}","path":"/p","auth":"none"}}"#
            ));
            assert_eq!(
                heads(&request).contains(&"Content-Length: 0".to_owned()),
                stated,
                "{method}"
            );
        }
    }

    #[test]
    fn text_and_bytes_have_no_content_type_of_their_own() {
        let text = sent(r#"{"method":"PUT","path":"/p","body_text":"a=b"}"#);
        let bytes = sent(r#"{"method":"PUT","path":"/p","body_base64":"AP8="}"#);
        assert_eq!(
            (text.body.as_slice(), bytes.body.as_slice()),
            (&b"a=b"[..], &[0, 255][..])
        );
        assert!(
            heads(&text)
                .iter()
                .chain(&heads(&bytes))
                .all(|head| !head.starts_with("content-type"))
        );
    }

    #[test]
    fn target_that_would_break_the_request_line_is_refused() {
        let host = Host::new("localhost:1", "u:s", "v:t").unwrap();
        for path in ["/a b", "/a\nb"] {
            let request = Request {
                method: "GET".into(),
                path: path.into(),
                ..Request::default()
            };
            assert!(
                matches!(
                    wire_request(&host, &request),
                    Err(ScenarioError::Malformed(_))
                ),
                "{path:?}"
            );
        }
    }

    #[test]
    fn rate_is_waited_out_until_the_next_minute_and_concurrency_briefly() {
        let throttled = |text: &str| Response {
            status: 429,
            headers: Vec::new(),
            content: text.into(),
        };
        let brief = pause(&throttled(
            "Too many concurrent requests in flight (count: 31, allowed: 30).",
        ));
        assert_eq!(brief, Duration::from_millis(1500));
        let long = pause(&throttled(
            "Too many requests in the last minute (count: 61, allowed: 60).",
        ));
        assert!(
            long > Duration::from_secs(1) && long <= Duration::from_millis(60_200),
            "{long:?}"
        );
    }

    #[test]
    fn query_is_escaped_and_joined_to_that_of_the_path() {
        let table = [
            (
                r#"{"method":"GET","path":"/p?x=%zz","query":{"a b":"/é~"}}"#,
                "/p?x=%zz&a%20b=%2F%C3%A9~",
            ),
            (
                r#"{"method":"GET","path":"/p","query":{"a":"","b":"1"}}"#,
                "/p?a=&b=1",
            ),
            (r#"{"method":"GET","path":"/p","query":{}}"#, "/p"),
        ];
        for (request, target) in table {
            assert_eq!(sent(request).target, target);
        }
    }
}
