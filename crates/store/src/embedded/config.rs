//! How the embedded store behaves.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::Subject;

/// Settings of the embedded store.
#[derive(Debug, Clone)]
pub struct EmbeddedConfig {
    /// Least time between two commits of records. Default 0: the writer commits what is there as soon as the
    /// commit before is done. A longer time spares CPU, since each commit costs about as much as ten records,
    /// and makes records durable later, except the first after a pause. Entities, keys and journal entries
    /// never wait, and take waiting records along. At most 5 ms; more is cut down to that.
    pub group_window: Duration,
    /// How old a record may become. Default 7 days; 0 keeps records for ever.
    ///
    /// The age of a record is that of its identifier, whose first 48 bits are the time it was made.
    pub retention_age: Duration,
    /// How many bytes all records together may take, those of the rows around them estimated.
    /// Default 1 GiB; 0 sets no bound. The oldest go first.
    ///
    /// When it is exceeded a twentieth more is removed, so that removing is done seldom and in a row.
    pub retention_bytes: u64,
    /// Subjects that a new store has from its first moment. Default: none. A store that is there already is
    /// left as it is, so one that was deleted does not come back.
    pub initial_subjects: Vec<Subject>,
    /// Tells the milliseconds since the epoch, for [`EmbeddedConfig::retention_age`]. Default: the
    /// system's clock.
    pub epoch_ms: fn() -> u64,
}

impl EmbeddedConfig {
    /// Greatest [`EmbeddedConfig::group_window`].
    pub const MAX_GROUP_WINDOW: Duration = Duration::from_millis(5);
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self {
            group_window: Duration::ZERO,
            retention_age: Duration::from_secs(7 * 24 * 3600),
            retention_bytes: 1 << 30,
            initial_subjects: Vec::new(),
            epoch_ms: system_clock,
        }
    }
}

fn system_clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
