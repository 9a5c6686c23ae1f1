//! Which activations of single actions and of triggers leave a record.

use oxwhisk_testing::{RestClient, TestServer};
use serde_json::{Value, json};

use crate::support::{
    action, activation, all_ended, is_recorded, own, post, post_recorded, put_all, record, server,
    set_limits,
};

pub(crate) const BLOCKING: &str = "ACTIVATIONS_STORE_BLOCKING_RESULT_LEVEL";
pub(crate) const NON_BLOCKING: &str = "ACTIVATIONS_STORE_NON_BLOCKING_RESULT_LEVEL";
const DEPRECATED: (&str, &str) = ("ACTIVATIONS_DISABLE_STORE_RESULT", "true");

/// An action for each outcome and the status of its blocking answer: success, application error, developer error,
/// whisk internal error.
const OUTCOMES: [(&str, u16); 4] = [
    ("succeeds", 200),
    ("fails", 502),
    ("crashes", 502),
    ("too_big", 500),
];
/// What is stored of the outcomes.
const ALL: [bool; 4] = [true; 4];
const FAILURES: [bool; 4] = [false, true, true, true];
const NOT_APPLICATION: [bool; 4] = [false, false, true, true];

async fn start(settings: &[(&str, &str)]) -> TestServer {
    let settings = [settings, &[("INVOKER_USER_MEMORY", "256MB")]].concat();
    let server = server(&settings);
    let mut too_big = action("main = () => ({})");
    too_big["limits"] = json!({"memory": 512});
    let entities = [
        ("actions/succeeds", action("main = () => ({})")),
        ("actions/fails", action("main = () => ({ error: 'no' })")),
        ("actions/crashes", action("main = () => { throw 'no' }")),
        ("actions/too_big", too_big),
        ("triggers/t", json!({})),
        (
            "rules/r",
            json!({"trigger": "/_/t", "action": "/_/succeeds"}),
        ),
    ];
    put_all(&server.client(), &entities).await;
    server
}

/// Runs each outcome and returns which of them left a record.
async fn stored(client: &RestClient, query: &str) -> [bool; 4] {
    let mut ids = Vec::new();
    for (name, status) in OUTCOMES {
        let answer = post(client, &format!("actions/{name}{query}")).await;
        let expected = if query.is_empty() { 202 } else { status };
        assert_eq!(answer.status(), expected, "{name}: {}", answer.text());
        ids.push(activation(&answer));
    }
    all_ended(client).await;
    let mut stored = [false; 4];
    for (stored, id) in stored.iter_mut().zip(&ids) {
        *stored = is_recorded(client, id).await;
    }
    stored
}

/// rest-api §15: each outcome, blocking or not, at each level; a trigger's record is that of a success that nobody
/// waits for.
#[tokio::test(flavor = "multi_thread")]
async fn level_and_outcome_decide_which_records_are_stored() {
    for (settings, blocking, others) in [
        (&[][..], ALL, ALL),
        (
            &[(BLOCKING, "STORE_FAILURES"), (NON_BLOCKING, "store_always")][..],
            FAILURES,
            ALL,
        ),
        (
            &[
                (BLOCKING, "STORE_ALWAYS"),
                (NON_BLOCKING, "STORE_FAILURES"),
                DEPRECATED,
            ],
            ALL,
            FAILURES,
        ),
        (
            &[
                (BLOCKING, "STORE_FAILURES_NOT_APPLICATION_ERRORS"),
                (NON_BLOCKING, "STORE_FAILURES_NOT_APPLICATION_ERRORS"),
            ],
            NOT_APPLICATION,
            NOT_APPLICATION,
        ),
        (&[DEPRECATED], FAILURES, ALL),
    ] {
        let server = start(settings).await;
        let client = server.client();
        assert_eq!(
            stored(&client, "?blocking=true").await,
            blocking,
            "{settings:?}"
        );
        assert_eq!(stored(&client, "").await, others, "{settings:?}");
        let fired = post(&client, "triggers/t").await;
        assert_eq!(fired.status(), 202);
        all_ended(&client).await;
        let fired = is_recorded(&client, &activation(&fired)).await;
        assert_eq!(fired, others[0], "{settings:?}");
        // The action of the rule is one that nobody waits for.
        let path = own("activations?count=true&name=succeeds");
        let count = client.get(&path).await.unwrap().json().unwrap()["activations"].clone();
        let expected = [blocking[0], others[0], others[0]];
        let expected = expected.iter().filter(|stored| **stored).count();
        assert_eq!(count, json!(expected), "{settings:?}");
    }
}

/// rest-api §15: the result is answered though nothing is kept of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_recorded_is_answered_as_ever() {
    let server = start(&[(BLOCKING, "STORE_FAILURES")]).await;
    let client = server.client();
    let answer = post(&client, "actions/succeeds?blocking=true").await;
    let shown = answer.json().unwrap();
    assert_eq!(
        (&shown["activationId"], &shown["response"]["status"]),
        (&json!(activation(&answer)), &json!("success"))
    );
    // The wait ends before the action does; that it was asked for is what counts.
    let nap = action("main = () => new Promise(r => setTimeout(() => r({}), 1000))");
    put_all(&client, &[("actions/naps", nap)]).await;
    let late = post(&client, "actions/naps?blocking=true&timeout=1").await;
    assert_eq!(late.status(), 202);
    all_ended(&client).await;
    assert!(!is_recorded(&client, &activation(&late)).await);
}

