//! Removing old records.

use std::time::Duration;

use oxwhisk_entity::ActivationId;
use rusqlite::Connection;

use super::EmbeddedConfig;
use super::schema::ROW_OVERHEAD;
use super::write::{Totals, key};

/// Most rows that are removed in one transaction, so that no write waits long for it.
const STEP: i64 = 256;

/// How often records are looked at for their age, and a removal that failed is tried again.
const PERIOD_MS: u64 = 60_000;

/// Time from the start to the first look, which leaves the start alone.
const GRACE_MS: u64 = 5_000;

/// Decides when records are to be removed, and which.
#[derive(Debug)]
pub(super) struct Retention {
    age_ms: u64,
    most_bytes: i64,
    epoch_ms: fn() -> u64,
    /// When to look for the age again.
    due_ms: u64,
    /// Whether a removal is under way.
    removing: bool,
    /// Whether there were too many bytes, and are not a twentieth below the bound yet.
    shrinking: bool,
}

impl Retention {
    pub(super) fn new(config: &EmbeddedConfig) -> Self {
        let none_is_forever = |number: u64| if number == 0 { u64::MAX } else { number };
        let age_ms = u64::try_from(config.retention_age.as_millis()).unwrap_or(u64::MAX);
        let most_bytes = none_is_forever(config.retention_bytes);
        Self {
            age_ms: none_is_forever(age_ms),
            most_bytes: i64::try_from(most_bytes).unwrap_or(i64::MAX),
            epoch_ms: config.epoch_ms,
            due_ms: (config.epoch_ms)().saturating_add(GRACE_MS),
            removing: false,
            shrinking: false,
        }
    }

    /// Returns how long the writer may sleep.
    pub(super) fn idle(&self) -> Duration {
        if self.removing {
            return Duration::ZERO;
        }
        let left = self.due_ms.saturating_sub((self.epoch_ms)());
        Duration::from_millis(left.clamp(1, PERIOD_MS))
    }

    /// Returns whether [`Retention::step`] has something to do.
    pub(super) fn is_due(&self, totals: Totals) -> bool {
        self.removing || (self.epoch_ms)() >= self.due_ms || totals.record_bytes > self.most_bytes
    }

    /// Removes some of the oldest records that are too old or too many. Call it in a transaction.
    pub(super) fn step(
        &mut self,
        connection: &Connection,
        totals: &mut Totals,
    ) -> rusqlite::Result<()> {
        let now = (self.epoch_ms)();
        let oldest_kept = key(ActivationId::new(now.saturating_sub(self.age_ms), 0));
        self.shrinking |= totals.record_bytes > self.most_bytes;
        let enough = match self.shrinking {
            true => self.most_bytes - self.most_bytes / 20,
            false => i64::MAX,
        };
        let mut left = totals.record_bytes;
        let mut last = None;
        let mut looked_at = 0;
        let mut statement = connection.prepare_cached(
            "SELECT id, octet_length(body) FROM activations ORDER BY id LIMIT ?1",
        )?;
        let mut rows = statement.query([STEP])?;
        while let Some(row) = rows.next()? {
            let id: [u8; 16] = row.get(0)?;
            if id >= oldest_kept && left <= enough {
                break;
            }
            left -= ROW_OVERHEAD + row.get::<_, i64>(1)?;
            last = Some(id);
            looked_at += 1;
        }
        drop(rows);
        if let Some(last) = last {
            connection
                .prepare_cached("DELETE FROM activations WHERE id <= ?1")?
                .execute([last])?;
            totals.record_bytes = left;
        }
        self.removing = looked_at == STEP;
        self.shrinking &= left > enough;
        if !self.removing {
            self.due_ms = now.saturating_add(PERIOD_MS);
        }
        Ok(())
    }

    /// Gives up for now, after a step that failed.
    pub(super) fn postpone(&mut self) {
        self.removing = false;
        self.due_ms = (self.epoch_ms)().saturating_add(PERIOD_MS);
    }
}
