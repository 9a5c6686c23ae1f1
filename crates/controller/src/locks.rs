//! Locks that one namespace does not take from another.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use foldhash::HashMap;
use oxwhisk_entity::EntityName;

/// One lock for each namespace that uses one at the moment.
#[derive(Debug)]
pub(crate) struct NamespaceLocks<L> {
    /// A std lock: held for a look-up, never across an await. Those that nobody has any more go when one is added, so
    /// there are never more than requests under way.
    used: Mutex<HashMap<EntityName, Weak<L>>>,
}

impl<L> Default for NamespaceLocks<L> {
    fn default() -> Self {
        Self {
            used: Mutex::default(),
        }
    }
}

impl<L: Default> NamespaceLocks<L> {
    /// Returns the lock of a namespace: the same for all who have it at one time.
    pub(crate) fn of(&self, namespace: &EntityName) -> Arc<L> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = used.get(namespace).and_then(Weak::upgrade) {
            return lock;
        }
        used.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::new(L::default());
        used.insert(namespace.clone(), Arc::downgrade(&lock));
        lock
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::RwLock;

    use super::*;

    fn namespace(name: &str) -> EntityName {
        EntityName::new(name).unwrap()
    }

    #[test]
    fn a_namespace_waits_for_itself_only() {
        let locks = NamespaceLocks::<RwLock<()>>::default();
        let ours = locks.of(&namespace("a")).try_write_owned().unwrap();
        assert!(locks.of(&namespace("a")).try_read_owned().is_err());
        let theirs = locks.of(&namespace("b")).try_write_owned();
        assert!(theirs.is_ok());
        drop(ours);
        assert!(locks.of(&namespace("a")).try_read_owned().is_ok());
    }

    #[test]
    fn unused_locks_are_not_kept() {
        let locks = NamespaceLocks::<RwLock<()>>::default();
        let held = locks.of(&namespace("held"));
        for number in 0..100 {
            locks.of(&namespace(&format!("n{number}")));
        }
        assert!(locks.used.lock().unwrap().len() <= 2);
        assert!(Arc::ptr_eq(&held, &locks.of(&namespace("held"))));
    }
}
