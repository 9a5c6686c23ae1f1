//! Who makes a request.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use oxwhisk_entity::{EntityName, Identity};
use oxwhisk_store::SubjectStore;
use quick_cache::sync::Cache;

use crate::config::Clock;
use crate::http::ApiError;
use crate::messages;

/// How long an identity is believed without asking the store again. A key that is blocked elsewhere is
/// refused here after that.
const TRUSTED_MS: u64 = 1_000;
/// How many keys are remembered.
const REMEMBERED: usize = 1_000;
/// A secret of any other length is refused unread.
const SECRET_LENGTH: usize = 64;

/// Finds the identity behind credentials.
#[derive(Debug)]
pub(crate) struct Authenticator {
    subjects: Arc<dyn SubjectStore>,
    clock: Arc<dyn Clock>,
    /// By the whole header, so that a known key costs no decoding.
    known: Cache<Vec<u8>, (u64, Arc<Identity>)>,
    /// By namespace, for requests that act on behalf of its owner.
    owners: Cache<EntityName, (u64, Arc<Identity>)>,
}

impl Authenticator {
    pub(crate) fn new(subjects: Arc<dyn SubjectStore>, clock: Arc<dyn Clock>) -> Self {
        Self {
            subjects,
            clock,
            known: Cache::new(REMEMBERED),
            owners: Cache::new(REMEMBERED),
        }
    }

    /// Returns who sends these headers. Source: rest-api §3.
    pub(crate) async fn identify(&self, headers: &HeaderMap) -> Result<Arc<Identity>, ApiError> {
        let header = headers
            .get(AUTHORIZATION)
            .map_or(&b""[..], |value| value.as_bytes());
        let now = self.clock.epoch_ms();
        if let Some((read, identity)) = self.known.get(header)
            && now.saturating_sub(read) < TRUSTED_MS
        {
            return Ok(identity);
        }
        let (uuid, key) = basic_credentials(header)?;
        if key.len() != SECRET_LENGTH {
            return Err(ApiError::unauthenticated(messages::AUTHENTICATION_INVALID));
        }
        match self.subjects.identity_by_key(&uuid, &key).await? {
            Some(identity) => {
                let identity = Arc::new(identity);
                self.known
                    .insert(header.to_owned(), (now, Arc::clone(&identity)));
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
        let now = self.clock.epoch_ms();
        if let Some((read, identity)) = self.owners.get(namespace)
            && now.saturating_sub(read) < TRUSTED_MS
        {
            return Ok(Some(identity));
        }
        let found = self
            .subjects
            .identity_by_namespace(namespace.as_str())
            .await?;
        let found = found.map(Arc::new);
        match &found {
            Some(identity) => {
                let entry = (now, Arc::clone(identity));
                self.owners.insert(namespace.clone(), entry);
            }
            None => {
                self.owners.remove(namespace);
            }
        }
        Ok(found)
    }
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
