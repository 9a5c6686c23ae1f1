use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use oxwhisk_entity::{ActivationId, Json, WhiskActivation};
use oxwhisk_store::{
    ActivationQuery, ActivationStore, ArtifactQuery, ArtifactStore, Collection, Document,
    DocumentId, NewDocument, Page, Revision, StoreError,
};

use super::ActionSpec;
use super::containers::Gate;

/// Documents and attachments that tests put there.
#[derive(Debug, Default)]
pub struct FakeArtifacts {
    documents: Mutex<HashMap<DocumentId, Document>>,
    attachments: Mutex<HashMap<(DocumentId, String), Bytes>>,
    is_away: Mutex<bool>,
    panics: Mutex<bool>,
    reads: Mutex<usize>,
}

impl FakeArtifacts {
    /// Puts an action there as the given revision.
    pub fn put_action(&self, action: &ActionSpec, revision: &str) {
        self.put_body(
            &action.path,
            revision,
            Collection::Actions,
            &action.document(),
        );
    }

    pub fn put_body(&self, id: &str, revision: &str, collection: Collection, body: &str) {
        let id = DocumentId::from(id);
        let document = Document {
            id: id.clone(),
            revision: Revision(revision.to_owned()),
            collection,
            body: Json::parse(body.as_bytes()).unwrap(),
        };
        self.documents.lock().unwrap().insert(id, document);
    }

    pub fn attach(&self, id: &str, name: &str, content: &'static [u8]) {
        let key = (DocumentId::from(id), name.to_owned());
        let content = Bytes::from_static(content);
        self.attachments.lock().unwrap().insert(key, content);
    }

    pub fn go_away(&self, away: bool) {
        *self.is_away.lock().unwrap() = away;
    }

    pub fn panic_in_reads(&self, panics: bool) {
        *self.panics.lock().unwrap() = panics;
    }

    pub fn reads(&self) -> usize {
        *self.reads.lock().unwrap()
    }
}

#[async_trait]
impl ArtifactStore for FakeArtifacts {
    async fn get(&self, id: &DocumentId) -> Result<Option<Document>, StoreError> {
        *self.reads.lock().unwrap() += 1;
        let panics = *self.panics.lock().unwrap();
        assert!(!panics, "the backend is broken");
        if *self.is_away.lock().unwrap() {
            return Err(StoreError::Unavailable("away".into()));
        }
        Ok(self.documents.lock().unwrap().get(id).cloned())
    }

    async fn put(&self, _: NewDocument) -> Result<Revision, StoreError> {
        unimplemented!("an invoker does not write entities")
    }

    async fn delete(&self, _: &DocumentId, _: &Revision) -> Result<(), StoreError> {
        unimplemented!("an invoker does not write entities")
    }

    async fn list(&self, _: &ArtifactQuery) -> Result<Page<Document, DocumentId>, StoreError> {
        unimplemented!("an invoker does not list entities")
    }

    async fn count(&self, _: &ArtifactQuery) -> Result<u64, StoreError> {
        unimplemented!("an invoker does not list entities")
    }

    async fn attachment(&self, id: &DocumentId, name: &str) -> Result<Bytes, StoreError> {
        let key = (id.clone(), name.to_owned());
        let found = self.attachments.lock().unwrap().get(&key).cloned();
        found.ok_or_else(|| StoreError::Missing { id: id.clone() })
    }
}

/// Records in memory; can be full, or slow.
#[derive(Debug)]
pub struct FakeRecords {
    /// What writing waits for.
    pub writes: Gate,
    /// Handed over and not written: can be read.
    pending: Mutex<HashMap<ActivationId, Arc<WhiskActivation>>>,
    records: Mutex<HashMap<ActivationId, Arc<WhiskActivation>>>,
    is_full: Mutex<bool>,
    attempts: Mutex<usize>,
}

impl Default for FakeRecords {
    fn default() -> Self {
        Self {
            writes: Gate::new(),
            pending: Mutex::default(),
            records: Mutex::default(),
            is_full: Mutex::default(),
            attempts: Mutex::default(),
        }
    }
}

impl FakeRecords {
    pub fn fill(&self, full: bool) {
        *self.is_full.lock().unwrap() = full;
    }

    pub fn find(&self, id: ActivationId) -> Option<Arc<WhiskActivation>> {
        let pending = self.pending.lock().unwrap().get(&id).cloned();
        pending.or_else(|| self.records.lock().unwrap().get(&id).cloned())
    }

    /// How many are written.
    pub fn count(&self) -> usize {
        self.records.lock().unwrap().len()
    }

    pub fn attempts(&self) -> usize {
        *self.attempts.lock().unwrap()
    }
}

#[async_trait]
impl ActivationStore for FakeRecords {
    async fn store(&self, record: Arc<WhiskActivation>) -> Result<(), StoreError> {
        *self.attempts.lock().unwrap() += 1;
        let id = record.activation_id;
        self.pending.lock().unwrap().insert(id, record.clone());
        // A real store takes its time.
        tokio::task::yield_now().await;
        self.writes.pass().await;
        self.pending.lock().unwrap().remove(&id);
        if *self.is_full.lock().unwrap() {
            return Err(StoreError::Full);
        }
        let old = self.records.lock().unwrap().insert(id, record);
        assert!(old.is_none(), "recorded twice: {old:?}");
        Ok(())
    }

    async fn get(
        &self,
        _: &str,
        id: ActivationId,
    ) -> Result<Option<Arc<WhiskActivation>>, StoreError> {
        Ok(self.find(id))
    }

    async fn list(
        &self,
        _: &ActivationQuery,
    ) -> Result<Page<Arc<WhiskActivation>, ActivationId>, StoreError> {
        unimplemented!("an invoker does not list records")
    }

    async fn count(&self, _: &ActivationQuery) -> Result<u64, StoreError> {
        unimplemented!("an invoker does not list records")
    }
}
