//! Promises of [`ArtifactStore`].

use bytes::Bytes;
use oxwhisk_entity::{EntityPath, Json};

use crate::{
    ArtifactQuery, ArtifactStore, Attachment, Collection, DocumentId, NewDocument, PAGE_BYTES,
    Revision, Scope, StoreError,
};

/// An action `<path>/<name>` that replaces nothing.
fn action(path: &str, name: &str, updated: u64) -> NewDocument {
    NewDocument {
        id: DocumentId::from(format!("{path}/{name}").as_str()),
        collection: Collection::Actions,
        path: EntityPath::new(path).unwrap(),
        updated,
        public: false,
        body: Json::from_canonical(format!(r#"{{"name":"{name}","updated":{updated}}}"#)),
        replaces: None,
        attachment: None,
        keep_attachments: false,
    }
}

fn with_code(mut document: NewDocument, content: &'static [u8]) -> NewDocument {
    document.attachment = Some(Attachment {
        name: "codefile".to_owned(),
        content_type: "text/plain".to_owned(),
        content: Bytes::from_static(content),
    });
    document
}

fn query(scope: Scope) -> ArtifactQuery {
    ArtifactQuery {
        collection: Collection::Actions,
        scope,
        skip: 0,
        limit: 0,
        only_public: false,
    }
}

fn namespace(name: &str) -> ArtifactQuery {
    query(Scope::Namespace(name.to_owned()))
}

fn path(path: &str) -> ArtifactQuery {
    query(Scope::Path(EntityPath::new(path).unwrap()))
}

async fn listed(store: &dyn ArtifactStore, query: &ArtifactQuery) -> Vec<String> {
    let documents = store.list(query).await.unwrap().found;
    let ids = documents.iter().map(|document| document.id.to_string());
    ids.collect()
}

#[track_caller]
fn assert_conflict<T: std::fmt::Debug>(result: &Result<T, StoreError>) {
    assert!(
        matches!(result, Err(StoreError::Conflict { .. })),
        "{result:?}"
    );
}

#[track_caller]
fn assert_missing<T: std::fmt::Debug>(result: &Result<T, StoreError>) {
    assert!(
        matches!(result, Err(StoreError::Missing { .. })),
        "{result:?}"
    );
}

/// All parts of a document come back, its body to the byte.
pub async fn a_document_is_read_back_as_it_was_put(store: &dyn ArtifactStore) {
    let mut document = action("guest", "hello", 5);
    document.body = Json::from_canonical(r#"{"z":1E+3,"a":"ü\u0000 ","a b":[null,{}]}"#.to_owned());
    let revision = store.put(document.clone()).await.unwrap();
    let found = store.get(&document.id).await.unwrap().unwrap();
    assert_eq!(found.id, document.id);
    assert_eq!(found.revision, revision);
    assert_eq!(found.collection, Collection::Actions);
    assert_eq!(found.body, document.body);
}

/// Reading what was never put is no error.
pub async fn an_unknown_document_is_none(store: &dyn ArtifactStore) {
    let id = DocumentId::from("guest/nothing");
    assert!(store.get(&id).await.unwrap().is_none());
    assert_missing(&store.attachment(&id, "codefile").await);
}

/// `replaces: None` means that there must be none yet.
pub async fn creating_what_exists_is_a_conflict(store: &dyn ArtifactStore) {
    let first = action("guest", "hello", 1);
    store.put(first.clone()).await.unwrap();
    let mut second = with_code(action("guest", "hello", 2), b"other");
    second.collection = Collection::Triggers;
    assert_conflict(&store.put(second).await);
    let found = store.get(&first.id).await.unwrap().unwrap();
    assert_eq!(found.body, first.body);
    assert_missing(&store.attachment(&first.id, "codefile").await);
}

/// A write must name the state that it replaces.
pub async fn stale_revision_is_a_conflict(store: &dyn ArtifactStore) {
    let mut document = action("guest", "hello", 1);
    let first = store.put(document.clone()).await.unwrap();
    document.replaces = Some(first);
    let second = store.put(document.clone()).await.unwrap();
    assert_conflict(&store.put(document.clone()).await);
    document.replaces = Some(second);
    store.put(document).await.unwrap();
}

/// A write that replaces a state needs that state.
pub async fn replacing_what_does_not_exist_is_a_conflict(store: &dyn ArtifactStore) {
    let mut document = action("guest", "hello", 1);
    let revision = store.put(document.clone()).await.unwrap();
    store.delete(&document.id, &revision).await.unwrap();
    document.replaces = Some(revision);
    assert_conflict(&store.put(document.clone()).await);
    assert!(store.get(&document.id).await.unwrap().is_none());
}

/// Caches are keyed by revisions, so none may come again, not even after a deletion.
pub async fn no_revision_comes_twice(store: &dyn ArtifactStore) {
    let mut revisions: Vec<Revision> = Vec::new();
    for round in 0..3 {
        let mut document = action("guest", "hello", round);
        let first = store.put(document.clone()).await.unwrap();
        document.replaces = Some(first.clone());
        let second = store.put(document.clone()).await.unwrap();
        store.delete(&document.id, &second).await.unwrap();
        for revision in [first, second] {
            assert!(!revisions.contains(&revision), "{revision:?}");
            revisions.push(revision);
        }
    }
}

/// Writers that race for one name do not both win.
pub async fn one_of_many_creators_wins(store: &dyn ArtifactStore) {
    let document = |number| action("guest", "hello", number);
    let (a, b, c, d) = tokio::join!(
        store.put(document(1)),
        store.put(document(2)),
        store.put(document(3)),
        store.put(document(4))
    );
    let won = [a, b, c, d].iter().filter(|result| result.is_ok()).count();
    assert_eq!(won, 1);
}

/// A deletion must name the present state; what is gone is `Missing`.
pub async fn deletion_needs_the_present_revision(store: &dyn ArtifactStore) {
    let mut document = action("guest", "hello", 1);
    let first = store.put(document.clone()).await.unwrap();
    document.replaces = Some(first.clone());
    let second = store.put(document.clone()).await.unwrap();
    assert_conflict(&store.delete(&document.id, &first).await);
    store.delete(&document.id, &second).await.unwrap();
    assert!(store.get(&document.id).await.unwrap().is_none());
    assert!(listed(store, &namespace("guest")).await.is_empty());
    assert_missing(&store.delete(&document.id, &second).await);
}

/// An attachment is there from the write that brings it until the next write or the deletion.
pub async fn attachments_come_and_go_with_their_document(store: &dyn ArtifactStore) {
    let mut document = with_code(action("guest", "hello", 1), b"code\0\xff");
    let id = document.id.clone();
    let first = store.put(document.clone()).await.unwrap();
    assert_eq!(
        &store.attachment(&id, "codefile").await.unwrap()[..],
        b"code\0\xff"
    );
    assert_missing(&store.attachment(&id, "other").await);
    document.replaces = Some(first);
    document.attachment = None;
    let second = store.put(document.clone()).await.unwrap();
    assert_missing(&store.attachment(&id, "codefile").await);
    document.replaces = Some(second);
    let document = with_code(document, b"");
    let third = store.put(document).await.unwrap();
    assert!(store.attachment(&id, "codefile").await.unwrap().is_empty());
    store.delete(&id, &third).await.unwrap();
    assert_missing(&store.attachment(&id, "codefile").await);
}

/// `keep_attachments` keeps those of the state before; a new one of the same name takes its place.
pub async fn attachments_stay_when_asked(store: &dyn ArtifactStore) {
    let mut document = with_code(action("guest", "hello", 1), b"old");
    let id = document.id.clone();
    document.replaces = Some(store.put(document.clone()).await.unwrap());
    document.attachment = None;
    document.keep_attachments = true;
    document.replaces = Some(store.put(document.clone()).await.unwrap());
    assert_eq!(
        &store.attachment(&id, "codefile").await.unwrap()[..],
        b"old"
    );
    store.put(with_code(document, b"new")).await.unwrap();
    assert_eq!(
        &store.attachment(&id, "codefile").await.unwrap()[..],
        b"new"
    );
}

/// Newest first by `updated`; `skip` and `limit` cut a page out and do not change the count.
pub async fn lists_are_newest_first_and_paged(store: &dyn ArtifactStore) {
    for (name, updated) in [("b", 20), ("d", 40), ("a", 10), ("c", 30)] {
        store.put(action("guest", name, updated)).await.unwrap();
    }
    let mut query = namespace("guest");
    assert_eq!(
        listed(store, &query).await,
        ["guest/d", "guest/c", "guest/b", "guest/a"]
    );
    query.skip = 1;
    query.limit = 2;
    assert_eq!(listed(store, &query).await, ["guest/c", "guest/b"]);
    assert_eq!(store.count(&query).await.unwrap(), 4);
    query.skip = 9;
    assert!(listed(store, &query).await.is_empty());
}

/// A namespace includes its packages and nobody else; a path is exact.
pub async fn scopes_tell_packages_from_namespaces(store: &dyn ArtifactStore) {
    for (path, name) in [("guest", "a"), ("guest/pkg", "b"), ("guest2", "c")] {
        store.put(action(path, name, 1)).await.unwrap();
    }
    assert_eq!(listed(store, &namespace("guest")).await.len(), 2);
    assert_eq!(store.count(&namespace("guest")).await.unwrap(), 2);
    assert_eq!(listed(store, &path("guest")).await, ["guest/a"]);
    assert_eq!(listed(store, &path("guest/pkg")).await, ["guest/pkg/b"]);
    assert_eq!(listed(store, &namespace("guest2")).await, ["guest2/c"]);
}

/// `only_public` shows what was put as public.
pub async fn private_documents_are_left_out_on_request(store: &dyn ArtifactStore) {
    store.put(action("guest", "private", 2)).await.unwrap();
    let mut public = action("guest", "public", 1);
    public.public = true;
    store.put(public).await.unwrap();
    let mut query = namespace("guest");
    assert_eq!(store.count(&query).await.unwrap(), 2);
    query.only_public = true;
    assert_eq!(listed(store, &query).await, ["guest/public"]);
    assert_eq!(store.count(&query).await.unwrap(), 1);
}

/// Collections share identifiers, not lists.
pub async fn collections_are_kept_apart(store: &dyn ArtifactStore) {
    let collections = [
        Collection::Actions,
        Collection::Packages,
        Collection::Triggers,
        Collection::Rules,
    ];
    for collection in collections {
        let mut document = action("guest", collection.as_str(), 1);
        document.collection = collection;
        store.put(document).await.unwrap();
    }
    for collection in collections {
        let mut query = namespace("guest");
        query.collection = collection;
        let found = store.list(&query).await.unwrap().found;
        assert_eq!(found.len(), 1);
        assert!(
            found
                .iter()
                .all(|document| document.collection == collection)
        );
    }
}

/// A long list is whole up to a size; what follows is named.
pub async fn long_lists_name_what_does_not_fit(store: &dyn ArtifactStore) {
    for number in 1..=12 {
        let mut document = action("guest", &format!("a{number}"), number);
        let text = "x".repeat(PAGE_BYTES / 4 - 100);
        document.body = Json::of(&serde_json::json!({ "text": text }));
        store.put(document).await.unwrap();
    }
    let page = store.list(&namespace("guest")).await.unwrap();
    let found: Vec<&str> = page.found.iter().map(|found| found.id.as_str()).collect();
    assert_eq!(found, ["guest/a12", "guest/a11", "guest/a10", "guest/a9"]);
    let rest: Vec<String> = (1..9).rev().map(|n| format!("guest/a{n}")).collect();
    let named: Vec<&str> = page.rest.iter().map(DocumentId::as_str).collect();
    assert_eq!(named, rest);
}
