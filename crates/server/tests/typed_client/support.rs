//! A server, a client, and what requests are made of.

use std::time::Duration;

use oxwhisk_client::{ActionPut, ApiHost, Client, ClientError, EntityRef, RulePut, TriggerPut};
use oxwhisk_entity::{Code, CodeExec, Exec, FullyQualifiedName, Json, Parameter, Parameters};
use oxwhisk_testing::{ServerOptions, TestServer};
use serde_json::{Value, json};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const ECHO: &str = "function main(p) { console.log('seen'); return p }";

pub(crate) fn start() -> (TestServer, Client) {
    let server = ServerOptions::new(env!("CARGO_BIN_EXE_oxwhisk"))
        .without_throttles()
        .start()
        .unwrap();
    let client = Client::new(host(&server), server.guest_key()).unwrap();
    (server, client)
}

pub(crate) fn host(server: &TestServer) -> ApiHost {
    server.url().parse().unwrap()
}

pub(crate) fn name(text: &str) -> EntityRef {
    text.parse().unwrap()
}

pub(crate) fn qualified(text: &str) -> FullyQualifiedName {
    FullyQualifiedName::parse(text).unwrap()
}

pub(crate) fn code(text: &str) -> Exec {
    Exec::Code(CodeExec {
        kind: "nodejs:default".to_owned(),
        image: None,
        code: Some(Code::Inline(text.into())),
        main: None,
        binary: false,
    })
}

pub(crate) fn action(text: &str) -> ActionPut {
    ActionPut {
        exec: Some(code(text)),
        ..ActionPut::default()
    }
}

pub(crate) fn parameter(key: &str, value: &Value) -> Parameters {
    Parameters::new([Parameter {
        key: key.to_owned(),
        value: Json::of(value),
        init: false,
        encryption: None,
    }])
}

#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(
    outcome: Result<T, ClientError>,
    expected: u16,
    text: &str,
) {
    match outcome {
        Err(ClientError::Refused {
            status,
            error,
            code: Some(code),
        }) => {
            assert_eq!((status.as_u16(), &*error), (expected, text));
            assert!(!code.is_empty());
        }
        other => panic!("{other:?}"),
    }
}

/// Makes the action `echo` and the trigger `event`, and returns what a rule for them is made of.
pub(crate) async fn rule_of_echo(client: &Client) -> RulePut {
    let echo = client.actions().create(&name("echo"), &action(ECHO)).await;
    let put = TriggerPut {
        parameters: Some(parameter("a", &json!(1))),
        ..TriggerPut::default()
    };
    client
        .triggers()
        .create(&name("event"), &put)
        .await
        .unwrap();
    echo.unwrap();
    RulePut {
        trigger: Some(qualified("_/event")),
        action: Some(qualified("_/echo")),
        annotations: None,
    }
}
