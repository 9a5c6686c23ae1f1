//! One activation from the bus to its record.

use crate::support::{ActionSpec, DeliveryEvent, Harness, MessageSpec, id};
use oxwhisk_bus::Acknowledgement;
use oxwhisk_entity::Json;

/// invocation §3.1, §7; entities §9.2, §9.4.
#[tokio::test]
async fn a_blocking_activation_is_answered_then_recorded_then_completed() {
    let it = Harness::start(512);
    it.put(&ActionSpec::new("guest/hello"));
    let record = it
        .invoke(MessageSpec::new(1, "guest/hello").blocking())
        .await;
    let acks = it.bus.acks(id(1));
    let [
        Acknowledgement::Result(answer),
        Acknowledgement::Completion {
            is_system_error, ..
        },
    ] = acks.as_slice()
    else {
        panic!("{acks:?}");
    };
    assert!(!is_system_error);
    assert_eq!(answer.logs, Vec::<String>::new());
    assert_eq!(
        record.logs,
        ["1970-01-01T00:00:00.000000000Z stdout: hello"]
    );
    assert_eq!(record.response, answer.response);
    assert_eq!(
        record.response.to_api().text(),
        r#"{"result":{"ok":true},"size":11,"status":"success","success":true}"#
    );
    assert_eq!(
        it.bus.events(id(1)),
        [
            DeliveryEvent::Taken,
            DeliveryEvent::Started,
            DeliveryEvent::Recorded
        ]
    );
}

#[tokio::test]
async fn a_non_blocking_activation_is_only_completed() {
    let it = Harness::start(512);
    it.put(&ActionSpec::new("guest/hello"));
    it.invoke(MessageSpec::new(1, "guest/hello")).await;
    let acks = it.bus.acks(id(1));
    assert!(
        matches!(acks.as_slice(), [Acknowledgement::Completion { .. }]),
        "{acks:?}"
    );
}

