//! Finds the action of an activation: remembers actions by document and revision, and asks the store
//! once for all activations that need the same.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use oxwhisk_entity::ActivationResponse;
use oxwhisk_store::{ArtifactStore, DocumentId, Revision};

use crate::Clock;
use crate::caught::{Panicked, caught};
use crate::executable::{Executable, FetchError};
use crate::job::{Job, ReadyJob};
use crate::pool::Revised;
use crate::{messages, outcome};

/// So many revisions are remembered as older than the one that is remembered.
const OLDER_REVISIONS: usize = 8;
const FETCH_ATTEMPTS: u32 = 3;
const FETCH_PAUSE: Duration = Duration::from_millis(100);

/// The actions that are known, and the activations that wait for one that is not.
#[derive(Debug)]
pub(crate) struct Resolver {
    capacity: usize,
    entries: HashMap<DocumentId, Entry>,
    /// Counts lookups; the entry with the smallest count is forgotten first.
    lookups: u64,
    pending: HashMap<DocumentId, Pending>,
}

#[derive(Debug)]
struct Entry {
    action: Arc<Executable>,
    older: VecDeque<Revision>,
    used: u64,
}

/// Activations that wait for a document.
#[derive(Debug, Default)]
struct Pending {
    /// Were there when the store was asked: whatever it answers is new enough for them.
    early: Vec<Job>,
    /// Came later: the answer may be older than what they ask for.
    late: Vec<Job>,
}

/// What became of an activation that needs its action.
#[derive(Debug)]
pub(crate) enum Resolution {
    /// The action is known.
    Ready(Box<ReadyJob>),
    /// The store is to be asked for this document; the activation waits.
    Fetch(DocumentId),
    /// The activation waits for an answer that is under way.
    Waiting,
}

/// What an answer of the store changes.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// Activations whose action is known now, oldest first.
    pub(crate) ready: Vec<ReadyJob>,
    /// Activations that failed.
    pub(crate) failed: Vec<Job>,
    /// The state of the document, if it replaces an older one that was remembered.
    pub(crate) supersedes: Option<Arc<Revised>>,
    /// The store must be asked again.
    pub(crate) asks_again: bool,
}

