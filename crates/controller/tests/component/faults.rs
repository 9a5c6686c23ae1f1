//! Faults below the API: what is stored cannot be read, or the store is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use oxwhisk_controller::{Limits, Stores};
use oxwhisk_entity::{Identity, Json, UserLimits};
use oxwhisk_store::embedded::EmbeddedStore;
use oxwhisk_store::{
    ArtifactQuery, ArtifactStore, Document, DocumentId, NewDocument, Page, Revision, StoreError,
    Subject, SubjectStore,
};
use oxwhisk_testing::RestAnswer;
use serde_json::json;

use crate::support::{Harness, path};

const INTERNAL: &str = "There was an internal server error.";
const CORRUPTED: &str = "Resource is corrupted and cannot be read.";

/// Entities and subjects that cannot be read while it says so.
#[derive(Debug)]
struct Away {
    store: EmbeddedStore,
    is_away: AtomicBool,
}

impl Away {
    fn check(&self) -> Result<(), StoreError> {
        match self.is_away.load(Ordering::SeqCst) {
            true => Err(StoreError::Unavailable("it is away".into())),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl ArtifactStore for Away {
    async fn get(&self, id: &DocumentId) -> Result<Option<Document>, StoreError> {
        self.check()?;
        ArtifactStore::get(&self.store, id).await
    }

    async fn put(&self, document: NewDocument) -> Result<Revision, StoreError> {
        self.check()?;
        self.store.put(document).await
    }

    async fn delete(&self, id: &DocumentId, revision: &Revision) -> Result<(), StoreError> {
        self.check()?;
        self.store.delete(id, revision).await
    }

    async fn list(&self, query: &ArtifactQuery) -> Result<Page<Document, DocumentId>, StoreError> {
        self.check()?;
        ArtifactStore::list(&self.store, query).await
    }

    async fn count(&self, query: &ArtifactQuery) -> Result<u64, StoreError> {
        self.check()?;
        ArtifactStore::count(&self.store, query).await
    }

    async fn attachment(&self, id: &DocumentId, name: &str) -> Result<Bytes, StoreError> {
        self.check()?;
        self.store.attachment(id, name).await
    }
}

#[async_trait]
impl SubjectStore for Away {
    async fn identity_by_key(&self, uuid: &str, key: &str) -> Result<Option<Identity>, StoreError> {
        self.check()?;
        self.store.identity_by_key(uuid, key).await
    }

    async fn identity_by_namespace(&self, namespace: &str) -> Result<Option<Identity>, StoreError> {
        self.check()?;
        self.store.identity_by_namespace(namespace).await
    }

    async fn subject(&self, name: &str) -> Result<Option<Subject>, StoreError> {
        self.store.subject(name).await
    }

    async fn put_subject(&self, subject: &Subject) -> Result<(), StoreError> {
        self.store.put_subject(subject).await
    }

    async fn delete_subject(&self, name: &str) -> Result<bool, StoreError> {
        self.store.delete_subject(name).await
    }

    async fn subjects(&self, namespace: Option<&str>) -> Result<Vec<Subject>, StoreError> {
        self.store.subjects(namespace).await
    }

    async fn limits(&self, namespace: &str) -> Result<Option<UserLimits>, StoreError> {
        self.store.limits(namespace).await
    }

    async fn put_limits(
        &self,
        namespace: &str,
        limits: Option<&UserLimits>,
    ) -> Result<(), StoreError> {
        self.store.put_limits(namespace, limits).await
    }
}

/// Puts an action, a trigger, a rule, a package and a packaged action.
async fn fill(harness: &Harness) {
    let action = json!({"exec": {"kind": "nodejs:20", "code": "some text"}});
    harness
        .put_all([
            ("actions/a", action.clone()),
            ("actions/b", action.clone()),
            ("triggers/t", json!({})),
            ("triggers/u", json!({})),
            ("rules/r", json!({"trigger": "/_/t", "action": "/_/a"})),
            ("packages/p", json!({})),
            ("actions/p/a", action),
        ])
        .await;
}

#[track_caller]
fn says(answer: &RestAnswer, status: u16, text: &str, what: &str) {
    let told = answer.json().unwrap()["error"].clone();
    assert_eq!((answer.status(), told), (status, json!(text)), "{what}");
}

/// rest-api §5.5: a document that cannot be read is told as such, whatever is done with it; a rule over it is a bad
/// request.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_corrupted_is_told_from_what_is_missing() {
    let harness = Harness::start(Limits::default()).await;
    fill(&harness).await;
    for id in ["guest/b", "guest/u", "guest/p/a"] {
        let nonsense = |_: &str| Json::parse(br#"{"no":"entity"}"#).unwrap();
        harness.change_stored(id, nonsense).await;
    }
    let action = json!({"exec": {"kind": "nodejs:20", "code": "other text"}});
    for (method, rest) in [
        ("GET", "actions/b"),
        ("PUT", "actions/b?overwrite=true"),
        ("DELETE", "actions/b"),
        ("POST", "actions/b"),
        ("GET", "triggers/u"),
        ("POST", "triggers/u"),
        ("GET", "actions/p/a"),
        ("POST", "actions/p/a"),
    ] {
        let header = [("content-type", "application/json")];
        let body = (method != "GET").then(|| action.to_string().into_bytes());
        let target = path(rest);
        let answer = harness.client.send(method, &target, &header, body).await;
        says(&answer.unwrap(), 500, CORRUPTED, rest);
    }
    for (trigger, action) in [("/_/u", "/_/a"), ("/_/t", "/_/b"), ("/_/t", "/_/p/a")] {
        let body = json!({"trigger": trigger, "action": action});
        for rest in ["rules/new", "rules/r?overwrite=true"] {
            let answer = harness.client.put(&path(rest), &body).await.unwrap();
            says(&answer, 400, CORRUPTED, rest);
        }
    }
    let healthy = harness.client.get(&path("actions/a")).await.unwrap();
    assert_eq!(healthy.status(), 200);
}

/// rest-api §5.5, §5.3: a store that is away fails each call that needs it, and the reason stays inside.
#[tokio::test(flavor = "multi_thread")]
async fn store_that_is_away_is_an_internal_error() {
    let mut away = None;
    let harness = Harness::start_over(Limits::default(), |store| {
        let is_away = AtomicBool::new(false);
        let store = Arc::new(Away { store, is_away });
        away = Some(Arc::clone(&store));
        store
    });
    let (harness, away) = (harness.await, away.unwrap());
    fill(&harness).await;
    away.is_away.store(true, Ordering::SeqCst);
    for rest in [
        "actions/b",
        "triggers/u",
        "actions",
        "triggers",
        "packages/p",
        "packages?count=true",
        "actions/p/",
    ] {
        let answer = harness.client.get(&path(rest)).await.unwrap();
        says(&answer, 500, INTERNAL, rest);
    }
    let trigger = harness.client.put(&path("triggers/new"), &json!({})).await;
    says(&trigger.unwrap(), 500, INTERNAL, "triggers/new");
}

/// rest-api §3: who asks cannot be found out, so nobody answers as the API would.
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_cannot_be_looked_up_are_a_crash() {
    let mut away = None;
    let harness = Harness::start_on(Limits::default(), |store| {
        let subjects = Arc::new(Away {
            store: store.clone(),
            is_away: AtomicBool::new(true),
        });
        away = Some(Arc::clone(&subjects));
        Stores {
            artifacts: Arc::new(store.clone()),
            activations: Arc::new(store),
            subjects,
        }
    });
    let (harness, away) = (harness.await, away.unwrap());
    let answer = harness.client.get(&path("actions")).await.unwrap();
    assert_eq!((answer.status(), answer.text()), (500, INTERNAL.to_owned()));
    let media_type = answer.header("content-type");
    assert_eq!(media_type, Some("text/plain; charset=UTF-8"));
    let anonymous = harness.client.without_key();
    let refused = anonymous.get(&path("actions")).await.unwrap();
    assert_eq!(refused.status(), 401, "no key need be looked up");
    away.is_away.store(false, Ordering::SeqCst);
    let answer = harness.client.get(&path("actions")).await.unwrap();
    assert_eq!(answer.status(), 200);
}

/// rest-api §5.6: a binding to itself can come about by concurrent changes only; nothing is found through it.
#[tokio::test(flavor = "multi_thread")]
async fn binding_to_itself_is_told() {
    let harness = Harness::start(Limits::default()).await;
    fill(&harness).await;
    let binding = json!({"binding": {"namespace": "_", "name": "p"}});
    harness
        .client
        .put(&path("packages/loop"), &binding)
        .await
        .unwrap();
    let itself = |text: &str| {
        let text = text.replace(r#""name":"p""#, r#""name":"loop""#);
        Json::parse(text.as_bytes()).unwrap()
    };
    harness.change_stored("guest/loop", itself).await;
    let text = "Package binding 'guest/loop' contains a circular reference.";
    for (method, rest) in [
        ("GET", "packages/loop"),
        ("GET", "actions/loop/a"),
        ("POST", "actions/loop/a"),
        ("GET", "actions/loop/"),
    ] {
        let answer = harness.client.send(method, &path(rest), &[], None).await;
        says(&answer.unwrap(), 422, text, rest);
    }
}
