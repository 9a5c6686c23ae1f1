//! Entities, read through a cache and written with their revisions.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::alphabet::STANDARD as STANDARD_ALPHABET;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{PAD, STANDARD};
use bytes::Bytes;
use oxwhisk_entity::{
    Code, Exec, FullyQualifiedName, Json, WhiskAction, WhiskPackage, WhiskRule, WhiskTrigger,
};
use oxwhisk_store::{
    ArtifactQuery, ArtifactStore, Attachment, Collection, Document, DocumentId, NewDocument,
    Revision, StoreError,
};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;

use crate::http::{ApiError, Element, List};
use crate::large;

/// How many entities are remembered at first; the bound is their size.
const REMEMBERED: usize = 1_000;
/// Size of the documents that are remembered, in bytes.
const REMEMBERED_SIZE: u64 = 64 * 1024 * 1024;
/// Longer code is kept beside the action's document.
const INLINE_CODE: usize = 16 * 1024;
/// How many entities are read in one go on another thread: some milliseconds' work.
const BATCH: usize = 32;

/// An entity of any kind.
#[derive(Debug, Clone)]
pub(crate) enum WhiskEntity {
    Action(WhiskAction),
    Package(WhiskPackage),
    Trigger(WhiskTrigger),
    Rule(WhiskRule),
}

/// An entity as it is stored now.
#[derive(Debug, Clone)]
pub(crate) struct Stored<T> {
    pub(crate) entity: T,
    pub(crate) revision: Revision,
}

impl WhiskEntity {
    /// Returns the name of its class in the original, which some messages quote.
    pub(crate) fn class(&self) -> &'static str {
        match self {
            Self::Action(_) => "WhiskAction",
            Self::Package(_) => "WhiskPackage",
            Self::Trigger(_) => "WhiskTrigger",
            Self::Rule(_) => "WhiskRule",
        }
    }
}

/// A kind of entity that can be told from the others.
pub(crate) trait EntityKind: Clone + DeserializeOwned + Send + 'static {
    const COLLECTION: Collection;
    fn of(entity: &WhiskEntity) -> Option<&Self>;
    /// True if it shows up in lists of what is public.
    fn is_public(&self) -> bool;
}

macro_rules! entity_kind {
    ($type:ty, $variant:ident, $collection:ident, $is_public:expr) => {
        impl EntityKind for $type {
            const COLLECTION: Collection = Collection::$collection;
            fn of(entity: &WhiskEntity) -> Option<&Self> {
                match entity {
                    WhiskEntity::$variant(found) => Some(found),
                    _ => None,
                }
            }
            fn is_public(&self) -> bool {
                $is_public(self)
            }
        }
    };
}
entity_kind!(WhiskAction, Action, Actions, |_| false);
entity_kind!(WhiskPackage, Package, Packages, WhiskPackage::is_public);
entity_kind!(WhiskTrigger, Trigger, Triggers, |_| false);
entity_kind!(WhiskRule, Rule, Rules, |_| false);

/// An entity in memory.
#[derive(Debug, Clone)]
struct Remembered {
    entity: Arc<Stored<WhiskEntity>>,
    /// Bytes of its document.
    size: u64,
}

/// Weighs entities by their documents.
#[derive(Debug, Clone)]
struct BySize;

impl Weighter<DocumentId, Remembered> for BySize {
    fn weight(&self, _id: &DocumentId, remembered: &Remembered) -> u64 {
        1 + remembered.size
    }
}

/// The artifact store with the entities that were used last.
#[derive(Debug)]
pub(crate) struct EntityStore {
    artifacts: Arc<dyn ArtifactStore>,
    cache: Cache<DocumentId, Remembered, BySize>,
    /// Counts writes, so that a read that began before one does not fill the cache after it. A std lock, held for a
    /// few instructions.
    writes: Mutex<u64>,
}

impl EntityStore {
    pub(crate) fn new(artifacts: Arc<dyn ArtifactStore>) -> Self {
        Self {
            artifacts,
            cache: Cache::with_weighter(REMEMBERED, REMEMBERED_SIZE, BySize),
            writes: Mutex::new(0),
        }
    }

    /// Returns what is stored under a name, whatever kind it is.
    pub(crate) async fn find(
        &self,
        name: &FullyQualifiedName,
    ) -> Result<Option<Arc<Stored<WhiskEntity>>>, StoreError> {
        let id = DocumentId::from(name);
        if let Some(found) = self.cache.get(&id) {
            return Ok(Some(found.entity));
        }
        let seen = *self.lock();
        let Some(document) = self.artifacts.get(&id).await? else {
            return Ok(None);
        };
        let stored = Arc::new(read(&document)?);
        let writes = self.lock();
        if *writes == seen {
            let entity = Arc::clone(&stored);
            self.cache.insert(
                id,
                Remembered {
                    entity,
                    size: document.body.size() as u64,
                },
            );
        }
        Ok(Some(stored))
    }

