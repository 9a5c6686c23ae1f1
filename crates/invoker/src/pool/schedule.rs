//! Who is served next.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::actions::{Action, ActionIndex};
use super::demand::{Class, ContainerKey, Decision};
use super::slot::{Occupancy, Slot};
use super::state::Pool;
use crate::machine::RunId;

/// Memory that can still be promised in one pass over the queues, in MB.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Free now.
    pub(super) free: u64,
    /// Free once the containers that are leaving are gone.
    pub(super) coming: u64,
}

/// How a queue that needs containers fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Growth {
    /// It needs no more than it has or has coming.
    Enough,
    /// There is no memory for it yet.
    Hungry,
    /// There has been none for so long that nothing younger may have any before it.
    Starving,
}

/// An activation for which memory is wanted.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) run: RunId,
    pub(super) action: ActionIndex,
    pub(super) memory_mb: u64,
    /// Whether to evict what there is though it is not enough.
    pub(super) is_starving: bool,
}

impl Room {
    fn take_free(&mut self, memory_mb: u64) -> bool {
        let fits = self.free >= memory_mb;
        if fits {
            self.free -= memory_mb;
        }
        fits
    }

    /// Sets memory aside for a container that is made as soon as others are gone.
    fn take_coming(&mut self, memory_mb: u64) -> bool {
        let fits = self.free + self.coming >= memory_mb;
        if fits {
            self.coming -= memory_mb.saturating_sub(self.free);
            self.free = self.free.saturating_sub(memory_mb);
        }
        fits
    }
}

impl Pool {
    /// Serves all queues as far as it goes, oldest activation first.
    pub(super) fn schedule(&mut self, now: Instant, out: &mut Vec<Decision>) {
        self.hungry = false;
        if self.heads.is_empty() {
            return;
        }
        let mut room = Room {
            free: self.memory_mb - self.used_mb,
            coming: self.leaving_mb,
        };
        let has_stems = !self.stem_cells.is_empty();
        // What an older claim could not get, a younger one of the same size cannot either.
        let mut denied_mb = u64::MAX;
        let indices: Vec<_> = self.heads.values().copied().collect();
        for index in indices {
            let Some(action) = self.actions.get(index) else {
                continue;
            };
            let memory_mb = action.class.memory_mb;
            if memory_mb >= denied_mb && action.containers.is_empty() && !has_stems {
                continue;
            }
            self.serve(index, now, out);
            match self.grow(index, &mut room, denied_mb, now, out) {
                Growth::Enough => {}
                Growth::Hungry => {
                    self.hungry = true;
                    denied_mb = denied_mb.min(memory_mb);
                }
                Growth::Starving => {
                    self.hungry = true;
                    denied_mb = 0;
                }
            }
        }
    }

    /// Gives the first of a queue to the action's own containers and to stem cells.
    fn serve(&mut self, index: ActionIndex, now: Instant, out: &mut Vec<Decision>) {
        // What is older and waits for memory has a claim on containers whose tenure is over.
        let in_tenure_at = self.hungry.then_some(now);
        while self.actions.get(index).is_some_and(|a| !a.queue.is_empty()) {
            let container = match self.free_slot(index, in_tenure_at) {
                Some(container) => container,
                None if self.is_opening(index, now) => return,
                None => match self.stem_for(index) {
                    Some(stem) => {
                        self.bind(stem, index, now);
                        stem
                    }
                    None => return,
                },
            };
            if let Some(demand) = self.dequeue(index) {
                self.assign(container, demand.run, out);
            }
        }
    }

