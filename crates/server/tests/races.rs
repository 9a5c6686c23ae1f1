//! Changes of entities while others change, invoke, fire or delete them: no update is lost without a 409, nothing is
//! answered 500, and every identifier that was answered has its one record.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests may panic"
)]

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};

use oxwhisk_testing::{RestAnswer, RestClient, ServerOptions, TestServer, User};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const NAMESPACE: &str = "/api/v1/namespaces/_";
const TASKS: usize = 12;
const STEPS: usize = 12;
/// Longer than what is kept inside an action's document.
const LONG: usize = 40_000;

fn server() -> TestServer {
    ServerOptions::new(env!("CARGO_BIN_EXE_oxwhisk"))
        .without_throttles()
        .start()
        .unwrap()
}

/// An action that returns its number, with so many bytes of code at least.
fn action(number: usize, length: usize) -> Value {
    let filling = "x".repeat(length);
    let code = format!("function main() {{ return {{ number: {number} }} }} // {filling}");
    json!({"exec": {"kind": "nodejs:default", "code": code}})
}

fn path(rest: &str) -> String {
    format!("{NAMESPACE}/{rest}")
}

/// What the answers of one race were.
#[derive(Debug, Clone, Default)]
struct Race {
    statuses: Arc<Mutex<BTreeMap<u16, usize>>>,
    ids: Arc<Mutex<Vec<String>>>,
}

impl Race {
    /// Takes an answer in; panics if its status is none of these.
    #[track_caller]
    fn note(&self, what: &str, allowed: &[u16], answer: &RestAnswer) -> u16 {
        let status = answer.status();
        assert!(
            allowed.contains(&status),
            "{what}: {status} {}",
            answer.text()
        );
        *self.statuses.lock().unwrap().entry(status).or_default() += 1;
        if let Some(id) = answer.header("x-openwhisk-activation-id") {
            self.ids.lock().unwrap().push(id.to_owned());
        }
        status
    }

    fn count(&self, status: u16) -> usize {
        self.statuses
            .lock()
            .unwrap()
            .get(&status)
            .copied()
            .unwrap_or(0)
    }

    /// Every identifier has a record, and the lists name each once.
    async fn check_records(&self, user: &User) {
        let ids = self.ids.lock().unwrap().clone();
        for id in &ids {
            user.record(id).await;
        }
        let listed = user.listed().await;
        let distinct: HashSet<&String> = listed.iter().collect();
        assert_eq!(distinct.len(), listed.len(), "a record is there twice");
        assert!(ids.iter().all(|id| distinct.contains(id)));
    }
}