    /// Returns an entity of one kind, 409 for another kind, or `None`.
    pub(crate) async fn get<T: EntityKind>(
        &self,
        name: &FullyQualifiedName,
    ) -> Result<Option<Stored<T>>, ApiError> {
        match self.find(name).await? {
            None => Ok(None),
            Some(stored) => match T::of(&stored.entity) {
                Some(entity) => Ok(Some(Stored {
                    entity: entity.clone(),
                    revision: stored.revision.clone(),
                })),
                None => Err(ApiError::other_collection()),
            },
        }
    }

    /// Returns an entity of one kind; 404 if it is missing.
    pub(crate) async fn require<T: EntityKind>(
        &self,
        name: &FullyQualifiedName,
    ) -> Result<Stored<T>, ApiError> {
        self.get(name).await?.ok_or_else(ApiError::not_found)
    }

    /// Stores an entity in place of a state of it.
    pub(crate) async fn put(
        &self,
        entity: WhiskEntity,
        replaces: Option<Revision>,
    ) -> Result<(), ApiError> {
        let size = match &entity {
            WhiskEntity::Action(action) => {
                usize::try_from(action.exec.size()).unwrap_or(usize::MAX)
            }
            WhiskEntity::Package(_) | WhiskEntity::Trigger(_) | WhiskEntity::Rule(_) => 0,
        };
        let document = large::work(size, move || write(entity, replaces)).await?;
        let id = document.id.clone();
        let outcome = self.artifacts.put(document).await;
        self.forget(&id);
        outcome?;
        Ok(())
    }

    /// Deletes a state of an entity.
    pub(crate) async fn delete(
        &self,
        name: &FullyQualifiedName,
        revision: &Revision,
    ) -> Result<(), StoreError> {
        let id = DocumentId::from(name);
        let outcome = self.artifacts.delete(&id, revision).await;
        self.forget(&id);
        outcome
    }

    /// Lists entities of one kind, each as `show` gives it.
    pub(crate) async fn list<T: EntityKind>(
        &self,
        query: &ArtifactQuery,
        show: fn(&T) -> Json,
    ) -> Result<List, StoreError> {
        let page = self.artifacts.list(query).await?;
        let first = page.found.iter().map(|found| Ok(show(&parse(found)?)));
        let store = Arc::clone(&self.artifacts);
        let only_public = query.only_public;
        let rest = page.rest.into_iter().map(move |id| -> Element {
            let store = Arc::clone(&store);
            Box::pin(apart(async move {
                let found = read_one::<T>(&*store, &id).await?;
                // It may have been made private since the list was begun.
                let found = found.filter(|entity| !only_public || entity.is_public());
                Ok(found.as_ref().map(show))
            }))
        });
        Ok(List {
            first: first.collect::<Result<_, StoreError>>()?,
            rest: Box::new(rest),
        })
    }

    /// Reads all entities of one kind that a query finds, and keeps of each what `keep` returns. What goes beyond a page
    /// is read elsewhere, a batch at a time: others are served meanwhile, and it ends soon after its caller.
    pub(crate) async fn collect<T: EntityKind, K: Send + 'static>(
        &self,
        query: &ArtifactQuery,
        keep: fn(T) -> K,
    ) -> Result<Vec<K>, StoreError> {
        let page = self.artifacts.list(query).await?;
        let first = page.found.iter().map(|found| Ok(keep(parse(found)?)));
        let mut kept = first.collect::<Result<Vec<K>, StoreError>>()?;
        for batch in page.rest.chunks(BATCH) {
            let (store, batch) = (Arc::clone(&self.artifacts), batch.to_vec());
            let read = apart(async move {
                let mut kept = Vec::with_capacity(batch.len());
                for id in &batch {
                    kept.extend(read_one(&*store, id).await?.map(keep));
                }
                Ok(kept)
            });
            kept.extend(read.await?);
        }
        Ok(kept)
    }

    /// Counts entities.
    pub(crate) async fn count(&self, query: &ArtifactQuery) -> Result<u64, StoreError> {
        self.artifacts.count(query).await
    }

    /// Returns the action as the API shows it, with its code in place if that is kept beside the document; `None` if that
    /// code is gone: this is no longer the action's state.
    pub(crate) async fn with_code(&self, action: &WhiskAction) -> Result<Option<Json>, ApiError> {
        let mut whole = action.clone();
        let name = match &action.exec {
            Exec::Code(exec) => exec.code.as_ref().and_then(own_attachment),
            Exec::Sequence(_) => None,
        };
        let Some(name) = name else {
            let size = usize::try_from(action.exec.size()).unwrap_or(usize::MAX);
            return large::work(size, move || Some(whole.to_api())).await;
        };
        let id = DocumentId::from(&action.qualified_name());
        let content = match self.artifacts.attachment(&id, &name).await {
            Err(StoreError::Missing { .. }) => return Ok(None),
            content => content?,
        };
        large::work(content.len(), move || {
            if let Exec::Code(exec) = &mut whole.exec {
                let code = if exec.binary {
                    STANDARD.encode(&content)
                } else {
                    String::from_utf8_lossy(&content).into_owned()
                };
                exec.code = Some(Code::Inline(code.into()));
            }
            Some(whole.to_api())
        })
        .await
    }

    /// Makes the next look at an action ask the store.
    pub(crate) fn forget_action(&self, action: &WhiskAction) {
        self.forget(&DocumentId::from(&action.qualified_name()));
    }

    fn forget(&self, id: &DocumentId) {
        let mut writes = self.lock();
        *writes += 1;
        self.cache.remove(id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, u64> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads something large from a store on a thread for that.
pub(crate) async fn apart<T: Send + 'static>(
    read: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || runtime.block_on(read))
        .await
        .map_err(|error| StoreError::Unavailable(Box::new(error)))?
}

