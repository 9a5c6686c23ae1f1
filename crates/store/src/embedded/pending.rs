//! Records that were handed over and are not committed yet, so that they can be read at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::HashMap;
use oxwhisk_entity::{ActivationId, WhiskActivation};

use crate::ActivationQuery;

/// The records under way. There are never more than the queue and one transaction hold.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Locked for single look-ups and short scans, never across an await, so a blocking lock.
    records: Mutex<HashMap<ActivationId, Entry>>,
}

#[derive(Debug)]
struct Entry {
    record: Arc<WhiskActivation>,
    filter_key: String,
}

impl Pending {
    fn records(&self) -> MutexGuard<'_, HashMap<ActivationId, Entry>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn insert(&self, record: &Arc<WhiskActivation>, filter_key: &str) {
        let entry = Entry {
            record: Arc::clone(record),
            filter_key: filter_key.to_owned(),
        };
        self.records().insert(record.activation_id, entry);
    }

    /// Takes records out, unless another record of the same identifier came after.
    pub(super) fn remove<'a>(&self, records: impl Iterator<Item = &'a Arc<WhiskActivation>>) {
        let mut pending = self.records();
        for record in records {
            let same = |entry: &Entry| Arc::ptr_eq(&entry.record, record);
            if pending.get(&record.activation_id).is_some_and(same) {
                pending.remove(&record.activation_id);
            }
        }
    }

    pub(super) fn get(&self, id: ActivationId) -> Option<Arc<WhiskActivation>> {
        let pending = self.records();
        pending.get(&id).map(|entry| Arc::clone(&entry.record))
    }

    /// Returns those that a query asks for, in no order.
    pub(super) fn matching(&self, query: &ActivationQuery) -> Vec<Arc<WhiskActivation>> {
        let since = query.since.unwrap_or(i64::MIN);
        let upto = query.upto.unwrap_or(i64::MAX);
        let name = query.name.as_deref();
        self.records()
            .values()
            .filter(|Entry { record, filter_key }| {
                let start = start(record);
                record.namespace.as_str() == query.namespace
                    && (since..=upto).contains(&start)
                    && name.is_none_or(|name| name == filter_key)
            })
            .map(|entry| Arc::clone(&entry.record))
            .collect()
    }
}

/// Returns the start of a record as the database has it.
pub(super) fn start(record: &WhiskActivation) -> i64 {
    i64::try_from(record.start).unwrap_or(i64::MAX)
}
