//! Entities.

use async_trait::async_trait;
use bytes::Bytes;
use oxwhisk_entity::Json;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter, types::Value};
use serde_json::value::RawValue;
use tracing::error;

use crate::{
    ArtifactQuery, ArtifactStore, Collection, Document, DocumentId, NewDocument, Page, Revision,
    Scope, StoreError,
};

use crate::page::PageRoom;

use super::EmbeddedStore;
use super::request::{Done, Operation};

/// Returns the number that stands for a collection in the tables.
pub(super) fn collection_code(collection: Collection) -> i64 {
    match collection {
        Collection::Actions => 0,
        Collection::Packages => 1,
        Collection::Triggers => 2,
        Collection::Rules => 3,
    }
}

fn collection_of(code: i64) -> Option<Collection> {
    match code {
        0 => Some(Collection::Actions),
        1 => Some(Collection::Packages),
        2 => Some(Collection::Triggers),
        3 => Some(Collection::Rules),
        _ => None,
    }
}

const DOCUMENT: &str = "SELECT id, revision, collection, body FROM documents";

/// A row as it is stored.
type Stored = (String, i64, i64, String);

fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
}

fn document((id, revision, collection, body): Stored) -> Result<Document, StoreError> {
    let id = DocumentId::from(id.as_str());
    let corrupt = |source| StoreError::Corrupt {
        id: id.clone(),
        source,
    };
    let collection = collection_of(collection)
        .ok_or_else(|| corrupt(format!("unknown collection {collection}").into()))?;
    // Checked here, so that a damaged text is never passed on as an entity.
    let body = serde_json::from_str::<&RawValue>(&body)
        .map(|raw| Json::from_canonical(raw.get().to_owned()))
        .map_err(|error| corrupt(Box::new(error)))?;
    Ok(Document {
        revision: Revision(revision.to_string()),
        collection,
        body,
        id,
    })
}

/// The condition of a list and what is bound to it.
fn condition(query: &ArtifactQuery) -> (String, Vec<Value>) {
    let (column, scope) = match &query.scope {
        Scope::Namespace(namespace) => ("namespace", namespace.clone()),
        Scope::Path(path) => ("path", path.as_str().to_owned()),
    };
    let public = if query.only_public {
        " AND public = 1"
    } else {
        ""
    };
    let text = format!(" WHERE collection = ?1 AND {column} = ?2{public}");
    let values = vec![
        Value::Integer(collection_code(query.collection)),
        Value::Text(scope),
    ];
    (text, values)
}

fn list(db: &Connection, query: &ArtifactQuery) -> rusqlite::Result<Page<Stored, DocumentId>> {
    let (condition, mut values) = condition(query);
    values.push(Value::Integer(limit(query.limit)));
    values.push(Value::Integer(query.skip.into()));
    let mut select = db.prepare_cached(&format!(
        "{DOCUMENT}{condition} ORDER BY updated DESC, revision DESC LIMIT ?3 OFFSET ?4"
    ))?;
    let mut rows = select.query(params_from_iter(values))?;
    let (mut found, mut rest, mut room) = (Vec::new(), Vec::new(), PageRoom::new());
    while let Some(row) = rows.next()? {
        if room.is_left() && room.take(row.get_ref(3)?.as_str()?.len()) {
            found.push(stored(row)?);
        } else {
            rest.push(DocumentId::from(row.get_ref(0)?.as_str()?));
        }
    }
    Ok(Page { found, rest })
}

/// Returns a limit as SQLite wants it: −1 for none.
pub(super) fn limit(limit: u32) -> i64 {
    if limit == 0 { -1 } else { limit.into() }
}

#[async_trait]
impl ArtifactStore for EmbeddedStore {
    async fn get(&self, id: &DocumentId) -> Result<Option<Document>, StoreError> {
        self.read(|db| {
            db.prepare_cached(&format!("{DOCUMENT} WHERE id = ?1"))?
                .query_row([id.as_str()], stored)
                .optional()
        })?
        .map(document)
        .transpose()
    }

    async fn put(&self, document: NewDocument) -> Result<Revision, StoreError> {
        let id = document.id.clone();
        match self
            .inner
            .queue
            .call(Operation::PutDocument(document))
            .await?
        {
            Done::Revision(revision) => Ok(revision),
            // Unreachable by construction; the document is written.
            Done::Written | Done::Deleted(_) => Err(StoreError::Missing { id }),
        }
    }

    async fn delete(&self, id: &DocumentId, revision: &Revision) -> Result<(), StoreError> {
        let operation = Operation::DeleteDocument(id.clone(), revision.clone());
        self.inner.queue.call(operation).await.map(|_| ())
    }

    async fn list(&self, query: &ArtifactQuery) -> Result<Page<Document, DocumentId>, StoreError> {
        let query = query.clone();
        let Page { found, rest } = self.read_much(move |db| list(db, &query)).await?;
        let found = found
            .into_iter()
            .filter_map(|row| match document(row) {
                Ok(document) => Some(document),
                Err(failure) => {
                    error!(error = %failure, "left a damaged entity out of a list");
                    None
                }
            })
            .collect();
        Ok(Page { found, rest })
    }

    async fn count(&self, query: &ArtifactQuery) -> Result<u64, StoreError> {
        let (condition, values) = condition(query);
        self.read_much(move |db| {
            db.prepare_cached(&format!("SELECT count(*) FROM documents{condition}"))?
                .query_row(params_from_iter(values), |row| row.get(0))
        })
        .await
        .map(i64::unsigned_abs)
    }

    async fn attachment(&self, id: &DocumentId, name: &str) -> Result<Bytes, StoreError> {
        let key = [id.as_str().to_owned(), name.to_owned()];
        let content: Option<Vec<u8>> = self
            .read_much(move |db| {
                db.prepare_cached(
                    "SELECT content FROM attachments WHERE document = ?1 AND name = ?2",
                )?
                .query_row(key, |row| row.get(0))
                .optional()
            })
            .await?;
        content
            .map(Bytes::from)
            .ok_or_else(|| StoreError::Missing { id: id.clone() })
    }
}
