//! Records.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use oxwhisk_entity::{ActivationId, Json, WhiskActivation};
use rusqlite::{Connection, OptionalExtension, Row, ToSql};
use tracing::error;

use crate::page::PageRoom;
use crate::{ActivationQuery, ActivationStore, Page, StoreError};

use super::EmbeddedStore;
use super::artifacts::limit;
use super::pending::{Pending, start};
use super::request::{Operation, RecordRow};
use super::write::key;

/// Bytes of a record beside its result and its log, generously.
const REST_OF_RECORD: usize = 768;

/// Writes a record into a text that need not grow.
fn text(record: &WhiskActivation) -> Result<String, serde_json::Error> {
    let result = record.response.result.as_ref().map_or(0, Json::size);
    let log: usize = record.logs.iter().map(|line| line.len() + 3).sum();
    let mut body = Vec::with_capacity(REST_OF_RECORD + result + log);
    serde_json::to_writer(&mut body, record)?;
    String::from_utf8(body).map_err(serde::ser::Error::custom)
}

/// Identifier and text of a stored record.
type Stored = ([u8; 16], String);

fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    Ok((row.get(0)?, row.get(1)?))
}

fn read(namespace: &str, (id, body): &Stored) -> Result<Arc<WhiskActivation>, StoreError> {
    serde_json::from_str(body)
        .map(Arc::new)
        .map_err(|source| StoreError::Corrupt {
            id: format!("{namespace}/{}", identifier(*id)).as_str().into(),
            source: Box::new(source),
        })
}

fn identifier(key: [u8; 16]) -> ActivationId {
    u128::from_be_bytes(key).into()
}

/// The records between two times; `:name` is null for all names.
const BETWEEN: &str =
    "FROM activations WHERE namespace = :namespace AND start BETWEEN :since AND :upto";
const NAMED: &str = " AND name = :name";
const NEWEST_FIRST: &str = " ORDER BY start DESC, id DESC LIMIT :limit OFFSET :skip";

/// A query with its parts as SQLite takes them.
struct Search {
    query: ActivationQuery,
    since: i64,
    upto: i64,
}

impl Search {
    fn new(query: &ActivationQuery) -> Self {
        Self {
            since: query.since.unwrap_or(i64::MIN),
            upto: query.upto.unwrap_or(i64::MAX),
            query: query.clone(),
        }
    }

    /// Runs `SELECT <columns> FROM … <tail>` and collects the rows.
    fn rows<T>(
        &self,
        db: &Connection,
        columns: &str,
        page: Option<(i64, i64)>,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        let named = if self.query.name.is_some() { NAMED } else { "" };
        let tail = if page.is_some() { NEWEST_FIRST } else { "" };
        let mut values: Vec<(&str, &dyn ToSql)> = vec![
            (":namespace", &self.query.namespace),
            (":since", &self.since),
            (":upto", &self.upto),
        ];
        if let Some(name) = &self.query.name {
            values.push((":name", name));
        }
        if let Some((limit, skip)) = &page {
            values.push((":limit", limit));
            values.push((":skip", skip));
        }
        db.prepare_cached(&format!("SELECT {columns} {BETWEEN}{named}{tail}"))?
            .query_map(&*values, read)?
            .collect()
    }

    /// One page when nothing is under way.
    fn page(&self, db: &Connection) -> rusqlite::Result<Vec<Place>> {
        let page = (limit(self.query.limit), self.query.skip.into());
        let mut room = PageRoom::new();
        self.rows(db, "id, body", Some(page), |row| {
            if room.is_left() && room.take(row.get_ref(1)?.as_str()?.len()) {
                return stored(row).map(Place::Stored);
            }
            row.get(0).map(Place::Named)
        })
    }

