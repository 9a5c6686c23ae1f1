//! Who has to go.

use std::sync::Arc;
use std::time::Instant;

use super::demand::{Class, ContainerKey, Decision};
use super::schedule::{Claim, Room};
use super::slot::{Occupancy, Slot};
use super::state::Pool;

impl Pool {
    /// Evicts idle containers until there is room for what is claimed, least recently used ones first, then
    /// stem cells. Evicts nothing if that would not be enough, unless the claim is an old one.
    ///
    /// Returns whether there is enough now.
    pub(super) fn evict_for(
        &mut self,
        claim: &Claim,
        room: &mut Room,
        now: Instant,
        out: &mut Vec<Decision>,
    ) -> bool {
        let missing = claim.memory_mb.saturating_sub(room.free + room.coming);
        let mut victims = Vec::new();
        let mut found = 0;
        for (container, size) in self.evictable(claim, now) {
            if found >= missing {
                break;
            }
            found += size;
            victims.push(container);
        }
        let is_enough = found >= missing;
        if is_enough || claim.is_starving {
            for container in victims {
                self.remove(container, out);
            }
            room.coming += found;
        }
        is_enough
    }

    fn evictable(&self, claim: &Claim, now: Instant) -> Vec<(ContainerKey, u64)> {
        let idle = self.idle.iter().filter_map(|&(since, container)| {
            let slot = self.slots.get(&container)?;
            let gives_way = self.gives_way(slot, since, claim, now);
            gives_way.then_some((container, slot.class.memory_mb))
        });
        let stems = self.stem_slots();
        let stems = stems.map(|(container, slot)| (container, slot.class.memory_mb));
        idle.chain(stems).collect()
    }

    /// Whether an idle container is to be removed for an activation of another action.
    fn gives_way(&self, slot: &Slot, idle_since: Instant, claim: &Claim, now: Instant) -> bool {
        let Occupancy::Bound {
            action,
            bound_since,
            ..
        } = &slot.occupancy
        else {
            return false;
        };
        if *action == claim.action {
            return false;
        }
        let is_past_tenure = now >= self.tenure_end(*bound_since, slot);
        let own = self.actions.get(*action).and_then(|a| a.queue.front());
        match own {
            None => is_past_tenure || now >= self.rest_end(idle_since, slot),
            Some(own) => is_past_tenure && claim.run < own.run,
        }
    }

    /// Returns when a container has been idle for so long that nobody is likely to come at once.
    pub(super) fn rest_end(&self, idle_since: Instant, slot: &Slot) -> Instant {
        idle_since + self.costs.of(slot.kind)
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
        let target = |class: &Arc<Class>| {
            let stem = self.stems.iter().find(|s| s.target.class == *class);
            stem.map_or(0, |s| s.target.count as usize)
        };
        self.stem_slots().filter_map(move |(container, slot)| {
            let Occupancy::Stem { since } = slot.occupancy else {
                return None;
            };
            // The youngest are kept.
            let younger = self.stem_slots().filter(|(other, _)| *other > container);
            let younger = younger.filter(|(_, other)| other.class == slot.class);
            (younger.count() >= target(&slot.class)).then_some((since, container))
        })
    }
}
