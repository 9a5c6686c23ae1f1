use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef";

fn response(kind: &str, content: &[u8]) -> Response {
    let headers = vec![
        ("content-type".to_owned(), kind.to_owned()),
        ("server".to_owned(), "x".to_owned()),
        ("x-openwhisk-activation-id".to_owned(), ID.to_owned()),
        ("set-cookie".to_owned(), "a=1".to_owned()),
        ("set-cookie".to_owned(), ID.to_owned()),
        ("x-request-id".to_owned(), "tid-1".to_owned()),
    ];
    Response {
        status: 200,
        headers,
        content: content.to_owned(),
    }
}

fn normal(hints: &str, response: &Response) -> Answer {
    let host = Host::new(
        "127.0.0.1:3233",
        "uuid-1:secret-of-guest",
        "uuid-2:hidden-word",
    )
    .unwrap();
    let mut variables = Variables::default();
    variables.set("uid", Json::from("u1234567"));
    let hints: Hints = serde_json::from_str(hints).unwrap();
    let hints = variables.hints(&hints);
    Normaliser::new(&host, &variables, &hints, Some("tid-1"))
        .unwrap()
        .answer(response)
}

/// The normalised body of a JSON answer as text.
#[track_caller]
fn body(hints: &str, source: &str) -> String {
    let answer = normal(hints, &response("application/json", source.as_bytes()));
    answer.body.expect("a JSON body").to_compact()
}

