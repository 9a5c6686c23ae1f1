use bytes::Bytes;

use super::*;

const LIMIT_MS: u64 = 1000;

fn measured(took_ms: u64) -> Measured {
    Measured {
        took: Duration::from_millis(took_ms),
        time_limit_ms: LIMIT_MS,
        max: ByteSize::bytes(64),
    }
}

fn answer(status: u16, entity: &str) -> Result<Response, ContainerError> {
    Ok(Response {
        status,
        entity: Bytes::copy_from_slice(entity.as_bytes()),
        full_length: None,
    })
}

fn long(status: u16) -> Result<Response, ContainerError> {
    Ok(Response {
        status,
        entity: Bytes::from_static(b"{\"a\":\"xx"),
        full_length: Some(100),
    })
}

/// What is expected: status code, result, size, timed out.
type Expected<'a> = (u8, &'a str, Option<u64>, bool);

#[track_caller]
fn assert_over(outcome: Outcome, (code, result, size, late): Expected<'_>) {
    let Outcome::Over {
        response,
        timed_out,
    } = outcome
    else {
        panic!("not over: {outcome:?}");
    };
    assert_eq!(
        (
            response.status.code(),
            response.result.unwrap().text(),
            response.size,
            timed_out
        ),
        (code, result, size, late)
    );
}

const TOO_LONG: &str = r#"{"error":"The action produced a response that exceeded the allowed length: 100 > 64 bytes. The truncated response was: {\"a\":\"xx"}"#;
const NOT_VALID: &str = "The action did not produce a valid JSON or JSON Array response";