impl Resolver {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            entries: HashMap::new(),
            lookups: 0,
            pending: HashMap::new(),
        }
    }

    /// Finds the action of an activation.
    ///
    /// An activation that was queued before an update runs the newest code: a revision that is
    /// neither the one remembered nor known to be older is asked for.
    pub(crate) fn resolve(&mut self, job: Job) -> Resolution {
        let id = DocumentId::from(&job.message.action);
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.late.push(job);
            return Resolution::Waiting;
        }
        self.lookups += 1;
        let wanted = job.message.revision.as_deref();
        if let (Some(entry), Some(wanted)) = (self.entries.get_mut(&id), wanted) {
            let is_older = || entry.older.iter().any(|revision| revision.0 == wanted);
            if entry.action.code.revision.0 == wanted || is_older() {
                entry.used = self.lookups;
                let action = entry.action.clone();
                return Resolution::Ready(Box::new(ReadyJob { job, action }));
            }
        }
        self.ask(id, job)
    }

    /// Finds the newest state that is known, for an activation whose own turned out to be old.
    pub(crate) fn resolve_newest(&mut self, job: Job) -> Resolution {
        let id = DocumentId::from(&job.message.action);
        match self.entries.get(&id) {
            Some(entry) if !self.pending.contains_key(&id) => {
                let action = entry.action.clone();
                Resolution::Ready(Box::new(ReadyJob { job, action }))
            }
            _ => self.resolve_afresh(job),
        }
    }

    /// Asks the store whatever is remembered.
    pub(crate) fn resolve_afresh(&mut self, job: Job) -> Resolution {
        let id = DocumentId::from(&job.message.action);
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.late.push(job);
            return Resolution::Waiting;
        }
        self.ask(id, job)
    }

    fn ask(&mut self, id: DocumentId, job: Job) -> Resolution {
        let pending = Pending {
            early: vec![job],
            late: Vec::new(),
        };
        self.pending.insert(id.clone(), pending);
        Resolution::Fetch(id)
    }

    /// Takes the store's answer.
    pub(crate) fn answered(
        &mut self,
        id: &DocumentId,
        result: Result<Arc<Executable>, FetchError>,
    ) -> Answer {
        let mut answer = Answer::default();
        let Pending { early, late } = self.pending.remove(id).unwrap_or_default();
        let (mut served, mut waits) = (early, Vec::new());
        match &result {
            Ok(action) => {
                for job in late {
                    let wanted = job.message.revision.as_deref();
                    if wanted == Some(&action.code.revision.0) {
                        served.push(job);
                    } else {
                        waits.push(job);
                    }
                }
                answer.supersedes = self.remember(id, action);
                let ready = |job| ReadyJob {
                    job,
                    action: action.clone(),
                };
                answer.ready = served.into_iter().map(ready).collect();
            }
            Err(_) => {
                self.entries.remove(id);
                waits = late;
                answer.failed = served;
            }
        }
        answer.asks_again = !waits.is_empty();
        if answer.asks_again {
            let pending = Pending {
                early: waits,
                late: Vec::new(),
            };
            self.pending.insert(id.clone(), pending);
        }
        answer
    }

    fn remember(&mut self, id: &DocumentId, action: &Arc<Executable>) -> Option<Arc<Revised>> {
        self.lookups += 1;
        let used = self.lookups;
        if let Some(entry) = self.entries.get_mut(id) {
            entry.used = used;
            let old = std::mem::replace(&mut entry.action, action.clone());
            if old.code.revision == action.code.revision {
                return None;
            }
            if entry.older.len() == OLDER_REVISIONS {
                entry.older.pop_front();
            }
            entry.older.push_back(old.code.revision.clone());
            return Some(action.code.clone());
        }
        if self.entries.len() >= self.capacity {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used);
            if let Some(oldest) = oldest.map(|(id, _)| id.clone()) {
                self.entries.remove(&oldest);
            }
        }
        if self.capacity > 0 {
            let entry = Entry {
                action: action.clone(),
                older: VecDeque::new(),
                used,
            };
            self.entries.insert(id.clone(), entry);
        }
        None
    }
}

/// Reads an action from the store; tries again where the store did not answer.
pub(crate) async fn fetch(
    store: Arc<dyn ArtifactStore>,
    clock: Arc<dyn Clock>,
    id: DocumentId,
) -> (DocumentId, Result<Arc<Executable>, FetchError>) {
    for attempt in 1.. {
        let read = async { store.get(&id).await.map(|found| found.map(Executable::new)) };
        let result = match caught(read).await {
            Ok(Ok(Some(action))) => action.map(Arc::new),
            Ok(Ok(None)) => Err(FetchError::Removed),
            // The same document would make it panic again.
            Err(Panicked) => return (id, Err(FetchError::Unavailable)),
            Ok(Err(error)) => {
                tracing::warn!(action = %id, %error, "action not fetched");
                Err(error.into())
            }
        };
        let failed = matches!(result, Err(FetchError::Unavailable));
        if !failed || attempt == FETCH_ATTEMPTS {
            return (id, result);
        }
        clock.sleep_until(clock.now() + FETCH_PAUSE).await;
    }
    (id, Err(FetchError::Unavailable))
}

/// The response of an activation without an action. Source: invocation §6.
pub(crate) fn response_to(error: FetchError) -> ActivationResponse {
    match error {
        FetchError::Removed => outcome::application_error(messages::ACTION_REMOVED),
        FetchError::Incompatible => outcome::whisk_error(messages::ACTION_MISMATCH),
        FetchError::Unavailable => outcome::whisk_error(messages::ACTION_FETCH_FAILED),
    }
}
