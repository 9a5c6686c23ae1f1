//! Sequences and compositions whose steps cannot be started, or whose records say how they are nested.

use std::time::Duration;

use oxwhisk_controller::Limits;
use oxwhisk_entity::{ActivationResponse, Json, ResponseStatus};
use oxwhisk_testing::eventually;
use serde_json::{Value, json};

use crate::support::{Harness, path};

const DEADLINE: Duration = Duration::from_secs(20);

async fn record_of(harness: &Harness, id: &Value) -> Value {
    let path = path(&format!("activations/{}", id.as_str().unwrap()));
    let record = eventually(DEADLINE, || async {
        let answer = harness.client.get(&path).await.ok()?;
        (answer.status() == 200).then(|| answer.json().ok())?
    });
    record.await.unwrap()
}

/// A controller with actions `a` and `old`, whose kind is deprecated, a conductor `c`, and sequences `inner` of `a` and
/// `outer` of `inner` and `a`.
async fn with_steps() -> Harness {
    let harness = Harness::start(Limits::default()).await;
    let action = json!({"exec": {"kind": "nodejs:20", "code": "some text"}});
    let mut conductor = action.clone();
    conductor["annotations"] = json!([{"key": "conductor", "value": "yes"}]);
    let sequence =
        |components: &[&str]| json!({"exec": {"kind": "sequence", "components": components}});
    let actions = [
        ("a", action.clone()),
        ("old", action),
        ("c", conductor),
        ("inner", sequence(&["/_/a"])),
        ("outer", sequence(&["/_/inner", "/_/a"])),
        ("stale", sequence(&["/_/a", "/_/old"])),
    ];
    let actions = actions
        .into_iter()
        .map(|(name, body)| (format!("actions/{name}"), body));
    harness.put_all(actions).await;
    // Written once more, so that the controller forgets it.
    let rewritten = harness
        .client
        .put(&path("actions/old?overwrite=true"), &json!({}))
        .await;
    assert_eq!(rewritten.unwrap().status(), 200);
    harness.deprecate("old").await;
    harness
}

/// invocation §5.1, §5.2: a step that cannot be started ends the whole, and it is not the application's fault. What ran
/// before stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_cannot_be_started_is_an_internal_error() {
    let harness = with_steps().await;
    let mut feed = harness.feed().await;
    let next = r#"{"action":"/_/old","params":{"n":1},"state":{"s":1}}"#;
    for (name, first, text) in [
        ("stale", r#"{"n":1}"#, "Sequence failed."),
        ("c", next, "Activation failure during composition."),
    ] {
        let (target, body) = (path(&format!("actions/{name}?blocking=true")), json!({}));
        let call = harness.client.post(&target, &body);
        let (answer, step) = tokio::join!(call, async {
            let delivery = feed.next().await.unwrap();
            harness.complete(delivery.as_ref(), first).await;
            delivery.message().activation_id.to_string()
        });
        let answer = answer.unwrap();
        let record = answer.json().unwrap();
        assert_eq!(answer.status(), 500, "{record}");
        assert_eq!(
            record["response"],
            json!({"status": "whisk internal error", "success": false, "result": {"error": text}})
        );
        let record = record_of(&harness, &record["activationId"]).await;
        assert_eq!(record["logs"], json!([step]), "{name}");
    }
}