/// Runs steps of several tasks at once.
async fn all<F>(step: impl Fn(usize, usize) -> F + Clone + Send + Sync + 'static)
where
    F: Future<Output = ()> + Send,
{
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let step = step.clone();
        tasks.spawn(async move {
            for number in 0..STEPS {
                step(task, number).await;
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

/// What is written over an entity, by its number.
fn entity(collection: &str, number: usize) -> Value {
    match collection {
        "actions" => action(number, if number.is_multiple_of(2) { 0 } else { LONG }),
        "rules" => {
            json!({"trigger": "/_/t", "action": "/_/a", "annotations": [{"key": "n", "value": number}]})
        }
        _ => json!({"parameters": [{"key": "n", "value": number}]}),
    }
}

async fn put(client: &RestClient, rest: &str, body: &Value) {
    let answer = client.put(&path(rest), body).await.unwrap();
    assert_eq!(answer.status(), 200, "{rest}: {}", answer.text());
}

/// rest-api §5.5: the version counts exactly the updates that were answered 200, and readers see nothing but whole states.
#[tokio::test(flavor = "multi_thread")]
async fn no_update_of_any_entity_is_lost_without_a_conflict() {
    let server = server();
    let client = server.client();
    put(&client, "actions/a", &action(0, 0)).await;
    put(&client, "triggers/t", &json!({})).await;
    for collection in ["actions", "packages", "triggers", "rules"] {
        let name = format!("{collection}/raced-{collection}");
        put(&client, &name, &entity(collection, 1)).await;
        let race = Race::default();
        let (racing, target, by) = (race.clone(), name.clone(), client.clone());
        all(move |task, step| {
            let (race, name, client) = (racing.clone(), target.clone(), by.clone());
            async move {
                if task % 4 == 3 {
                    let answer = client.get(&path(&name)).await.unwrap();
                    race.note(&format!("GET {name}"), &[200], &answer);
                    return;
                }
                let body = entity(collection, task * STEPS + step);
                let path = path(&format!("{name}?overwrite=true"));
                let answer = client.put(&path, &body).await.unwrap();
                race.note(&format!("PUT {name}"), &[200, 409], &answer);
            }
        })
        .await;
        let reads = TASKS / 4 * STEPS;
        let done = race.count(200) - reads;
        let found = client.get(&path(&name)).await.unwrap().json().unwrap();
        assert_eq!(found["version"], format!("0.0.{}", 1 + done), "{name}");
    }
}

/// Of creates of one name one wins, and deletes answer as if they came one after the other.
#[tokio::test(flavor = "multi_thread")]
async fn creates_and_deletes_of_one_name_take_turns() {
    let server = server();
    let client = server.client();
    put(&client, "actions/a", &action(0, 0)).await;
    put(&client, "triggers/t", &json!({})).await;
    for collection in ["actions", "packages", "triggers", "rules"] {
        let name = format!("{collection}/raced-{collection}");
        let (created, deleted) = (Race::default(), Race::default());
        let (creating, deleting) = (created.clone(), deleted.clone());
        let (target, by) = (name.clone(), client.clone());
        all(move |task, step| {
            let (created, deleted) = (creating.clone(), deleting.clone());
            let (name, client) = (target.clone(), by.clone());
            async move {
                if task % 3 == 2 {
                    let answer = client.delete(&path(&name)).await.unwrap();
                    deleted.note(&format!("DELETE {name}"), &[200, 404, 409], &answer);
                } else {
                    let body = entity(collection, step);
                    let answer = client.put(&path(&name), &body).await.unwrap();
                    created.note(&format!("PUT {name}"), &[200, 409], &answer);
                }
            }
        })
        .await;
        let found = client.get(&path(&name)).await.unwrap().status();
        let left = usize::from(found == 200);
        assert_eq!(created.count(200), deleted.count(200) + left, "{name}");
        if found == 200 {
            client.delete(&path(&name)).await.unwrap();
        }
    }
}

/// invocation §6: an action that is overwritten, deleted and created again answers as one of its states or as missing, never as
/// anything else.
#[tokio::test(flavor = "multi_thread")]
async fn invocations_race_with_overwrites_and_deletes() {
    let server = server();
    let client = server.client();
    let race = Race::default();
    let (racing, by) = (race.clone(), client.clone());
    put(&client, "actions/raced", &action(1, LONG)).await;
    all(move |task, step| {
        let (race, client) = (racing.clone(), by.clone());
        async move {
            let number = task * STEPS + step;
            match task % 4 {
                0 => {
                    let length = if number.is_multiple_of(2) { 0 } else { LONG };
                    let body = action(number, length);
                    let path = path("actions/raced?overwrite=true");
                    let answer = client.put(&path, &body).await.unwrap();
                    race.note("PUT", &[200, 409], &answer);
                }
                1 if step % 6 == 5 => {
                    let answer = client.delete(&path("actions/raced")).await.unwrap();
                    race.note("DELETE", &[200, 404, 409], &answer);
                }
                2 => {
                    let path = path("actions/raced");
                    let answer = client.post(&path, &json!({})).await.unwrap();
                    race.note("POST", &[202, 404], &answer);
                }
                _ => blocking(&race, &client).await,
            }
        }
    })
    .await;
    race.check_records(&server.user()).await;
}

/// 200 with the number of some state; 502 only because the action was removed after it was accepted.
async fn blocking(race: &Race, client: &RestClient) {
    let path = path("actions/raced?blocking=true");
    let answer = client.post(&path, &json!({})).await.unwrap();
    let status = race.note("POST blocking", &[200, 404, 502], &answer);
    let result = || answer.json().unwrap()["response"]["result"].clone();
    match status {
        200 => assert!(result()["number"].is_u64(), "{}", result()),
        502 => assert_eq!(
            result()["error"],
            "Action could not be found or may have been deleted."
        ),
        _ => {}
    }
}

/// A package that is deleted with what is in it while that is invoked and written: it goes whole, and no action stays
/// behind without it.
#[tokio::test(flavor = "multi_thread")]
async fn packages_are_deleted_while_their_actions_are_invoked() {
    let server = server();
    let client = server.client();
    let race = Race::default();
    let (racing, by) = (race.clone(), client.clone());
    all(move |task, step| {
        let (race, client) = (racing.clone(), by.clone());
        async move {
            match task % 4 {
                0 if step % 3 == 2 => {
                    let path = path("packages/p?force=true");
                    let answer = client.delete(&path).await.unwrap();
                    race.note("DELETE", &[200, 404], &answer);
                }
                0 | 1 => {
                    let overwrite = path(&format!("packages/p?overwrite={}", task % 4 == 1));
                    let put = client.put(&overwrite, &json!({})).await.unwrap();
                    race.note("PUT package", &[200, 409], &put);
                    let action_path = path(&format!("actions/p/a{}?overwrite=true", step % 3));
                    let put = client.put(&action_path, &action(step, 0)).await.unwrap();
                    race.note("PUT action", &[200, 404, 409], &put);
                }
                2 => {
                    let path = path(&format!("actions/p/a{}?blocking=true", step % 3));
                    let answer = client.post(&path, &json!({})).await.unwrap();
                    race.note("POST", &[200, 404, 502], &answer);
                }
                _ => {
                    let answer = client.get(&path("packages/p")).await.unwrap();
                    race.note("GET", &[200, 404], &answer);
                }
            }
        }
    })
    .await;
    client.delete(&path("packages/p?force=true")).await.unwrap();
    let left = client.get(&path("actions")).await.unwrap().json().unwrap();
    assert_eq!(left, json!([]), "no action without its package");
    race.check_records(&server.user()).await;
}

/// invocation §4.1: whatever happens to rules while their trigger fires and is updated: each firing has a record whose entries name
/// activations that have one too, and in the end every rule is as its last answer says.
#[tokio::test(flavor = "multi_thread")]
async fn rules_change_while_their_trigger_fires() {
    let server = server();
    let client = server.client();
    put(&client, "actions/a", &action(1, 0)).await;
    put(&client, "triggers/t", &json!({})).await;
    let standing = json!({"trigger": "/_/t", "action": "/_/a"});
    put(&client, "rules/standing", &standing).await;
    let race = Race::default();
    let (racing, by) = (race.clone(), client.clone());
    all(move |task, step| {
        let (race, client) = (racing.clone(), by.clone());
        async move {
            match task % 4 {
                0 | 1 => own_rule(&race, &client, task, step).await,
                2 => {
                    for _ in 0..4 {
                        let answer = client.post(&path("triggers/t"), &json!({})).await;
                        race.note("fire", &[202], &answer.unwrap());
                    }
                }
                _ => {
                    let body = json!({"parameters": [{"key": "n", "value": step}]});
                    let path = path("triggers/t?overwrite=true");
                    let answer = client.put(&path, &body).await.unwrap();
                    race.note("PUT trigger", &[200, 409], &answer);
                }
            }
        }
    })
    .await;
    let trigger = client
        .get(&path("triggers/t"))
        .await
        .unwrap()
        .json()
        .unwrap();
    let links = trigger["rules"].as_object().unwrap();
    // The last step of each task with a rule switches it off or leaves it, by the number of the task.
    let expected: BTreeMap<String, &str> = (0..TASKS)
        .filter(|task| task % 4 < 2)
        .map(|task| (format!("guest/r{task}"), last_status(task)))
        .chain([("guest/standing".to_owned(), "active")])
        .collect();
    let found: BTreeMap<String, &str> = links
        .iter()
        .map(|(name, link)| (name.clone(), link["status"].as_str().unwrap()))
        .collect();
    assert_eq!(found, expected);
    check_firings(&race, &server.user()).await;
}

fn last_status(task: usize) -> &'static str {
    if task.is_multiple_of(4) {
        "inactive"
    } else {
        "active"
    }
}

/// Nobody else touches this task's rule, so each step of it must succeed, whatever others do to the trigger.
async fn own_rule(race: &Race, client: &RestClient, task: usize, step: usize) {
    let rule = path(&format!("rules/r{task}"));
    let body = json!({"trigger": "/_/t", "action": "/_/a"});
    let status = if step + 1 == STEPS {
        last_status(task)
    } else {
        "inactive"
    };
    let put = client.put(&rule, &body).await.unwrap();
    race.note("PUT rule", &[200], &put);
    for status in ["active", status] {
        let post = client
            .post(&rule, &json!({"status": status}))
            .await
            .unwrap();
        race.note("POST rule", &[200], &post);
        let found = client.get(&rule).await.unwrap().json().unwrap();
        assert_eq!(found["status"], status);
    }
    if step + 1 < STEPS {
        let delete = client.delete(&rule).await.unwrap();
        race.note("DELETE rule", &[200], &delete);
    }
}

async fn check_firings(race: &Race, user: &User) {
    let mut caused = Vec::new();
    let firings = race.ids.lock().unwrap().clone();
    assert!(!firings.is_empty());
    for id in firings {
        let record = user.record(&id).await;
        for entry in record["logs"].as_array().unwrap() {
            let entry: Value = serde_json::from_str(entry.as_str().unwrap()).unwrap();
            match entry["activationId"].as_str() {
                Some(id) => caused.push(id.to_owned()),
                None => assert_eq!(entry["success"], false, "{entry}"),
            }
        }
    }
    race.ids.lock().unwrap().extend(caused);
    race.check_records(user).await;
}

/// The record of an accepted activation comes though its action and its package are gone by then.
#[tokio::test(flavor = "multi_thread")]
async fn accepted_activations_outlive_their_package() {
    let server = server();
    let (client, user) = (server.client(), server.user());
    let race = Race::default();
    for round in 0..5 {
        put(&client, "packages/p", &json!({})).await;
        put(&client, "actions/p/a", &action(round, LONG)).await;
        for _ in 0..8 {
            let answer = client.post(&path("actions/p/a"), &json!({})).await.unwrap();
            race.note("POST", &[202], &answer);
        }
        let gone = client.delete(&path("packages/p?force=true")).await.unwrap();
        assert_eq!(gone.status(), 200);
    }
    race.check_records(&user).await;
}
