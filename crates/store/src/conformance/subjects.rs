//! Promises of [`SubjectStore`].

use oxwhisk_entity::{Privilege, UserLimits};

use crate::{StoreError, Subject, SubjectNamespace, SubjectStore};

fn namespace(name: &str, uuid: &str) -> SubjectNamespace {
    SubjectNamespace {
        name: name.to_owned(),
        uuid: uuid.to_owned(),
        key: "k".repeat(64),
    }
}

fn subject(name: &str, namespaces: &[(&str, &str)]) -> Subject {
    let namespaces = namespaces.iter().map(|(name, uuid)| namespace(name, uuid));
    Subject {
        subject: name.to_owned(),
        namespaces: namespaces.collect(),
        blocked: false,
    }
}

/// The two halves of a key give subject, namespace, key and all rights.
pub async fn a_key_gives_its_identity(store: &dyn SubjectStore) {
    let alice = subject("alice", &[("team", "u1"), ("alice", "u2")]);
    store.put_subject(&alice).await.unwrap();
    let key = "k".repeat(64);
    let identity = store.identity_by_key("u2", &key).await.unwrap().unwrap();
    assert_eq!(identity.subject, "alice");
    assert_eq!(identity.namespace.name.as_str(), "alice");
    assert_eq!(identity.namespace.uuid, "u2");
    assert_eq!(identity.authkey.api_key, format!("u2:{key}"));
    assert_eq!(identity.rights, Privilege::ALL);
    assert_eq!(identity.limits, UserLimits::default());
}

/// Unknown, wrong and shortened keys give nothing.
pub async fn a_wrong_key_gives_nothing(store: &dyn SubjectStore) {
    let alice = subject("alice", &[("alice", "u1")]);
    store.put_subject(&alice).await.unwrap();
    let key = "k".repeat(64);
    let longer = format!("{key}k");
    for (uuid, key) in [
        ("u2", &*key),
        ("u1", "K"),
        ("u1", ""),
        ("", ""),
        ("u1", &*longer),
    ] {
        let identity = store.identity_by_key(uuid, key).await.unwrap();
        assert_eq!(identity, None, "{uuid}:{key}");
    }
}

/// A blocked subject keeps its keys and cannot use them.
pub async fn a_blocked_subject_has_no_identity(store: &dyn SubjectStore) {
    let mut alice = subject("alice", &[("alice", "u1")]);
    alice.blocked = true;
    store.put_subject(&alice).await.unwrap();
    let key = "k".repeat(64);
    assert_eq!(store.identity_by_key("u1", &key).await.unwrap(), None);
    assert_eq!(store.identity_by_namespace("alice").await.unwrap(), None);
    assert_eq!(store.subject("alice").await.unwrap(), Some(alice));
}

/// A namespace leads to one of its owners.
pub async fn a_namespace_gives_its_owner(store: &dyn SubjectStore) {
    let alice = subject("alice", &[("alice", "u1"), ("team", "u2")]);
    store.put_subject(&alice).await.unwrap();
    let identity = store.identity_by_namespace("team").await.unwrap().unwrap();
    assert_eq!(identity.namespace.uuid, "u2");
    assert_eq!(store.identity_by_namespace("other").await.unwrap(), None);
}

/// Two subjects cannot have one uuid, and the attempt changes nothing.
pub async fn a_uuid_belongs_to_one_subject(store: &dyn SubjectStore) {
    let alice = subject("alice", &[("alice", "u1")]);
    store.put_subject(&alice).await.unwrap();
    let bobby = subject("bobby", &[("bobby", "u2"), ("alice", "u1")]);
    let refused = store.put_subject(&bobby).await;
    assert!(
        matches!(refused, Err(StoreError::Conflict { .. })),
        "{refused:?}"
    );
    assert_eq!(store.subject("bobby").await.unwrap(), None);
    let bobby = subject("bobby", &[("alice", "u2")]);
    store.put_subject(&bobby).await.unwrap();
}

/// A subject cannot have one uuid for two namespaces, and the attempt changes nothing.
pub async fn a_uuid_belongs_to_one_namespace(store: &dyn SubjectStore) {
    let alice = subject("alice", &[("alice", "u1")]);
    store.put_subject(&alice).await.unwrap();
    let twice = subject("alice", &[("alice", "u1"), ("team", "u1")]);
    let refused = store.put_subject(&twice).await;
    assert!(
        matches!(refused, Err(StoreError::Conflict { .. })),
        "{refused:?}"
    );
    assert_eq!(store.subject("alice").await.unwrap(), Some(alice));
}

/// Putting a subject replaces all its namespaces; their order is kept.
pub async fn a_subject_is_replaced_whole(store: &dyn SubjectStore) {
    let before = subject("alice", &[("alice", "u1"), ("team", "u2")]);
    store.put_subject(&before).await.unwrap();
    let after = subject("alice", &[("zone", "u3"), ("alice", "u1")]);
    store.put_subject(&after).await.unwrap();
    assert_eq!(store.subject("alice").await.unwrap(), Some(after));
    let key = "k".repeat(64);
    assert_eq!(store.identity_by_key("u2", &key).await.unwrap(), None);
}

/// Deleting tells whether there was something, and frees the uuids.
pub async fn a_deleted_subject_is_gone(store: &dyn SubjectStore) {
    let alice = subject("alice", &[("alice", "u1")]);
    store.put_subject(&alice).await.unwrap();
    assert!(store.delete_subject("alice").await.unwrap());
    assert!(!store.delete_subject("alice").await.unwrap());
    assert_eq!(store.subject("alice").await.unwrap(), None);
    let bobby = subject("bobby", &[("bobby", "u1")]);
    store.put_subject(&bobby).await.unwrap();
}

/// All subjects, or the owners of one namespace.
pub async fn subjects_are_listed_by_namespace(store: &dyn SubjectStore) {
    let alice = subject("alice", &[("alice", "u1"), ("team", "u2")]);
    let bobby = subject("bobby", &[("team", "u3")]);
    let carol = subject("carol", &[]);
    for subject in [&alice, &bobby, &carol] {
        store.put_subject(subject).await.unwrap();
    }
    assert_eq!(
        store.subjects(None).await.unwrap(),
        [alice.clone(), bobby.clone(), carol]
    );
    assert_eq!(store.subjects(Some("team")).await.unwrap(), [alice, bobby]);
    assert_eq!(store.subjects(Some("none")).await.unwrap(), []);
}

/// Limits belong to a namespace, whoever owns it.
pub async fn limits_come_with_the_identity(store: &dyn SubjectStore) {
    let alice = subject("alice", &[("alice", "u1"), ("team", "u2")]);
    store.put_subject(&alice).await.unwrap();
    assert_eq!(store.limits("team").await.unwrap(), None);
    let limits = UserLimits {
        concurrent_invocations: Some(7),
        allowed_kinds: Some(vec!["nodejs:20".to_owned()]),
        ..UserLimits::default()
    };
    store.put_limits("team", Some(&limits)).await.unwrap();
    assert_eq!(store.limits("team").await.unwrap(), Some(limits.clone()));
    let key = "k".repeat(64);
    let team = store.identity_by_key("u2", &key).await.unwrap().unwrap();
    assert_eq!(team.limits, limits);
    let own = store.identity_by_key("u1", &key).await.unwrap().unwrap();
    assert_eq!(own.limits, UserLimits::default());
    store.put_limits("team", None).await.unwrap();
    assert_eq!(store.limits("team").await.unwrap(), None);
}
