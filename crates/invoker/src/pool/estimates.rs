//! How long things take, as measured.

use std::sync::Arc;
use std::time::Duration;

use foldhash::HashMap;

/// A container belongs to an action for the time of this many cold starts before it must give way to others
/// while it is in use.
///
/// So at most one part in five of the time is lost to cold starts under pressure, and an activation waits for about
/// as many tenures as there are actions to a container.
pub const TENURE: u32 = 4;

/// Nobody waits for longer than this for a tenure to end, even if cold starts take very long.
const MAX_TENURE: Duration = Duration::from_secs(3);

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
pub(super) struct ColdCosts {
    kinds: HashMap<Arc<str>, KindIndex>,
    costs: Vec<ColdCost>,
}

/// A kind whose costs are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KindIndex(usize);

#[derive(Debug, Clone, Copy, Default)]
struct ColdCost {
    create: Mean,
    init: Mean,
}

impl ColdCosts {
    pub(super) fn index(&mut self, kind: &Arc<str>) -> KindIndex {
        if let Some(index) = self.kinds.get(kind) {
            return *index;
        }
        let index = KindIndex(self.costs.len());
        self.costs.push(ColdCost::default());
        self.kinds.insert(kind.clone(), index);
        index
    }

    pub(super) fn created(&mut self, kind: KindIndex, took: Duration) {
        if let Some(cost) = self.costs.get_mut(kind.0) {
            cost.create.add(took);
        }
    }

    pub(super) fn initialized(&mut self, kind: KindIndex, took: Duration) {
        if let Some(cost) = self.costs.get_mut(kind.0) {
            cost.init.add(took);
        }
    }

    /// Returns how long a container of a kind belongs to one action.
    pub(super) fn tenure(&self, kind: KindIndex) -> Duration {
        self.of(kind).saturating_mul(TENURE).min(MAX_TENURE)
    }

    /// Returns what a cold start of a kind takes.
    pub(super) fn of(&self, kind: KindIndex) -> Duration {
        let measured = self.costs.get(kind.0).and_then(|cost| {
            let init = cost.init.get().unwrap_or_default();
            Some(cost.create.get()? + init)
        });
        measured.unwrap_or(UNMEASURED_COLD_START)
    }
}
