//! The stock keys.

use oxwhisk_store::{Subject, SubjectNamespace};

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

/// Returns the stock subjects. A new store begins with them; one that was deleted later does not come back.
pub(super) fn stock() -> Vec<Subject> {
    let subject = |(name, uuid, key): (&str, &str, &str)| Subject {
        subject: name.to_owned(),
        namespaces: vec![SubjectNamespace {
            name: name.to_owned(),
            uuid: uuid.to_owned(),
            key: key.to_owned(),
        }],
        blocked: false,
    };
    STOCK.into_iter().map(subject).collect()
}