    /// Makes the containers that a queue needs.
    fn grow(
        &mut self,
        index: ActionIndex,
        room: &mut Room,
        denied_mb: u64,
        now: Instant,
        out: &mut Vec<Decision>,
    ) -> Growth {
        let mut promised = 0;
        loop {
            let Some(action) = self.actions.get(index) else {
                return Growth::Enough;
            };
            let (class, kind) = (action.class.clone(), action.kind);
            let Some(head) = action.queue.front() else {
                return Growth::Enough;
            };
            let waited = now.saturating_duration_since(head.since);
            let cold = self.costs.of(kind);
            let expected = self.expected_slots(action, promised) + self.opening_slots(action, now);
            if action.queue.len() <= expected {
                return Growth::Enough;
            }
            if !self.may_add(index, promised) {
                return Growth::Enough;
            }
            if class.memory_mb >= denied_mb {
                return Growth::Hungry;
            }
            if room.take_free(class.memory_mb) {
                self.create(class, Some(index), out);
                continue;
            }
            if room.take_coming(class.memory_mb) {
                promised += 1;
                continue;
            }
            if self.is_worth_waiting(action, promised, waited, cold) {
                return Growth::Enough;
            }
            let has_nothing_coming = action.starting + promised == 0;
            let is_starving = has_nothing_coming && waited >= self.costs.tenure(kind);
            let claim = Claim {
                run: head.run,
                action: index,
                memory_mb: class.memory_mb,
                is_starving,
            };
            if self.evict_for(&claim, room, now, out) {
                continue;
            }
            return if is_starving {
                Growth::Starving
            } else {
                Growth::Hungry
            };
        }
    }

    /// Slots that will open without further containers.
    fn expected_slots(&self, action: &Action, promised: u32) -> usize {
        let starting = (action.starting + promised) as usize * action.class.concurrency as usize;
        let opening: usize = action
            .containers
            .iter()
            .filter_map(|container| self.slots.get(container))
            .map(|slot| match slot.occupancy {
                Occupancy::Bound {
                    active,
                    initialized: false,
                    ..
                } => slot.class.concurrency.saturating_sub(active) as usize,
                Occupancy::Bound { .. }
                | Occupancy::Starting { .. }
                | Occupancy::Stem { .. }
                | Occupancy::Leaving => 0,
            })
            .sum();
        starting + opening
    }

    /// Whether the action's own slots suffice in a moment.
    fn is_opening(&self, index: ActionIndex, now: Instant) -> bool {
        let action = self.actions.get(index);
        action.is_some_and(|action| action.queue.len() <= self.opening_slots(action, now))
    }

    /// Slots whose runs have answered: they open in a moment. Whoever calls again on an answer finds its container
    /// not free yet, and must not be given another one for that. None if that moment takes too long.
    fn opening_slots(&self, action: &Action, now: Instant) -> usize {
        let cold = self.costs.of(action.kind);
        let head = action.queue.front();
        if head.is_none_or(|head| now.saturating_duration_since(head.since) >= cold) {
            return 0;
        }
        let containers = action.containers.iter();
        let slots = containers.filter_map(|container| self.slots.get(container));
        slots
            .map(|slot| match slot.occupancy {
                Occupancy::Bound { answered, .. } => answered as usize,
                Occupancy::Starting { .. } | Occupancy::Stem { .. } | Occupancy::Leaving => 0,
            })
            .sum()
    }

    /// True if the action's containers are likely to reach the end of its queue before a new one were ready.
    fn is_worth_waiting(
        &self,
        action: &Action,
        promised: u32,
        waited: Duration,
        cold: Duration,
    ) -> bool {
        let Some(slot_time) = action.slot_time.get() else {
            return false;
        };
        let containers = action.containers.len() + (action.starting + promised) as usize;
        if containers == 0 || waited >= cold {
            return false;
        }
        let slots = containers.saturating_mul(action.class.concurrency as usize);
        let place = u32::try_from(action.queue.len()).unwrap_or(u32::MAX);
        let slots = u32::try_from(slots).unwrap_or(u32::MAX);
        slot_time.saturating_mul(place) / slots < cold
    }

    /// True if the action may have another container.
    pub(super) fn may_add(&self, index: ActionIndex, promised: u32) -> bool {
        let Some(action) = self.actions.get(index) else {
            return false;
        };
        let count = action.containers.len() + (action.starting + promised) as usize;
        action
            .instances
            .is_none_or(|instances| count < instances.max(1) as usize)
    }