#[test]
fn values_give_way_to_placeholders_by_their_member() {
    let id = format!(r#"{{"activationId":"{ID}","cause":"{ID}","other":"{ID}","x":["{ID}"]}}"#);
    let table = [
        (
            id.as_str(),
            r#"{"activationId":"<activationId>","cause":"<activationId>","other":"<hex32>","x":["<hex32>"]}"#,
        ),
        (
            r#"{"start":1700000000000,"end":0,"updated":1700000000000}"#,
            r#"{"start":"<ms>","end":0,"updated":"<ms>"}"#,
        ),
        (
            r#"{"start":1700000000000.0,"x":1700000000000}"#,
            r#"{"start":1700000000000.0,"x":1700000000000}"#,
        ),
        (r#"{"duration":5}"#, r#"{"duration":"<duration>"}"#),
        (r#"{"duration":5.0}"#, r#"{"duration":5.0}"#),
        (
            r#"{"u1234567":{"code":"tid-1"}}"#,
            r#"{"{uid}":{"code":"<tid>"}}"#,
        ),
        (r#"[5,5.0,1E+3,true,null]"#, r#"[5,5.0,1E+3,true,null]"#),
    ];
    for (source, expected) in table {
        assert_eq!(body("{}", source), expected);
    }
}

#[test]
fn pairs_are_sorted_and_their_durations_replaced() {
    let source = r#"{"annotations":[{"key":"waitTime","value":7},{"value":[5],"key":"a"},{"key":"initTime","value":"7"}]}"#;
    let sorted = r#"{"annotations":[{"value":[5],"key":"a"},{"key":"initTime","value":"7"},{"key":"waitTime","value":"<duration>"}]}"#;
    assert_eq!(body("{}", source), sorted);
    let dropped =
        r#"{"annotations":[{"value":[5],"key":"a"},{"key":"waitTime","value":"<duration>"}]}"#;
    assert_eq!(
        body(r#"{"drop_annotations":["initTime"]}"#, source),
        dropped
    );
    let parameters = r#"{"parameters":[{"key":"initTime","value":null}]}"#;
    assert_eq!(
        body(r#"{"drop_annotations":["initTime"]}"#, parameters),
        parameters
    );
    let mixed = r#"{"annotations":[{"key":"b","value":1},{"key":"a"}]}"#;
    assert_eq!(body("{}", mixed), mixed);
}

#[test]
fn logs_are_kept_in_order_unless_they_are_json_or_the_hint_says_so() {
    let lines = r#"{"logs":["2024-01-02T03:04:05.123456789Z stdout: b","a"]}"#;
    assert_eq!(
        body("{}", lines),
        r#"{"logs":["<timestamp> stdout: b","a"]}"#
    );
    assert_eq!(
        body(r#"{"unordered_logs":true}"#, lines),
        r#"{"logs":["<timestamp> stdout: b","a"]}"#
    );
    assert_eq!(
        body(r#"{"unordered_logs":true}"#, r#"{"logs":["b","a"]}"#),
        r#"{"logs":["a","b"]}"#
    );
    assert_eq!(
        body(r#"{"last_log_only":true}"#, lines),
        r#"{"logs":["a"]}"#
    );
    assert_eq!(
        body(r#"{"last_log_only":true}"#, r#"{"logs":[]}"#),
        r#"{"logs":[]}"#
    );
    let json = format!(
        r#"{{"logs":["{{\"b\":1,\"activationId\":\"{ID}\"}}","{{\"a\":5}}","{{x","{ID}"]}}"#
    );
    let normalised = r#"{"logs":["<activationId>","{x",{"<json>":{"a":5}},{"<json>":{"b":1,"activationId":"<activationId>"}}]}"#;
    assert_eq!(body("{}", &json), normalised);
}

#[test]
fn bodies_are_json_text_or_bytes() {
    let json = normal(
        "{}",
        &response("application/hal+JSON; charset=x", br#"{"a":1}"#),
    );
    assert_eq!(json.body.unwrap().to_compact(), r#"{"a":1}"#);
    for (kind, content) in [
        ("text/plain", r#"{"a":1}"#),
        ("application/json", "{nope"),
        ("nonsense", "x"),
    ] {
        let answer = normal("{}", &response(kind, content.as_bytes()));
        assert_eq!(
            (answer.text.as_deref(), answer.body, answer.base64),
            (Some(content), None, None)
        );
    }
    for kind in ["application/json", "image/png"] {
        assert_eq!(
            normal("{}", &response(kind, &[0xff, 0])).base64.as_deref(),
            Some("/wA=")
        );
    }
    let empty = normal("{}", &response("application/json", b""));
    assert_eq!(empty.contents().count(), 0);
}

#[test]
fn headers_are_sorted_and_repeated_ones_listed() {
    let answer = normal(
        r#"{"drop_headers":["content-type"]}"#,
        &response("a/b", b""),
    );
    let expected = r#"{"set-cookie":["a=1","<hex32>"],"x-openwhisk-activation-id":"<activationId>","x-request-id":"<tid>"}"#;
    assert_eq!(Json::Object(answer.headers.unwrap()).to_compact(), expected);
}

#[test]
fn status_alone_is_left_when_nothing_else_counts() {
    let answer = normal(r#"{"status_only":true}"#, &response("a/b", b"x"));
    assert_eq!(answer.to_json().to_compact(), r#"{"status":200}"#);
}

#[test]
fn raw_text_keeps_number_forms_and_extract_takes_one_group() {
    let source = format!("{{\n  \"end\": 1700000000000,\n  \"n\": 1E+3, \"id\": \"{ID}\"}}");
    let raw = normal(
        r#"{"raw":true}"#,
        &response("application/json", source.as_bytes()),
    );
    assert_eq!(
        raw.text.unwrap(),
        "{\n  \"end\": <ms>,\n  \"n\": 1E+3, \"id\": \"<hex32>\"}"
    );
    let extract = r#"{"raw":true,"extract":"\"n\": ([^,]*),"}"#;
    let part = normal(extract, &response("application/json", source.as_bytes()));
    assert_eq!(part.text.as_deref(), Some("1E+3"));
    let missed = normal(
        r#"{"extract":"z(.)"}"#,
        &response("text/plain", br#""end":1700000000000"#),
    );
    assert_eq!(missed.text.as_deref(), Some(r#""end":1700000000000"#));
}

#[test]
fn hints_shape_the_body() {
    let list = r#"[{"name":"a-u1234567"},{"name":"other"}]"#;
    assert_eq!(body(r#"{"only":"{uid}"}"#, list), r#"[{"name":"a-{uid}"}]"#);
    assert_eq!(
        body(r#"{"only":"{uid}"}"#, r#"{"name":"other"}"#),
        r#"{"name":"other"}"#
    );
    let record = r#"{"a":{"b":[3,1,2]},"logs":["x","y"],"c":1}"#;
    let picked = body(r#"{"pick":["a.b","logs.-1","z"]}"#, record);
    assert_eq!(picked, r#"{"a.b":[3,1,2],"logs.-1":"y","z":"<absent>"}"#);
    assert_eq!(
        body(r#"{"sort":["a.b"]}"#, r#"{"a":{"b":[3,1,2]}}"#),
        r#"{"a":{"b":[1,2,3]}}"#
    );
    assert_eq!(body(r#"{"sort":[""]}"#, "[3,1,2]"), "[1,2,3]");
    let set = r#"{"set":{"body.a":"<int>","body.b.*.c":"<string>","body.d":"<int>","headers.set-cookie":"<array>"}}"#;
    assert_eq!(
        body(set, r#"{"a":1,"b":[{"c":"x"},{"c":2}],"d":"1"}"#),
        r#"{"a":"<int>","b":[{"c":"<string>"},{"c":2}],"d":"1"}"#
    );
    let headers = normal(set, &response("a/b", b"x")).headers.unwrap();
    assert_eq!(headers["set-cookie"], Json::from("<array>"));
}
