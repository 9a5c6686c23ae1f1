//! Who makes a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use oxwhisk_entity::{EntityName, Identity};
use oxwhisk_store::{StoreError, SubjectStore};
use quick_cache::sync::Cache;

use crate::config::Clock;
use crate::http::{ApiError, Chain};
use crate::messages;

/// How long an identity is believed without asking the store again. A key that is blocked elsewhere is
/// refused here after that.
const TRUSTED_MS: u64 = 1_000;
/// How many keys are remembered.
const REMEMBERED: usize = 1_000;
/// A secret of any other length is refused unread.
const SECRET_LENGTH: usize = 64;

/// An identity and when it was read.
#[derive(Debug, Clone)]
struct Known {
    identity: Arc<Identity>,
    /// The generation in which reading it began.
    generation: u64,
    read_ms: u64,
}

/// Finds the identity behind credentials.
#[derive(Debug)]
pub(crate) struct Authenticator {
    subjects: Arc<dyn SubjectStore>,
    clock: Arc<dyn Clock>,
    /// By the whole header, so that a known key costs no decoding.
    known: Cache<Vec<u8>, Known>,
    /// By namespace, for requests that act on behalf of its owner.
    owners: Cache<EntityName, Known>,
    /// Counts the changes of subjects and limits that this process knows of. What was read in an earlier one is
    /// not believed, also if the read ends after the change.
    generation: AtomicU64,
}

impl Authenticator {
    pub(crate) fn new(subjects: Arc<dyn SubjectStore>, clock: Arc<dyn Clock>) -> Self {
        Self {
            subjects,
            clock,
            known: Cache::new(REMEMBERED),
            owners: Cache::new(REMEMBERED),
            generation: AtomicU64::new(0),
        }
    }

    /// Asks the store for every identity anew.
    pub(crate) fn forget(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Returns a remembered identity if it is to be believed.
    fn trusted(known: Option<Known>, generation: u64, now_ms: u64) -> Option<Arc<Identity>> {
        known
            .filter(|known| known.generation == generation)
            .filter(|known| now_ms.saturating_sub(known.read_ms) < TRUSTED_MS)
            .map(|known| known.identity)
    }

    /// Returns who sends these headers. Source: rest-api §3.
    pub(crate) async fn identify(&self, headers: &HeaderMap) -> Result<Arc<Identity>, ApiError> {
        let header = headers
            .get(AUTHORIZATION)
            .map_or(&b""[..], |value| value.as_bytes());
        let (now, generation) = (
            self.clock.epoch_ms(),
            self.generation.load(Ordering::Acquire),
        );
        if let Some(identity) = Self::trusted(self.known.get(header), generation, now) {
            return Ok(identity);
        }
        let (uuid, key) = basic_credentials(header)?;
        if key.len() != SECRET_LENGTH {
            return Err(ApiError::unauthenticated(messages::AUTHENTICATION_INVALID));
        }
        match self
            .subjects
            .identity_by_key(&uuid, &key)
            .await
            .map_err(unknowable)?
        {
            Some(identity) => {
                let identity = Arc::new(identity);
                let known = Known {
                    identity: Arc::clone(&identity),
                    generation,
                    read_ms: now,
                };
                self.known.insert(header.to_owned(), known);
                Ok(identity)
            }
            None => {
                self.known.remove(header);
                Err(ApiError::unauthenticated(messages::AUTHENTICATION_INVALID))
            }
        }
    }

    /// Returns who owns a namespace; `None` if there is no such namespace or its subject is blocked.
    pub(crate) async fn owner(
        &self,
        namespace: &EntityName,
    ) -> Result<Option<Arc<Identity>>, ApiError> {
        let (now, generation) = (
            self.clock.epoch_ms(),
            self.generation.load(Ordering::Acquire),
        );
        if let Some(identity) = Self::trusted(self.owners.get(namespace), generation, now) {
            return Ok(Some(identity));
        }
        let found = self
            .subjects
            .identity_by_namespace(namespace.as_str())
            .await?;
        let found = found.map(Arc::new);
        match &found {
            Some(identity) => {
                let known = Known {
                    identity: Arc::clone(identity),
                    generation,
                    read_ms: now,
                };
                self.owners.insert(namespace.clone(), known);
            }
            None => {
                self.owners.remove(namespace);
            }
        }
        Ok(found)
    }
}

/// Who asks cannot be found out. The original fails here before its API answers anything (rest-api §3).
fn unknowable(error: StoreError) -> ApiError {
    tracing::error!(error = %Chain(&error), "identity was not looked up");
    ApiError::crash()
}

/// Returns user and password of Basic credentials.
fn basic_credentials(header: &[u8]) -> Result<(String, String), ApiError> {
    let missing = || ApiError::unauthenticated(messages::AUTHENTICATION_MISSING);
    let text = std::str::from_utf8(header).map_err(|_| missing())?;
    let (scheme, encoded) = text.split_once(' ').ok_or_else(missing)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(missing());
    }
    let decoded = STANDARD.decode(encoded.trim()).map_err(|_| missing())?;
    let pair = String::from_utf8(decoded).map_err(|_| missing())?;
    let (uuid, key) = pair.split_once(':').unwrap_or((&pair, ""));
    Ok((uuid.to_owned(), key.to_owned()))
}
