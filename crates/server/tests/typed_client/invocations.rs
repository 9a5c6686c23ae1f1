//! Invocations, activations, and what servers tell.

use std::time::Duration;

use http::StatusCode;
use oxwhisk_client::{ActivationFilter, Client, ClientError, Invoked, Page};
use oxwhisk_entity::{EntityName, Json, ResponseStatus, RuleStatus};
use oxwhisk_testing::eventually;
use serde_json::json;

use crate::support::{ECHO, PATIENCE, action, host, name, qualified, refused, rule_of_echo, start};

/// invocation §3.1, §3.2
#[tokio::test(flavor = "multi_thread")]
async fn invocations_end_as_their_actions_do() {
    let (_server, client) = start();
    let actions = client.actions();
    for (text, code) in [
        ("echo", ECHO),
        ("error", "function main() { return { error: 'mine' } }"),
        ("array", "function main() { return [1, 2] }"),
        (
            "nap",
            "function main() { return new Promise(r => setTimeout(() => r({}), 3000)) }",
        ),
    ] {
        actions.create(&name(text), &action(code)).await.unwrap();
    }
    let arguments = json!({"n": 1});
    let blocking = async |text: &str| {
        let invoked = actions.invoke_blocking(&name(text), &arguments, None).await;
        invoked.unwrap()
    };
    let Invoked::Ended(record) = blocking("echo").await else {
        panic!("no record")
    };
    assert_eq!(record.response.status, ResponseStatus::Success);
    assert_eq!(record.response.result, Some(Json::of(&arguments)));
    let Invoked::Ended(failed) = blocking("error").await else {
        panic!("no record")
    };
    assert_eq!(failed.response.status, ResponseStatus::ApplicationError);
    let Invoked::Bare { id, status, result } = blocking("array").await else {
        panic!("not bare")
    };
    assert_eq!(
        (id.is_some(), status, result.text()),
        (true, StatusCode::OK, "[1,2]")
    );

    let for_result = async |text: &str, wait| {
        let invoked = actions
            .invoke_for_result(&name(text), &arguments, wait)
            .await;
        invoked.unwrap()
    };
    let Invoked::Bare { status, result, .. } = for_result("echo", None).await else {
        panic!("not bare")
    };
    assert_eq!((status, result.text()), (StatusCode::OK, "{\"n\":1}"));
    let Invoked::Bare { status, result, .. } = for_result("error", None).await else {
        panic!("not bare")
    };
    assert_eq!(
        (status, result.text()),
        (StatusCode::BAD_GATEWAY, "{\"error\":\"mine\"}")
    );
    let short = Some(Duration::from_millis(1));
    let Invoked::Pending(id) = for_result("nap", short).await else {
        panic!("it cannot have ended")
    };
    let ended = eventually(PATIENCE, async || client.activations().get(id).await.ok());
    let ended = ended.await.unwrap();
    assert!(
        ended.duration.is_some_and(|duration| duration >= 2_900),
        "{ended:?}"
    );
    refused(
        actions.invoke(&name("nobody"), &arguments).await,
        404,
        "The requested resource does not exist.",
    );
    let too_long = Some(Duration::from_secs(61));
    let refusal = actions
        .invoke_blocking(&name("echo"), &arguments, too_long)
        .await;
    assert_eq!(refusal.unwrap_err().status(), Some(StatusCode::BAD_REQUEST));
}

