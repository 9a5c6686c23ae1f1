//! How a server comes to its database.

use std::path::Path;
use std::time::{Duration, Instant};

use oxwhisk_store::embedded::{EmbeddedConfig, EmbeddedStore, OpenError};

/// How long a database may be held by a command such as `oxwhisk admin`, which is done in a moment, or by a server that
/// is about to end.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(50);

/// Opens a database for a server; waits a little while another process has it.
///
/// # Errors
/// [`OpenError`]; `InUse` only of one that keeps it.
pub(super) async fn open(path: &Path, config: EmbeddedConfig) -> Result<EmbeddedStore, OpenError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match EmbeddedStore::open(path, config.clone()) {
            Err(OpenError::InUse { .. }) if Instant::now() < deadline => {
                tokio::time::sleep(PAUSE).await;
            }
            opened => return opened,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_database_that_a_command_has_for_a_moment_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("oxwhisk.db");
        let held = EmbeddedStore::open(&path, EmbeddedConfig::default()).unwrap();
        let opening = open(&path, EmbeddedConfig::default());
        // The second begins when the first has met the lock.
        let (opened, ()) = tokio::join!(opening, async { drop(held) });
        opened.unwrap();
    }

    #[tokio::test]
    async fn a_database_that_another_server_keeps_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("oxwhisk.db");
        let _held = EmbeddedStore::open(&path, EmbeddedConfig::default()).unwrap();
        let refused = open(&path, EmbeddedConfig::default()).await;
        assert!(matches!(refused, Err(OpenError::InUse { .. })));
    }
}
