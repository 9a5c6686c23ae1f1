//! Entities, from creation to deletion.

use http::StatusCode;
use oxwhisk_client::{ActionPut, PackagePut, Page, RulePut, TriggerPut};
use oxwhisk_entity::{Binding, Code, EntityName, Exec, LimitsPatch, RuleStatus};

use serde_json::json;

use crate::support::{ECHO, action, name, parameter, qualified, refused, rule_of_echo, start};

/// rest-api §8.1, §8.3, §8.4, §8.5
#[tokio::test(flavor = "multi_thread")]
async fn actions_live_from_creation_to_deletion() {
    let (_server, client) = start();
    let (actions, hello) = (client.actions(), name("hello"));
    let put = ActionPut {
        parameters: Some(parameter("greeting", &json!("hi"))),
        annotations: Some(parameter("about", &json!({"a": 1}))),
        limits: Some(LimitsPatch {
            memory: Some(128),
            ..LimitsPatch::default()
        }),
        ..action(ECHO)
    };
    let created = actions.create(&hello, &put).await.unwrap();
    assert_eq!(created.qualified_name(), qualified("guest/hello"));
    assert_eq!(
        (created.limits.memory, created.limits.timeout),
        (128, 60_000)
    );
    refused(
        actions.create(&hello, &put).await,
        409,
        "resource already exists",
    );
    let found = actions.get(&hello).await.unwrap();
    assert_eq!(found, created);
    let Exec::Code(exec) = &found.exec else {
        panic!("{found:?}")
    };
    assert_eq!(exec.code, Some(Code::Inline(ECHO.into())));
    let described = actions.describe(&name("/guest/hello")).await.unwrap();
    assert_eq!(described.exec, found.exec.without_code());

    let limits = LimitsPatch {
        timeout: Some(5_000),
        ..LimitsPatch::default()
    };
    let change = ActionPut {
        limits: Some(limits),
        ..ActionPut::default()
    };
    let updated = actions.update(&hello, &change).await.unwrap();
    assert_eq!(updated.limits.timeout, 5_000);
    assert_eq!(updated.parameters, created.parameters);
    assert!(updated.version > created.version);

    let sequence = ActionPut {
        exec: Some(Exec::Sequence(vec![
            qualified("_/hello"),
            qualified("guest/hello"),
        ])),
        ..ActionPut::default()
    };
    let sequence = actions.create(&name("twice"), &sequence).await.unwrap();
    let components = vec![qualified("guest/hello"), qualified("guest/hello")];
    assert_eq!(sequence.exec, Exec::Sequence(components));

    let listed = actions.list(Page::default()).await.unwrap();
    let names: Vec<&str> = listed.iter().map(|found| found.name.as_str()).collect();
    assert_eq!(names, ["twice", "hello"]);
    let second = Page { limit: 1, skip: 1 };
    assert_eq!(actions.list(second).await.unwrap(), [listed[1].clone()]);
    assert_eq!(actions.count().await.unwrap(), 2);

    let deleted = actions.delete(&hello).await.unwrap();
    assert_eq!(deleted.version, updated.version);
    let missing = actions.get(&hello).await.unwrap_err();
    assert!(missing.is_missing(), "{missing}");
    refused(
        actions.create(&hello, &ActionPut::default()).await,
        400,
        "exec undefined",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_need_escaping_are_names() {
    let (_server, client) = start();
    let odd = name("a b@c.d&e-f");
    client.actions().create(&odd, &action(ECHO)).await.unwrap();
    let found = client.actions().get(&odd).await.unwrap();
    assert_eq!(found.name, odd.name);
}

/// rest-api §9.1, §9.2, §9.3, §9.4
#[tokio::test(flavor = "multi_thread")]
async fn packages_and_bindings_live_from_creation_to_deletion() {
    let (_server, client) = start();
    let packages = client.packages();
    let put = PackagePut {
        parameters: Some(parameter("a", &json!([1]))),
        publish: Some(true),
        ..PackagePut::default()
    };
    let created = packages.create(&name("pkg"), &put).await.unwrap();
    assert!(created.publish && created.binding.is_none());
    let feed = ActionPut {
        annotations: Some(parameter("feed", &json!(true))),
        ..action(ECHO)
    };
    client
        .actions()
        .create(&name("pkg/feed"), &feed)
        .await
        .unwrap();
    client
        .actions()
        .create(&name("pkg/echo"), &action(ECHO))
        .await
        .unwrap();
    let in_package = client
        .actions()
        .list_in(&name("pkg"), Page::default())
        .await;
    assert_eq!(in_package.unwrap().len(), 2);
    let view = packages.get(&name("pkg")).await.unwrap();
    assert_eq!(view.package.parameters, created.parameters);
    let named = |name: &str| EntityName::new(name).unwrap();
    assert_eq!(
        view.actions
            .iter()
            .map(|found| &found.name)
            .collect::<Vec<_>>(),
        [&named("echo")]
    );
    assert_eq!(
        view.feeds
            .iter()
            .map(|found| &found.name)
            .collect::<Vec<_>>(),
        [&named("feed")]
    );

    let binding = Binding {
        namespace: named("guest"),
        name: named("pkg"),
    };
    let put = PackagePut {
        binding: Some(binding.clone()),
        ..PackagePut::default()
    };
    let bound = packages.update(&name("bound"), &put).await.unwrap();
    assert_eq!(bound.binding, Some(binding.clone()));
    let listed = packages.list(Page::default()).await.unwrap();
    let bindings: Vec<_> = listed.iter().map(|found| found.binding.clone()).collect();
    assert_eq!(bindings, [Some(binding), None]);
    assert_eq!(packages.count().await.unwrap(), 2);
    assert_eq!(packages.get(&name("bound")).await.unwrap().actions.len(), 1);

    packages.delete(&name("bound")).await.unwrap();
    let refusal = packages.delete(&name("pkg")).await.unwrap_err();
    assert_eq!(refusal.status(), Some(StatusCode::CONFLICT));
    packages.delete_with_content(&name("pkg")).await.unwrap();
    assert_eq!(client.actions().count().await.unwrap(), 0);
}

/// rest-api §10, §11
#[tokio::test(flavor = "multi_thread")]
async fn triggers_and_rules_live_from_creation_to_deletion() {
    let (_server, client) = start();
    let (triggers, rules) = (client.triggers(), client.rules());
    let put = rule_of_echo(&client).await;
    rules.create(&name("rule"), &put).await.unwrap();
    let rule = name("rule");
    let off = rules.set_status(&rule, RuleStatus::Inactive).await;
    off.unwrap();
    let status = rules.get(&name("rule")).await.unwrap().status;
    assert_eq!(status, RuleStatus::Inactive);
    let fired = triggers.fire(&name("event"), &json!({})).await.unwrap();
    assert_eq!(fired, None);
    let annotated = RulePut {
        annotations: Some(parameter("about", &json!(true))),
        ..RulePut::default()
    };
    let updated = rules.update(&name("rule"), &annotated).await.unwrap();
    assert!(updated.rule.annotations.is_true("about"));
    assert_eq!(rules.list(Page::default()).await.unwrap(), [updated.rule]);
    assert_eq!(
        (
            rules.count().await.unwrap(),
            triggers.count().await.unwrap()
        ),
        (1, 1)
    );
    assert_eq!(triggers.list(Page::default()).await.unwrap().len(), 1);
    rules.delete(&name("rule")).await.unwrap();
    triggers
        .update(&name("event"), &TriggerPut::default())
        .await
        .unwrap();
    triggers.delete(&name("event")).await.unwrap();
    assert!(triggers.get(&name("event")).await.unwrap_err().is_missing());
}
