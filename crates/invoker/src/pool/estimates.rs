//! How long things take, as measured.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// After waiting for this many cold starts an activation takes precedence over all younger ones.
///
/// A container is thus used for at least this many cold starts' worth of time by one action before another
/// takes its memory under pressure, which bounds what is lost to cold starts to a ninth.
pub const PATIENCE: u32 = 8;

/// Assumed for kinds that were not started yet.
const UNMEASURED_COLD_START: Duration = Duration::from_millis(100);

/// A mean in which recent values weigh more.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mean(Option<Duration>);

impl Mean {
    pub(super) fn add(&mut self, value: Duration) {
        self.0 = Some(self.0.map_or(value, |mean| {
            mean.saturating_mul(7).saturating_add(value) / 8
        }));
    }

    pub(super) fn get(self) -> Option<Duration> {
        self.0
    }
}

/// What it costs to make and initialise a container, for each kind.
#[derive(Debug, Default)]
pub(super) struct ColdCosts(HashMap<Arc<str>, ColdCost>);

#[derive(Debug, Clone, Copy, Default)]
struct ColdCost {
    create: Mean,
    init: Mean,
}

impl ColdCosts {
    pub(super) fn created(&mut self, kind: &Arc<str>, took: Duration) {
        self.0.entry(kind.clone()).or_default().create.add(took);
    }

    pub(super) fn initialized(&mut self, kind: &Arc<str>, took: Duration) {
        self.0.entry(kind.clone()).or_default().init.add(took);
    }

    pub(super) fn of(&self, kind: &str) -> Duration {
        let measured = self
            .0
            .get(kind)
            .and_then(|cost| Some(cost.create.get()? + cost.init.get().unwrap_or_default()));
        measured.unwrap_or(UNMEASURED_COLD_START)
    }
}