const FEW: [(&str, &str); 2] = [
    (BLOCKING, "STORE_FAILURES_NOT_APPLICATION_ERRORS"),
    (NON_BLOCKING, "STORE_FAILURES_NOT_APPLICATION_ERRORS"),
];

/// rest-api §15: `X-OW-EXTRA-LOGGING: on` asks for the record at any level. A rule's action is not asked for with it.
#[tokio::test(flavor = "multi_thread")]
async fn request_with_extra_logging_is_recorded_at_any_level() {
    let server = start(&FEW).await;
    let client = server.client();
    for rest in [
        "actions/succeeds?blocking=true",
        "actions/succeeds",
        "actions/fails?blocking=true",
        "triggers/t",
    ] {
        let answer = post_recorded(&client, rest).await;
        all_ended(&client).await;
        let id = activation(&answer);
        assert!(is_recorded(&client, &id).await, "{rest}");
        if rest == "triggers/t" {
            let log = record(&client, &id).await["logs"][0].clone();
            let log: Value = serde_json::from_str(log.as_str().unwrap()).unwrap();
            let of_rule = log["activationId"].as_str().unwrap();
            assert!(!is_recorded(&client, of_rule).await);
        }
    }
}

/// rest-api §15, invocation §9.5: the header is for the platform; neither a web action nor a trigger's action sees it.
#[tokio::test(flavor = "multi_thread")]
async fn header_that_asks_for_extra_logging_is_passed_to_no_action() {
    let server = start(&[]).await;
    let client = server.client();
    let mut echo = action("main = args => ({ body: Object.keys(args.__ow_headers) })");
    echo["annotations"] = json!([{"key": "web-export", "value": true}]);
    put_all(
        &client,
        &[
            ("actions/echo", echo),
            ("rules/e", json!({"trigger": "/_/t", "action": "/_/echo"})),
        ],
    )
    .await;
    let fired = post_recorded(&client, "triggers/t").await;
    all_ended(&client).await;
    let logs = record(&client, &activation(&fired)).await["logs"].clone();
    let echoed = logs.as_array().unwrap().iter().find_map(|line| {
        let line: Value = serde_json::from_str(line.as_str()?).ok()?;
        (line["action"] == "guest/echo").then(|| line["activationId"].clone())
    });
    let echoed = record(&client, echoed.unwrap().as_str().unwrap()).await;
    let seen = echoed["response"]["result"]["body"].to_string();
    assert!(seen.contains("authorization"), "{seen}");
    assert!(!seen.contains("extra-logging"), "{seen}");
}

/// rest-api §15, entities §10: a namespace that wants no records gets none, whatever the levels and the header say.
#[tokio::test(flavor = "multi_thread")]
async fn namespace_without_records_has_none_at_any_level() {
    for settings in [&[][..], &FEW[..]] {
        let server = start(settings).await;
        let client = server.client();
        set_limits(&server, &["--storeActivations", "false"]);
        for query in ["?blocking=true", ""] {
            assert_eq!(stored(&client, query).await, [false; 4], "{settings:?}");
            for rest in [&*format!("actions/succeeds{query}"), "triggers/t"] {
                let answer = post_recorded(&client, rest).await;
                all_ended(&client).await;
                assert!(!is_recorded(&client, &activation(&answer)).await, "{rest}");
            }
        }
        set_limits(&server, &["--storeActivations", "true"]);
        let answer = post(&client, "actions/crashes?blocking=true").await;
        all_ended(&client).await;
        assert!(is_recorded(&client, &activation(&answer)).await);
    }
}

/// rest-api §15, and the promise of docs/durability.md: what was accepted is run, at most once, or told lost, whatever
/// becomes of its record.
#[tokio::test(flavor = "multi_thread")]
async fn accepted_activations_survive_a_crash_though_successes_are_not_recorded() {
    let mut server = start(&[(NON_BLOCKING, "STORE_FAILURES")]).await;
    let client = server.client();
    let sleeps = action("main = ({ms}) => new Promise(r => setTimeout(() => r({}), ms || 0))");
    put_all(&client, &[("actions/sleeps", sleeps)]).await;
    let ended = activation(&post(&client, "actions/sleeps").await);
    all_ended(&client).await;
    let user = server.user();
    let running = user.accept("sleeps", &json!({"ms": 50_000})).await;
    // There is memory for one container, so these wait until the other is over.
    let succeeding = user.accept("succeeds", &json!({})).await;
    let failing = user.accept("fails", &json!({})).await;
    server.kill_hard().unwrap();
    server.restart().unwrap();
    let user = server.user();
    for (id, status) in [
        (&running, "whisk internal error"),
        (&failing, "application error"),
    ] {
        assert_eq!(user.record(id).await["response"]["status"], status);
    }
    // What still goes on ends within a stop, and nothing is left that the next start would take up.
    assert!(server.stop().unwrap().success(), "{}", server.stderr());
    server.restart().unwrap();
    let client = server.client();
    for id in [&ended, &succeeding] {
        assert!(!is_recorded(&client, id).await);
    }
}