/// Reads an entity that a list named; `None` if there is none of its kind any more.
async fn read_one<T: EntityKind>(
    store: &dyn ArtifactStore,
    id: &DocumentId,
) -> Result<Option<T>, StoreError> {
    let found = store.get(id).await?;
    let found = found.filter(|document| document.collection == T::COLLECTION);
    found.as_ref().map(parse).transpose()
}

fn read(document: &Document) -> Result<Stored<WhiskEntity>, StoreError> {
    let entity = match document.collection {
        Collection::Actions => WhiskEntity::Action(parse(document)?),
        Collection::Packages => WhiskEntity::Package(parse(document)?),
        Collection::Triggers => WhiskEntity::Trigger(parse(document)?),
        Collection::Rules => WhiskEntity::Rule(parse(document)?),
    };
    Ok(Stored {
        entity,
        revision: document.revision.clone(),
    })
}

fn parse<T: DeserializeOwned>(document: &Document) -> Result<T, StoreError> {
    serde_json::from_str(document.body.text()).map_err(|source| StoreError::Corrupt {
        id: document.id.clone(),
        source: Box::new(source),
    })
}

fn write(entity: WhiskEntity, replaces: Option<Revision>) -> NewDocument {
    let (collection, name, updated, public) = match &entity {
        WhiskEntity::Action(action) => (
            Collection::Actions,
            action.qualified_name(),
            action.updated,
            false,
        ),
        WhiskEntity::Package(package) => (
            Collection::Packages,
            package.qualified_name(),
            package.updated,
            package.is_public(),
        ),
        WhiskEntity::Trigger(trigger) => (
            Collection::Triggers,
            trigger.qualified_name(),
            trigger.updated,
            false,
        ),
        WhiskEntity::Rule(rule) => (
            Collection::Rules,
            rule.qualified_name(),
            rule.updated,
            false,
        ),
    };
    let mut attachment = None;
    let mut keep_attachments = false;
    let body = match entity {
        WhiskEntity::Action(mut action) => {
            attachment = detach_code(&mut action);
            keep_attachments = attachment.is_none() && has_own_attachment(&action);
            Json::of(&action)
        }
        WhiskEntity::Package(package) => Json::of(&package),
        WhiskEntity::Trigger(trigger) => Json::of(&trigger),
        WhiskEntity::Rule(rule) => Json::of(&rule),
    };
    let id = DocumentId::from(&name);
    NewDocument {
        id,
        collection,
        path: name.path,
        updated,
        public,
        body,
        replaces,
        attachment,
        keep_attachments,
    }
}

/// The record that stands for code kept beside the document.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CodeRecord {
    attachment_name: String,
}

/// Names of our own attachments begin so; others were sent by a client and stand for nothing.
const OWN_ATTACHMENT: &str = "code-";

fn own_attachment(code: &Code) -> Option<String> {
    let Code::Attached(record) = code else {
        return None;
    };
    let record: CodeRecord = serde_json::from_str(record.text()).ok()?;
    record
        .attachment_name
        .starts_with(OWN_ATTACHMENT)
        .then_some(record.attachment_name)
}

fn has_own_attachment(action: &WhiskAction) -> bool {
    matches!(&action.exec, Exec::Code(exec) if exec.code.as_ref().and_then(own_attachment).is_some())
}

/// Padded base64 whose last letter may have bits that stand for nothing, as clients may send it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD_ALPHABET,
    PAD.with_decode_allow_trailing_bits(true),
);

/// Takes long code out of an action and leaves a record of it. Binary code is kept decoded, as the original does.
fn detach_code(action: &mut WhiskAction) -> Option<Attachment> {
    let Exec::Code(exec) = &mut action.exec else {
        return None;
    };
    let Some(Code::Inline(text)) = &exec.code else {
        return None;
    };
    if text.len() <= INLINE_CODE {
        return None;
    }
    let (content, content_type) = if exec.binary {
        (
            Bytes::from(LENIENT.decode(text.as_bytes()).ok()?),
            "application/octet-stream",
        )
    } else {
        (Bytes::copy_from_slice(text.as_bytes()), "text/plain")
    };
    let name = format!("{OWN_ATTACHMENT}{:032x}", rand::random::<u128>());
    let record = serde_json::json!({"attachmentName": name, "attachmentType": content_type, "length": content.len()});
    exec.code = Some(Code::Attached(Json::of(&record)));
    Some(Attachment {
        name,
        content_type: content_type.to_owned(),
        content,
    })
}

#[cfg(test)]
mod tests;
