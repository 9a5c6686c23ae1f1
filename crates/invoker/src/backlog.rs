//! Records that are not on disk yet, in bytes.
//!
//! An activation gives its slot back when its record can be read, not when it is written, so slots do not bound what
//! waits for a slow disk. This does: nothing of a namespace begins while much of it waits, and nothing of anybody while
//! much waits altogether. Callers are then answered as fast as the disk writes.

use foldhash::{HashMap, HashMapExt as _};
use oxwhisk_entity::{ByteSize, EntityName, Json, WhiskActivation};
use tokio::sync::watch;

/// Bytes of a record beside its result and its log, generously.
const REST_OF_RECORD: usize = 1024;

/// What waits to be written.
#[derive(Debug)]
pub(crate) struct Backlog {
    /// Most of all namespaces together, in bytes.
    max: usize,
    waiting: watch::Sender<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    total: usize,
    by_namespace: HashMap<EntityName, usize>,
}

impl Backlog {
    /// Makes a backlog of so many bytes, a quarter of which one namespace may have.
    pub(crate) fn new(max: ByteSize) -> Self {
        Self {
            max: usize::try_from(max.as_bytes()).unwrap_or(usize::MAX),
            waiting: watch::Sender::new(Waiting {
                total: 0,
                by_namespace: HashMap::new(),
            }),
        }
    }

    /// Counts a record until the value that is returned is dropped.
    pub(crate) fn add(&self, namespace: &EntityName, record: &WhiskActivation) -> InBacklog<'_> {
        let bytes = size(record);
        self.waiting.send_modify(|waiting| {
            waiting.total += bytes;
            *waiting.by_namespace.entry(namespace.clone()).or_default() += bytes;
        });
        InBacklog {
            backlog: self,
            namespace: namespace.clone(),
            bytes,
        }
    }

    /// Waits until an activation of a namespace may begin.
    pub(crate) async fn has_room(&self, namespace: &EntityName) {
        let has_room = |waiting: &Waiting| {
            let own = waiting.by_namespace.get(namespace).copied();
            waiting.total < self.max && own.unwrap_or(0) < self.max / 4
        };
        // Most often there is, and nobody need be told of it.
        if has_room(&self.waiting.borrow()) {
            return;
        }
        let mut waiting = self.waiting.subscribe();
        // The sender lives as long as this does.
        let _either_way = waiting.wait_for(has_room).await;
    }
}

/// A record that waits to be written.
#[derive(Debug)]
pub(crate) struct InBacklog<'a> {
    backlog: &'a Backlog,
    namespace: EntityName,
    bytes: usize,
}

impl Drop for InBacklog<'_> {
    fn drop(&mut self) {
        self.backlog.waiting.send_modify(|waiting| {
            waiting.total -= self.bytes;
            if let Some(own) = waiting.by_namespace.get_mut(&self.namespace) {
                *own -= self.bytes;
                if *own == 0 {
                    waiting.by_namespace.remove(&self.namespace);
                }
            }
        });
    }
}

fn size(record: &WhiskActivation) -> usize {
    let result = record.response.result.as_ref().map_or(0, Json::size);
    let log: usize = record.logs.iter().map(String::len).sum();
    REST_OF_RECORD + result + log
}
