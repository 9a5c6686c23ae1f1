//! The stock keys.

use oxwhisk_store::embedded::EmbeddedStore;
use oxwhisk_store::{StoreError, Subject, SubjectNamespace, SubjectStore as _};

/// Namespace, uuid and secret of the keys that every OpenWhisk for developers knows.
const STOCK: [(&str, &str, &str); 2] = [
    (
        "guest",
        "23bc46b1-71f6-4ed5-8c54-816aa4f8c502",
        "123zO3xZCLrMN6v2BKK1dXYFpXlPkccOFqm12CdAsMgRU4VrNZ9lyGVCGuMDGIwP",
    ),
    (
        "whisk.system",
        "789c46b1-71f6-4ed5-8c54-816aa4f8c502",
        "abczO3xZCLrMN6v2BKK1dXYFpXlPkccOFqm12CdAsMgRU4VrNZ9lyGVCGuMDGIwP",
    ),
];

/// Returns the key of `guest`.
pub(crate) fn guest_key() -> String {
    STOCK
        .first()
        .map(|(_, uuid, key)| format!("{uuid}:{key}"))
        .unwrap_or_default()
}

/// Stores the stock keys in a store that has no subject yet; one that was deleted does not come back.
pub(super) async fn ensure_stock(store: &EmbeddedStore) -> Result<(), StoreError> {
    if !store.subjects(None).await?.is_empty() {
        return Ok(());
    }
    for (name, uuid, key) in STOCK {
        let namespace = SubjectNamespace {
            name: name.to_owned(),
            uuid: uuid.to_owned(),
            key: key.to_owned(),
        };
        store
            .put_subject(&Subject {
                subject: name.to_owned(),
                namespaces: vec![namespace],
                blocked: false,
            })
            .await?;
    }
    Ok(())
}
