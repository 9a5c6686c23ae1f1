//! One activation from the bus to its record.

use crate::support::{ActionSpec, DeliveryEvent, Harness, MessageSpec, id};
use oxwhisk_bus::Acknowledgement;
use oxwhisk_entity::Json;

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