/// rest-api §12.1, §12.2; invocation §10
#[tokio::test(flavor = "multi_thread")]
async fn activations_are_found_again() {
    let (_server, client) = start();
    let activations = client.activations();
    client
        .actions()
        .create(&name("echo"), &action(ECHO))
        .await
        .unwrap();
    let first = client
        .actions()
        .invoke(&name("echo"), &json!({"n": 1}))
        .await
        .unwrap();
    let record = eventually(PATIENCE, async || activations.get(first).await.ok());
    let record = record.await.unwrap();
    assert_eq!(record.activation_id, first);
    assert_eq!(record.logs.len(), 1);
    assert!(
        record
            .logs
            .iter()
            .all(|line| line.ends_with("stdout: seen")),
        "{record:?}"
    );
    assert_eq!(activations.logs(first).await.unwrap(), record.logs);
    assert_eq!(activations.result(first).await.unwrap(), record.response);

    let second = client
        .actions()
        .invoke(&name("echo"), &json!({}))
        .await
        .unwrap();
    let last = eventually(PATIENCE, async || activations.get(second).await.ok());
    let last = last.await.unwrap();
    let all = ActivationFilter::default();
    let listed = activations.list(&all, Page::default()).await.unwrap();
    let ids: Vec<_> = listed.iter().map(|found| found.activation_id).collect();
    assert_eq!(ids, [second, first]);
    assert!(
        listed
            .iter()
            .all(|found| found.status_code == Some(0) && found.end.is_some())
    );
    let whole = activations.list_whole(&all, Page::default()).await.unwrap();
    assert_eq!(whole, [last.clone(), record.clone()]);
    let filter = |name: &str, since, upto| ActivationFilter {
        name: Some(name.to_owned()),
        since,
        upto,
    };
    for (filter, count) in [
        (all, 2),
        (filter("echo", None, None), 2),
        (filter("pkg/echo", None, None), 0),
        (filter("echo", Some(record.start), Some(last.start)), 2),
        (filter("echo", None, Some(record.start - 1)), 0),
    ] {
        assert_eq!(
            activations.count(&filter).await.unwrap(),
            count,
            "{filter:?}"
        );
    }
}

/// invocation §4.1, §4.2
#[tokio::test(flavor = "multi_thread")]
async fn triggers_fire_the_actions_of_their_active_rules() {
    let (_server, client) = start();
    let (triggers, rules) = (client.triggers(), client.rules());
    let put = rule_of_echo(&client).await;
    let event = json!({"b": 2});
    assert_eq!(triggers.fire(&name("event"), &event).await.unwrap(), None);
    let rule = rules.create(&name("rule"), &put).await.unwrap();
    assert_eq!(rule.status, RuleStatus::Active);
    assert_eq!(rule.rule.trigger, qualified("guest/event"));
    assert_eq!(
        triggers
            .get(&name("event"))
            .await
            .unwrap()
            .rules
            .unwrap()
            .len(),
        1
    );
    let fired = triggers
        .fire(&name("event"), &event)
        .await
        .unwrap()
        .unwrap();
    assert!(
        client
            .activations()
            .get(fired)
            .await
            .unwrap()
            .duration
            .is_none()
    );
    let filter = ActivationFilter {
        name: Some("echo".to_owned()),
        ..ActivationFilter::default()
    };
    let ran = eventually(PATIENCE, async || {
        let listed = client.activations().list_whole(&filter, Page::default());
        listed.await.unwrap().pop()
    });
    // Beside them comes what the server adds of the request.
    let given = ran
        .await
        .unwrap()
        .response
        .result
        .unwrap()
        .members()
        .unwrap();
    for (name, value) in [("a", "1"), ("b", "2")] {
        assert_eq!(given.get(name).map(Json::text), Some(value));
    }
}

/// rest-api §1.1, §1.2, §7
#[tokio::test(flavor = "multi_thread")]
async fn servers_tell_who_they_are_and_whose_the_key_is() {
    let (server, client) = start();
    let guest = EntityName::new("guest").unwrap();
    assert_eq!(client.namespaces().await.unwrap(), [guest]);
    // The command line client shows the build as a date (rest-api §1.2).
    let build = client.build_info().await.unwrap();
    assert_eq!(build.api_version, "1.0.0");
    let built = humantime::parse_rfc3339(&build.build).unwrap();
    assert!(built <= std::time::SystemTime::now(), "{}", build.build);
    let info = client.server_info().await.unwrap();
    assert!(info.members().unwrap().get("runtimes").is_some());
    assert_eq!(
        client.limits().await.unwrap().concurrent_invocations,
        Some(1000)
    );

    let other = client.in_namespace(EntityName::new("whisk.system").unwrap());
    let refusal = other.limits().await.unwrap_err();
    assert_eq!(refusal.status(), Some(StatusCode::FORBIDDEN));
    let stranger = Client::new(host(&server), "nobody:nothing").unwrap();
    assert_eq!(
        stranger.namespaces().await.unwrap_err().status(),
        Some(StatusCode::UNAUTHORIZED)
    );
    assert!(matches!(
        Client::new(host(&server), "no colon"),
        Err(ClientError::Key)
    ));
    let shown = format!("{client:?}");
    assert!(
        !shown.contains("Basic") && !shown.contains("123zO3x"),
        "{shown}"
    );
}
