//! Who has to go.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::demand::{ActionKey, Class, ContainerKey, Decision};
use super::schedule::Room;
use super::state::{Occupancy, Pool};

impl Pool {
    /// Evicts idle containers until `memory_mb` is free or coming: least recently used ones of other
    /// actions first, then stem cells. Evicts nothing if that would not be enough, unless `is_impatient`.
    ///
    /// Containers for which something waits are evicted for an impatient activation only. Returns
    /// whether there is enough now.
    pub(super) fn evict_for(
        &mut self,
        memory_mb: u64,
        key: &Arc<ActionKey>,
        is_impatient: bool,
        room: &mut Room,
        out: &mut Vec<Decision>,
    ) -> bool {
        let missing = memory_mb.saturating_sub(room.free + room.coming);
        let mut victims = Vec::new();
        let mut found = 0;
        for (container, size) in self.evictable(key, is_impatient) {
            if found >= missing {
                break;
            }
            found += size;
            victims.push(container);
        }
        let is_enough = found >= missing;
        if is_enough || is_impatient {
            for container in victims {
                self.remove(container, out);
            }
            room.coming += found;
        }
        is_enough
    }

    fn evictable(&self, key: &Arc<ActionKey>, is_impatient: bool) -> Vec<(ContainerKey, u64)> {
        let size = |container: ContainerKey| {
            let memory = self.slots.get(&container).map(|slot| slot.class.memory_mb);
            (container, memory.unwrap_or(0))
        };
        let idle = self
            .idle
            .iter()
            .filter(|(_, container)| self.is_evictable(*container, key, is_impatient))
            .map(|&(_, container)| size(container));
        let stems = self
            .slots
            .iter()
            .filter(|(_, slot)| matches!(slot.occupancy, Occupancy::Stem { .. }))
            .map(|(&container, _)| size(container));
        idle.chain(stems).collect()
    }

    fn is_evictable(
        &self,
        container: ContainerKey,
        key: &Arc<ActionKey>,
        is_impatient: bool,
    ) -> bool {
        match self.slots.get(&container).map(|slot| &slot.occupancy) {
            Some(Occupancy::Bound { action, .. }) if action == key => false,
            Some(Occupancy::Bound { action, .. }) => {
                is_impatient || self.actions.get(action).is_none_or(|a| a.queue.is_empty())
            }
            _ => false,
        }
    }

    /// Removes surplus stem cells that nobody took for long.
    pub(super) fn expire_stems(&mut self, now: Instant, out: &mut Vec<Decision>) {
        let expired: Vec<_> = self
            .surplus_stems()
            .filter(|(since, _)| *since + self.idle_timeout <= now)
            .map(|(_, container)| container)
            .collect();
        for container in expired {
            self.remove(container, out);
        }
    }

    /// Returns the stem cells beyond the target of their class, with the time since when they wait.
    pub(super) fn surplus_stems(&self) -> impl Iterator<Item = (Instant, ContainerKey)> {
        let mut kept: HashMap<&Arc<Class>, u32> = HashMap::new();
        let target = |class: &Arc<Class>| {
            let stem = self.stems.iter().find(|s| s.target.class == *class);
            stem.map_or(0, |s| s.target.count)
        };
        // The youngest are kept: they are found first.
        let surplus: Vec<_> = self
            .slots
            .iter()
            .rev()
            .filter_map(|(&container, slot)| match slot.occupancy {
                Occupancy::Stem { since } => {
                    let count = kept.entry(&slot.class).or_default();
                    *count += 1;
                    (*count > target(&slot.class)).then_some((since, container))
                }
                Occupancy::Starting { .. } | Occupancy::Bound { .. } | Occupancy::Leaving => None,
            })
            .collect();
        surplus.into_iter()
    }
}