    /// Finds a slot in one of the action's containers: the one used last, so that the others can go. With a time,
    /// only in those whose tenure is not over then.
    pub(super) fn free_slot(
        &self,
        index: ActionIndex,
        in_tenure_at: Option<Instant>,
    ) -> Option<ContainerKey> {
        let action = self.actions.get(index)?;
        let free = |container: &ContainerKey| {
            let slot = self.slots.get(container)?;
            match slot.occupancy {
                Occupancy::Bound {
                    active,
                    initialized: true,
                    idle_since,
                    bound_since,
                    ..
                } if active < action.class.concurrency
                    && in_tenure_at.is_none_or(|now| now < self.tenure_end(bound_since, slot)) =>
                {
                    // A busy container with room comes before idle ones.
                    Some((idle_since.is_none(), idle_since, *container))
                }
                Occupancy::Bound { .. }
                | Occupancy::Starting { .. }
                | Occupancy::Stem { .. }
                | Occupancy::Leaving => None,
            }
        };
        let best = action.containers.iter().filter_map(free).max();
        best.map(|(_, _, container)| container)
    }

    /// Returns when the tenure of a container that was bound at some time is over.
    pub(super) fn tenure_end(&self, bound_since: Instant, slot: &Slot) -> Instant {
        bound_since + self.costs.tenure(slot.kind)
    }

    /// Finds a stem cell that can become the action's: the oldest.
    fn stem_for(&self, index: ActionIndex) -> Option<ContainerKey> {
        if !self.may_add(index, 0) {
            return None;
        }
        self.oldest_stem(&self.actions.get(index)?.class)
    }

    fn oldest_stem(&self, class: &Arc<Class>) -> Option<ContainerKey> {
        self.stem_slots()
            .find(|(_, slot)| slot.class == *class)
            .map(|(container, _)| container)
    }

    /// Returns the stem cells, oldest first.
    pub(super) fn stem_slots(&self) -> impl Iterator<Item = (ContainerKey, &Slot)> {
        let slot = |&container| Some((container, self.slots.get(&container)?));
        self.stem_cells.iter().filter_map(slot)
    }

    /// Makes stem cells where some are missing, as long as nothing waits for the memory.
    pub(super) fn replenish(&mut self, now: Instant, out: &mut Vec<Decision>) {
        if self.is_draining() || !self.heads.is_empty() {
            return;
        }
        for index in 0..self.stems.len() {
            while let Some(stem) = self.stems.get(index) {
                let class = stem.target.class.clone();
                let is_due = stem.retry_at.is_none_or(|at| at <= now);
                let is_missing = self.stem_count(&class) < stem.target.count as usize;
                let fits = self.memory_mb - self.used_mb >= class.memory_mb;
                if !(is_due && is_missing && fits) {
                    break;
                }
                self.create(class, None, out);
            }
        }
    }

    /// Counts the stem cells of a class, those that are being made too.
    pub(super) fn stem_count(&self, class: &Arc<Class>) -> usize {
        self.slots
            .values()
            .filter(|slot| slot.class == *class)
            .filter(|slot| {
                matches!(
                    slot.occupancy,
                    Occupancy::Stem { .. } | Occupancy::Starting { wanted_by: None }
                )
            })
            .count()
    }

    /// Returns the next time after `now` at which [`PoolEvent::Woken`](super::PoolEvent::Woken) would
    /// change something by itself.
    #[must_use]
    pub fn next_wakeup(&self, now: Instant) -> Option<Instant> {
        let waits = self.heads.values().flat_map(|&index| {
            let action = self.actions.get(index)?;
            let since = action.queue.front()?.since;
            let kind = action.kind;
            Some([since + self.costs.of(kind), since + self.costs.tenure(kind)])
        });
        let evictions = self.idle.iter().filter(|_| self.hungry);
        let evictions = evictions.filter_map(|(since, container)| {
            let slot = self.slots.get(container)?;
            let Occupancy::Bound { bound_since, .. } = slot.occupancy else {
                return None;
            };
            Some([
                self.rest_end(*since, slot),
                self.tenure_end(bound_since, slot),
            ])
        });
        let waits = waits.chain(evictions).flatten().filter(|&at| at > now);
        let retries = self.stems.iter().filter_map(|stem| stem.retry_at);
        let expiries = self
            .surplus_stems()
            .map(|(since, _)| since + self.idle_timeout);
        waits
            .chain(retries.filter(|&at| at > now))
            .chain(expiries.filter(|&at| at > now))
            .min()
    }
}
