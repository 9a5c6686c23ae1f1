//! What can be wrong with a database file, and how it is said.
#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::error::Error;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use oxwhisk_store::embedded::{EmbeddedConfig, EmbeddedStore, OpenError};
use oxwhisk_store::{Subject, SubjectStore};
use rusqlite::Connection;

fn open(path: &Path) -> Result<EmbeddedStore, OpenError> {
    EmbeddedStore::open(path, EmbeddedConfig::default())
}

/// Opens what cannot be opened, and returns the error with its text.
#[track_caller]
fn refusal(path: &Path) -> (OpenError, String) {
    let refused = open(path).unwrap_err();
    let text = refused.to_string();
    (refused, text)
}

#[test]
fn a_missing_directory_is_made_for_the_owner_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b/oxwhisk.db");
    let store = open(&path).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    drop(store);
    open(&path).unwrap();
}

#[test]
fn a_store_in_use_names_its_holder() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("oxwhisk.db");
    let first = open(&path).unwrap();
    let (refused, text) = refusal(&path);
    assert!(matches!(refused, OpenError::InUse { .. }));
    assert_eq!(
        text,
        format!(
            "the store `{}` is in use by process {}",
            path.display(),
            std::process::id()
        )
    );
    drop(first);
    open(&path).unwrap();
}

#[test]
fn a_lock_that_is_a_link_is_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let other = directory.path().join("other");
    std::fs::write(&other, "of somebody else").unwrap();
    let path = directory.path().join("oxwhisk.db");
    std::os::unix::fs::symlink(&other, directory.path().join("oxwhisk.db.lock")).unwrap();
    let (_, text) = refusal(&path);
    assert!(text.contains("oxwhisk.db.lock"), "{text}");
    let kept = std::fs::read_to_string(&other).unwrap();
    assert_eq!(kept, "of somebody else");
}

#[test]
fn a_text_file_is_not_a_store() {
    for content in ["hello", &"no database\n".repeat(1000)] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("oxwhisk.db");
        std::fs::write(&path, content).unwrap();
        let (refused, _) = refusal(&path);
        assert!(
            matches!(refused, OpenError::NotAStore { .. }),
            "{refused:?}"
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
    }
}

#[test]
fn another_programs_database_is_not_a_store() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("oxwhisk.db");
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TABLE songs (title TEXT)")
        .unwrap();
    drop(other);
    let (refused, _) = refusal(&path);
    assert!(
        matches!(refused, OpenError::NotAStore { .. }),
        "{refused:?}"
    );
}

#[test]
fn a_newer_format_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("oxwhisk.db");
    open(&path).unwrap();
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    connection.close().unwrap();
    let (refused, text) = refusal(&path);
    assert!(matches!(refused, OpenError::Newer { found: 99, .. }));
    assert!(
        text.ends_with("has format 99, and this program knows formats up to 1"),
        "{text}"
    );
}

#[test]
fn a_damaged_file_is_told_from_a_foreign_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("oxwhisk.db");
    open(&path).unwrap();
    let mut content = std::fs::read(&path).unwrap();
    content[100..4096].fill(0x5a);
    std::fs::write(&path, content).unwrap();
    let (refused, _) = refusal(&path);
    assert!(matches!(refused, OpenError::Corrupt { .. }), "{refused:?}");
    assert!(refused.source().is_some());
}

#[test]
fn what_cannot_be_written_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let as_directory = file.join("oxwhisk.db");
    let in_proc = Path::new("/proc/oxwhisk/oxwhisk.db").to_owned();
    let a_directory = directory.path().join("directory");
    std::fs::create_dir(&a_directory).unwrap();
    for path in [as_directory, in_proc, a_directory] {
        let (refused, text) = refusal(&path);
        assert!(
            matches!(refused, OpenError::Unwritable { .. }),
            "{refused:?}"
        );
        assert!(text.starts_with("cannot write `"), "{text}");
        assert!(refused.source().is_some());
    }
}

/// A crash while the first database was being made leaves a draft, which must not stay in the way.
#[tokio::test]
async fn a_half_made_database_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("oxwhisk.db");
    for leftover in ["oxwhisk.db", "oxwhisk.db-new", "oxwhisk.db-new-wal"] {
        let content = if leftover == "oxwhisk.db" { "" } else { "torn" };
        std::fs::write(directory.path().join(leftover), content).unwrap();
    }
    let subject = Subject {
        subject: "guest".to_owned(),
        namespaces: Vec::new(),
        blocked: false,
    };
    let store = open(&path).unwrap();
    store.put_subject(&subject).await.unwrap();
    drop(store);
    let store = open(&path).unwrap();
    assert_eq!(store.subject("guest").await.unwrap(), Some(subject));
    assert!(!directory.path().join("oxwhisk.db-new").exists());
}

#[tokio::test]
async fn first_subjects_are_in_a_new_store_and_do_not_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("oxwhisk.db");
    let guest = Subject {
        subject: "guest".to_owned(),
        namespaces: Vec::new(),
        blocked: false,
    };
    let config = EmbeddedConfig {
        initial_subjects: vec![guest.clone()],
        ..EmbeddedConfig::default()
    };
    let store = EmbeddedStore::open(&path, config.clone()).unwrap();
    assert_eq!(
        store.subjects(None).await.unwrap(),
        std::slice::from_ref(&guest)
    );
    assert!(store.delete_subject("guest").await.unwrap());
    drop(store);
    let store = EmbeddedStore::open(&path, config.clone()).unwrap();
    assert_eq!(store.subjects(None).await.unwrap(), []);
    let in_memory = EmbeddedStore::in_memory(config).unwrap();
    assert_eq!(in_memory.subjects(None).await.unwrap(), [guest]);
}