/// Every row of invocation §3.3 for `/run`, in its order.
#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn answers_to_run_are_classified_as_in_the_contract() {
    let invalid = |body: &str| Json::error(&Json::from(format!("{NOT_VALID}{body}").as_str()));
    let error = |e| Err::<Response, ContainerError>(e);
    let table: Vec<(_, u64, Expected<'_>)> = vec![
        (
            answer(200, r#"{"a": 1}"#),
            1,
            (0, r#"{"a":1}"#, Some(8), false),
        ),
        (answer(200, "[1, 2]\n"), 1, (0, "[1,2]", Some(7), false)),
        (
            answer(200, r#"{"error":null,"a":1}"#),
            1,
            (1, r#"{"error":null}"#, Some(20), false),
        ),
        (
            answer(200, r#"{"b":{"error":1},"error":{"x":[1e3]}}"#),
            1,
            (1, r#"{"error":{"x":[1E+3]}}"#, Some(37), false),
        ),
        (
            answer(502, r#"{"error":"bad","a":1}"#),
            1,
            (2, r#"{"error":"bad"}"#, Some(21), false),
        ),
        (long(200), 1, (1, TOO_LONG, Some(100), false)),
        (
            error(ContainerError::ConnectionLost),
            1,
            (
                2,
                r#"{"error":"The action did not produce a valid response and exited unexpectedly."}"#,
                None,
                false,
            ),
        ),
        (
            error(ContainerError::MemoryExhausted),
            1,
            (
                2,
                r#"{"error":"The action exhausted its memory and was aborted."}"#,
                None,
                false,
            ),
        ),
        (
            answer(200, "{}"),
            LIMIT_MS,
            (
                2,
                r#"{"error":"The action exceeded its time limits of 1000 milliseconds."}"#,
                None,
                true,
            ),
        ),
        (
            error(ContainerError::Timeout),
            LIMIT_MS - 1,
            (
                2,
                r#"{"error":"The action exceeded its time limits of 1000 milliseconds."}"#,
                None,
                true,
            ),
        ),
        (
            error(ContainerError::MemoryExhausted),
            LIMIT_MS,
            (
                2,
                r#"{"error":"The action exceeded its time limits of 1000 milliseconds."}"#,
                None,
                true,
            ),
        ),
    ];
    for (given, took, expected) in table {
        assert_over(of_run(given, measured(took)), expected);
    }
    for (status, body, shown) in [
        (502, "", "."),
        (502, "oops", ": oops"),
        (500, r#"{"a":1}"#, r#": {"a":1}"#),
        (500, "[1]", ": [1]"),
        (200, "null", ": null"),
        (200, "5", ": 5"),
        (200, "\"error\"", ": \"error\""),
        (200, r#"{"a":NaN}"#, r#": {"a":NaN}"#),
        (200, "{\"a\":1", ": {\"a\":1"),
    ] {
        let size = Some(body.len() as u64);
        assert_over(
            of_run(answer(status, body), measured(1)),
            (2, invalid(shown).text(), size, false),
        );
    }
}

/// Every row of invocation §3.3 for `/init`.
#[test]
fn answers_to_init_are_classified_as_in_the_contract() {
    let late = r#"{"error":"The action exceeded its time limits of 1000 milliseconds during initialization."}"#;
    let table: Vec<(_, u64, Expected<'_>)> = vec![
        (
            answer(502, r#"{"error":"no","a":1}"#),
            1,
            (2, r#"{"error":"no"}"#, Some(20), false),
        ),
        (
            answer(403, "no"),
            1,
            (
                2,
                r#"{"error":"The action failed during initialization: no"}"#,
                Some(2),
                false,
            ),
        ),
        (
            answer(403, ""),
            1,
            (
                2,
                r#"{"error":"The action failed during initialization."}"#,
                Some(0),
                false,
            ),
        ),
        (long(200), 1, (2, TOO_LONG, Some(100), false)),
        (long(502), 1, (2, TOO_LONG, Some(100), false)),
        (answer(502, "{}"), LIMIT_MS, (2, late, None, true)),
        (Err(ContainerError::Timeout), 1, (2, late, None, true)),
        (
            Err(ContainerError::ConnectionLost),
            LIMIT_MS,
            (2, late, None, true),
        ),
        (
            Err(ContainerError::ConnectionLost),
            1,
            (
                2,
                r#"{"error":"The action did not initialize and exited unexpectedly."}"#,
                None,
                false,
            ),
        ),
        (
            Err(ContainerError::MemoryExhausted),
            1,
            (
                2,
                r#"{"error":"The action exhausted its memory and was aborted."}"#,
                None,
                false,
            ),
        ),
    ];
    for (given, took, expected) in table {
        assert_over(of_init(given, measured(took)), expected);
    }
    assert_eq!(
        of_init(answer(200, "anything"), measured(LIMIT_MS)),
        Outcome::Initialized
    );
}

#[test]
fn a_leaving_container_has_the_activation_rescheduled() {
    for given in [answer(503, "{}"), Err(ContainerError::Unhealthy)] {
        assert_eq!(of_run(given, measured(LIMIT_MS)), Outcome::Reschedule);
    }
    for given in [answer(503, "{}"), Err(ContainerError::Unhealthy)] {
        assert_eq!(of_init(given, measured(LIMIT_MS)), Outcome::Reschedule);
    }
}

/// observed.md on entities §9.2: an emoji counts 2, the runtime's own blanks and line end count.
#[test]
fn sizes_count_utf16_units() {
    assert_over(
        of_run(answer(200, "{\"a\": \"😀é\"}\n"), measured(1)),
        (0, "{\"a\":\"😀é\"}", Some(13), false),
    );
}

#[test]
fn the_last_error_member_wins() {
    let json = Json::parse(br#"{"error":1,"a":2,"error":3}"#).unwrap();
    assert_eq!(error_member(&json).unwrap().text(), "3");
    let nested = Json::parse(br#"{"a":{"error":1}}"#).unwrap();
    assert_eq!(error_member(&nested), None);
    let escaped = Json::parse(b"{\"\\u0065rror\":1}").unwrap();
    assert_eq!(error_member(&escaped).unwrap().text(), "1");
}