    /// The places of one page among stored records and those under way, and the texts of the first stored ones.
    ///
    /// A record may be in both, when it was committed in between.
    fn merged_page(
        &self,
        db: &Connection,
        pending: &[Arc<WhiskActivation>],
    ) -> rusqlite::Result<Vec<Place>> {
        let skip = self.query.skip as usize;
        let end = match self.query.limit {
            0 => usize::MAX,
            limit => skip.saturating_add(limit as usize),
        };
        // All of these may be in the table too; what is left is then still enough for the page.
        let enough = i64::try_from(end.saturating_add(pending.len())).unwrap_or(-1);
        let db = db.unchecked_transaction()?;
        let mut places: Vec<(i64, [u8; 16])> =
            self.rows(&db, "start, id", Some((enough, 0)), |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        let under_way: HashSet<[u8; 16]> = pending.iter().map(|r| key(r.activation_id)).collect();
        places.retain(|(_, id)| !under_way.contains(id));
        places.extend(pending.iter().map(|r| (start(r), key(r.activation_id))));
        places.sort_unstable_by(|a, b| b.cmp(a));
        let page = places.into_iter().skip(skip).take(end - skip);
        let mut room = PageRoom::new();
        page.map(|(_, id)| {
            if !room.is_left() {
                return Ok(Some(Place::Named(id)));
            }
            if let Some(record) = pending.iter().find(|r| key(r.activation_id) == id) {
                return Ok(Some(if room.take(text_len(record)) {
                    Place::UnderWay(Arc::clone(record))
                } else {
                    Place::Named(id)
                }));
            }
            let body: Option<String> = db
                .prepare_cached("SELECT body FROM activations WHERE id = ?1")?
                .query_row([id], |row| row.get(0))
                .optional()?;
            Ok(body.map(|body| {
                if room.take(body.len()) {
                    Place::Stored((id, body))
                } else {
                    Place::Named(id)
                }
            }))
        })
        .filter_map(rusqlite::Result::transpose)
        .collect()
    }

    fn count(&self, db: &Connection, pending: &[Arc<WhiskActivation>]) -> rusqlite::Result<u64> {
        let db = db.unchecked_transaction()?;
        let stored = self
            .rows(&db, "count(*)", None, |row| row.get::<_, i64>(0))?
            .first()
            .map_or(0, |count| count.unsigned_abs());
        let mut under_way = 0;
        for record in pending {
            let known = db
                .prepare_cached("SELECT 1 FROM activations WHERE id = ?1")?
                .exists([key(record.activation_id)])?;
            under_way += u64::from(!known);
        }
        Ok(stored + under_way)
    }
}

/// A record of a page.
enum Place {
    Stored(Stored),
    UnderWay(Arc<WhiskActivation>),
    /// One that the page has no room for.
    Named([u8; 16]),
}

/// About how long the text of a record is.
fn text_len(record: &WhiskActivation) -> usize {
    let result = record.response.result.as_ref().map_or(0, |r| r.size());
    result + record.logs.iter().map(String::len).sum::<usize>()
}

/// Takes a record out of those under way if the writer never gets it, because its caller went away.
struct Announced<'a> {
    pending: &'a Pending,
    record: Option<Arc<WhiskActivation>>,
}

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        self.pending.remove(self.record.iter());
    }
}

#[async_trait]
impl ActivationStore for EmbeddedStore {
    async fn store(&self, record: Arc<WhiskActivation>) -> Result<(), StoreError> {
        let body = text(&record).map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        let filter_key = record.filter_key();
        self.inner.pending.insert(&record, &filter_key);
        let mut announced = Announced {
            pending: &self.inner.pending,
            record: Some(Arc::clone(&record)),
        };
        let operation = Operation::Record(RecordRow {
            record,
            filter_key,
            body,
        });
        let answer = self.inner.queue.submit(operation).await?;
        // From here on it is the writer's.
        announced.record = None;
        drop(announced);
        answer
            .await
            .map_err(|error| StoreError::Unavailable(Box::new(error)))??;
        Ok(())
    }

    async fn get(
        &self,
        namespace: &str,
        id: ActivationId,
    ) -> Result<Option<Arc<WhiskActivation>>, StoreError> {
        if let Some(record) = self.inner.pending.get(id) {
            return Ok(Some(record).filter(|record| record.namespace.as_str() == namespace));
        }
        let found = self.read(|db| {
            db.prepare_cached("SELECT id, body FROM activations WHERE id = ?1 AND namespace = ?2")?
                .query_row(rusqlite::params![key(id), namespace], stored)
                .optional()
        })?;
        found.map(|found| read(namespace, &found)).transpose()
    }

    async fn list(
        &self,
        query: &ActivationQuery,
    ) -> Result<Page<Arc<WhiskActivation>, ActivationId>, StoreError> {
        // Looked at before the table: what is committed in between is then in one of them at least.
        let pending = self.inner.pending.matching(query);
        let search = Search::new(query);
        self.read_much(move |db| {
            let places = if pending.is_empty() {
                search.page(db)?
            } else {
                search.merged_page(db, &pending)?
            };
            let (mut found, mut rest) = (Vec::new(), Vec::new());
            for place in places {
                match place {
                    Place::UnderWay(record) => found.push(record),
                    Place::Stored(stored) => {
                        found.extend(present(&search.query.namespace, &stored))
                    }
                    Place::Named(id) => rest.push(identifier(id)),
                }
            }
            Ok(Page { found, rest })
        })
        .await
    }

    async fn count(&self, query: &ActivationQuery) -> Result<u64, StoreError> {
        let pending = self.inner.pending.matching(query);
        let search = Search::new(query);
        self.read_much(move |db| search.count(db, &pending)).await
    }
}

fn present(namespace: &str, stored: &Stored) -> Option<Arc<WhiskActivation>> {
    read(namespace, stored)
        .inspect_err(|failure| error!(error = %failure, "left a damaged record out of a list"))
        .ok()
}