/// invocation §5.1, entities §9.1, §9.2, §9.3, §9.4: an inner sequence is one step of the outer one, and says whose.
#[tokio::test(flavor = "multi_thread")]
async fn nested_sequences_tell_of_each_other() {
    let harness = with_steps().await;
    let mut feed = harness.feed().await;
    let (target, body) = (path("actions/outer?blocking=true"), json!({}));
    let call = harness.client.post(&target, &body);
    let (answer, steps) = tokio::join!(call, async {
        let mut steps = Vec::new();
        for step in 0..2 {
            let delivery = feed.next().await.unwrap();
            let message = delivery.message();
            steps.push((message.activation_id.to_string(), message.cause));
            // The last one fails, and so does the sequence, as it does.
            let response = match step {
                0 => ActivationResponse::success(Some(Json::parse(b"{\"n\":1}").unwrap()), None),
                _ => ActivationResponse::error(ResponseStatus::DeveloperError, "no"),
            };
            harness.complete_with(delivery.as_ref(), response).await;
        }
        steps
    });
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 502, "{}", answer.text());
    let outer = record_of(&harness, &answer.json().unwrap()["activationId"]).await;
    let inner = record_of(&harness, &outer["logs"][0]).await;
    let annotation = |record: &Value, key: &str| {
        let found = record["annotations"].as_array().unwrap().iter();
        let found = found.filter(|annotation| annotation["key"] == key);
        found.map(|annotation| annotation["value"].clone()).next()
    };
    let (outer_id, inner_id) = (&outer["activationId"], &inner["activationId"]);
    assert_eq!(outer["logs"], json!([inner_id, steps[1].0]));
    assert_eq!(inner["logs"], json!([steps[0].0]));
    assert_eq!(
        (outer.get("cause"), inner.get("cause")),
        (None, Some(outer_id))
    );
    assert_eq!(json!(steps[0].1.map(|id| id.to_string())), *inner_id);
    assert_eq!(json!(steps[1].1.map(|id| id.to_string())), *outer_id);
    for (record, topmost, caused_by) in [
        (&outer, true, None),
        (&inner, false, Some(json!("sequence"))),
    ] {
        assert_eq!(annotation(record, "topmost"), Some(json!(topmost)));
        assert_eq!(annotation(record, "causedBy"), caused_by);
        assert_eq!(annotation(record, "kind"), Some(json!("sequence")));
        assert_eq!(annotation(record, "conductor"), None);
        assert!(annotation(record, "waitTime").unwrap().is_u64());
    }
    // Each of the two steps took a millisecond, by what the invoker said.
    assert_eq!(
        (&outer["duration"], &inner["duration"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(outer["response"]["status"], "action developer error");
    assert_eq!(inner["response"]["status"], "success");
}

const TOO_MANY: &str = r#"{"error":"Too many actions in the composition."}"#;

/// A controller with an action `a`, conductors `c` and `d`, and sequences of them.
async fn with_compositions(sequence_length: u32, sequences: &[(&str, &[&str])]) -> Harness {
    let limits = Limits {
        sequence_length,
        ..Limits::default()
    };
    let harness = Harness::start(limits).await;
    let action = json!({"exec": {"kind": "nodejs:20", "code": "some text"}});
    let mut conductor = action.clone();
    conductor["annotations"] = json!([{"key": "conductor", "value": true}]);
    let code = [("a", action), ("c", conductor.clone()), ("d", conductor)];
    let sequences = sequences.iter().map(|(name, components)| {
        let exec = json!({"kind": "sequence", "components": components});
        (*name, json!({"exec": exec}))
    });
    let actions = code.into_iter().chain(sequences);
    let actions = actions
        .into_iter()
        .map(|(name, body)| (format!("actions/{name}"), body));
    harness.put_all(actions).await;
    harness
}

/// Runs `name`, answers its steps as a script says, and returns the result of the whole.
///
/// The script names the steps in order: `a` is an action, `c>a` a run of conductor `c` that asks for `a`, `c.` one that
/// ends, and `c!` one that ends with the error that it is given.
async fn carried_out(harness: &Harness, name: &str, script: &str) -> Value {
    let mut feed = harness.feed().await;
    let (target, body) = (path(&format!("actions/{name}?blocking=true")), json!({}));
    let (answer, ()) = tokio::join!(harness.client.post(&target, &body), async {
        for (number, step) in script.split(' ').enumerate() {
            let (action, result) = match step.split_once('>') {
                Some((conductor, next)) => (conductor, format!(r#"{{"action":"{next}"}}"#)),
                None if step.ends_with('.') => (step, r#"{"params":{"end":1}}"#.to_owned()),
                None if step.ends_with('!') => (step, TOO_MANY.to_owned()),
                None => (step, "{}".to_owned()),
            };
            let delivery = feed.next().await.unwrap();
            let run = delivery.message().action.name.as_str();
            let expected = action.trim_end_matches(['.', '!']);
            assert_eq!(run, expected, "step {number} of {script}");
            harness.complete(delivery.as_ref(), &result).await;
        }
    });
    answer.unwrap().json().unwrap()["response"]["result"].clone()
}

/// invocation §5.1, §5.2; composer §2: compositions in a composition use up its budgets, a sequence in it counts once,
/// and a composition in a sequence is one of its actions.
#[tokio::test(flavor = "multi_thread")]
async fn budgets_are_shared_by_nested_compositions_only() {
    let sequences: [(&str, &[&str]); 2] = [("aa", &["/_/a", "/_/a"]), ("cc", &["/_/c", "/_/c"])];
    let harness = with_compositions(2, &sequences).await;
    let (end, too_many) = (r#"{"end":1}"#, TOO_MANY);
    for (what, name, script, result) in [
        ("a sequence counts once", "c", "c>aa a a c>aa a a c.", end),
        (
            "the third component is refused",
            "c",
            "c>a a c>aa a a c>a c!",
            too_many,
        ),
        (
            "a nested composition uses up components",
            "c",
            "c>d d>a a d>a a d. c>a",
            too_many,
        ),
        (
            "all runs of conductors count",
            "c",
            "c>d d. c>d d. c>d",
            too_many,
        ),
        (
            "one in a sequence has budgets of its own",
            "cc",
            "c>a a c>a a c. c>a a c>a a c.",
            end,
        ),
    ] {
        let expected: Value = serde_json::from_str(result).unwrap();
        assert_eq!(
            carried_out(&harness, name, script).await,
            expected,
            "{what}"
        );
    }
}

/// Budgets of their own do not add up without end: with a sequence length of three, no invocation starts more than thirty.
#[tokio::test(flavor = "multi_thread")]
async fn nesting_does_not_multiply_budgets_without_end() {
    let harness = with_compositions(3, &[("ddd", &["/_/d", "/_/d", "/_/d"])]).await;
    // The outer conductor asks for the sequence again and again; each inner one for three actions.
    let round = format!("c>ddd {}", ["d>a a d>a a d>a a d."; 3].join(" "));
    let rounds = [&*round, &*round].join(" ");
    let script: Vec<&str> = rounds.split(' ').take(30).collect();
    let expected: Value = serde_json::from_str(TOO_MANY).unwrap();
    assert_eq!(
        carried_out(&harness, "c", &script.join(" ")).await,
        expected
    );
}