/// entities §9.1, §9.3.
#[tokio::test]
async fn the_record_says_how_it_was_run() {
    let it = Harness::start(512);
    it.put(&ActionSpec::new("guest/pkg/hello"));
    let cold = it.invoke(MessageSpec::new(1, "guest/pkg/hello")).await;
    let warm = it.invoke(MessageSpec::new(2, "guest/pkg/hello")).await;
    let annotation = |record: &oxwhisk_entity::WhiskActivation, key: &str| {
        record
            .annotations
            .get(key)
            .map(Json::text)
            .map(str::to_owned)
    };
    for record in [&cold, &warm] {
        assert_eq!(annotation(record, "path").unwrap(), r#""guest/pkg/hello""#);
        assert_eq!(annotation(record, "kind").unwrap(), r#""nodejs:20""#);
        assert_eq!(
            annotation(record, "limits").unwrap(),
            r#"{"timeout":60000,"memory":256,"logs":10,"concurrency":1}"#
        );
        assert_eq!(annotation(record, "timeout").unwrap(), "false");
        assert_eq!(annotation(record, "waitTime").unwrap(), "5");
    }
    assert_eq!(annotation(&cold, "initTime").unwrap(), "0");
    assert_eq!(annotation(&warm, "initTime"), None);
    assert_eq!(warm.subject, "guest-subject");
    assert_eq!(it.factory.created(), 1);
}

/// invocation §2.4; runtime-protocol §2 and §3, to the byte.
#[tokio::test]
async fn bodies_are_those_of_the_contract() {
    let it = Harness::start(512);
    it.put(
        &ActionSpec::new("guest/pkg/hello")
            .annotations("[]")
            .exec(r#"{"kind":"nodejs:20","code":"let a = \"1\"","binary":false,"main":"go"}"#),
    );
    let mut message = MessageSpec::new(1, "guest/pkg/hello")
        .content(r#"{"a":1,"S":"text","N":null,"O":{"x":[1]},"B":true,"__OW_NAMESPACE":"mine"}"#);
    message.message.init_args = ["S", "N", "O", "B", "__OW_NAMESPACE", "absent"]
        .map(str::to_owned)
        .to_vec();
    it.invoke(message).await;
    let deadline = "1800000060000";
    assert_eq!(
        it.factory.init_bodies(),
        [format!(
            concat!(
                r#"{{"value":{{"name":"hello","main":"go","code":"let a = \"1\"","binary":false,"env":{{"#,
                r#""S":"text","N":"","O":"{{\"x\":[1]}}","B":"true","__OW_NAMESPACE":"guest","#,
                r#""__OW_API_KEY":"guest-uuid:key","__OW_ACTION_NAME":"/guest/pkg/hello","#,
                r#""__OW_ACTION_VERSION":"0.0.1","__OW_ACTIVATION_ID":"{id}","#,
                r#""__OW_TRANSACTION_ID":"tid-1","__OW_DEADLINE":"{deadline}"}}}}}}"#
            ),
            id = id(1),
            deadline = deadline
        )]
    );
    assert_eq!(
        it.factory.run_body(id(1)),
        format!(
            concat!(
                r#"{{"value":{{"a":1}},"namespace":"guest","action_name":"/guest/pkg/hello","#,
                r#""action_version":"0.0.1","activation_id":"{id}","transaction_id":"tid-1","#,
                r#""deadline":"{deadline}","api_key":"guest-uuid:key"}}"#
            ),
            id = id(1),
            deadline = deadline
        )
    );
}

/// invocation §2.3, §2.4.
#[tokio::test]
async fn array_arguments_are_passed_whole_and_missing_ones_as_an_object() {
    let it = Harness::start(512);
    it.put(&ActionSpec::new("guest/hello"));
    let mut array = MessageSpec::new(1, "guest/hello").content("[1,2]");
    array.message.init_args = vec!["x".to_owned()];
    it.invoke(array).await;
    let mut nothing = MessageSpec::new(2, "guest/hello");
    nothing.message.content = None;
    it.invoke(nothing).await;
    assert!(it.factory.run_body(id(1)).starts_with(r#"{"value":[1,2],"#));
    let body = it.factory.run_body(id(2));
    assert!(
        body.starts_with(r#"{"value":{},"#) && !body.contains("api_key"),
        "{body}"
    );
}

#[tokio::test]
async fn code_that_is_kept_beside_the_document_is_fetched_to_initialise() {
    let it = Harness::start(512);
    let exec = |binary| {
        format!(
            r#"{{"kind":"nodejs:20","code":{{"attachmentName":"c1","attachmentType":"x"}},"binary":{binary}}}"#
        )
    };
    it.put(&ActionSpec::new("guest/text").exec(&exec(false)));
    it.put(&ActionSpec::new("guest/zip").exec(&exec(true)));
    it.put(&ActionSpec::new("guest/lost").exec(&exec(true)));
    it.artifacts.attach("guest/text", "c1", b"let a = \"1\"");
    it.artifacts.attach("guest/zip", "c1", b"PK\x03\x04!");
    it.invoke(MessageSpec::new(1, "guest/text")).await;
    it.invoke(MessageSpec::new(2, "guest/zip")).await;
    let bodies = it.factory.init_bodies();
    assert!(bodies[0].contains(r#""code":"let a = \"1\"","binary":false"#));
    assert!(bodies[1].contains(r#""code":"UEsDBCE=","binary":true"#));
    let lost = it.invoke(MessageSpec::new(3, "guest/lost")).await;
    assert_eq!(
        lost.response.result.as_ref().unwrap().text(),
        r#"{"error":"Action could not be found or may have been deleted."}"#
    );
}

/// entities §9.1, §9.3.
#[tokio::test]
async fn a_step_of_a_sequence_and_a_binding_show_in_the_record() {
    let it = Harness::start(512);
    it.put(&ActionSpec::new("guest/pkg/hello"));
    let mut message = MessageSpec::new(1, "guest/pkg/hello");
    message.message.cause = Some(id(9));
    message.message.action.binding = Some(oxwhisk_entity::EntityPath::new("guest/bound").unwrap());
    let record = it.invoke(message).await;
    assert_eq!(record.cause, Some(id(9)));
    assert_eq!(
        record.annotations.get("causedBy").unwrap().text(),
        r#""sequence""#
    );
    assert_eq!(
        record.annotations.get("binding").unwrap().text(),
        r#""guest/bound""#
    );
}
