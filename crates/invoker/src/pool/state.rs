//! The pool's books, and what each event changes in them.
#![warn(clippy::wildcard_enum_match_arm)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::actions::{ActionIndex, Actions};
use super::demand::{
    ActionKey, Class, ContainerKey, Decision, Demand, PoolEvent, Revised, StemTarget,
};
use super::estimates::ColdCosts;
use super::slot::{Occupancy, Slot};
use crate::machine::RunId;

/// Pauses between attempts to make a stem cell of a kind that fails.
const STEM_RETRY: Duration = Duration::from_secs(1);
const STEM_RETRY_MAX: Duration = Duration::from_secs(60);

/// Settings of a pool.
#[derive(Debug, Clone)]
pub struct PoolConfig {
    /// Memory of all containers together, in MB.
    pub memory_mb: u64,
    /// How long a surplus stem cell is kept.
    pub idle_timeout: Duration,
    /// Stem cells to be kept.
    pub stems: Vec<StemTarget>,
}

#[derive(Debug)]
pub(super) struct Stem {
    pub(super) target: StemTarget,
    failures: u32,
    pub(super) retry_at: Option<Instant>,
}

/// All containers of an invoker and all activations that wait for one.
#[derive(Debug)]
pub struct Pool {
    pub(super) memory_mb: u64,
    pub(super) idle_timeout: Duration,
    pub(super) stems: Vec<Stem>,
    pub(super) slots: BTreeMap<ContainerKey, Slot>,
    pub(super) actions: Actions,
    /// The first of each queue that is not empty; the order is the order of age.
    pub(super) heads: BTreeMap<RunId, ActionIndex>,
    /// Containers that are stem cells, oldest first: looked at in every turn, so not searched for.
    pub(super) stem_cells: BTreeSet<ContainerKey>,
    /// Containers that are bound and idle, least recently used first.
    pub(super) idle: BTreeSet<(Instant, ContainerKey)>,
    pub(super) costs: ColdCosts,
    pub(super) used_mb: u64,
    pub(super) leaving_mb: u64,
    pub(super) waiting: usize,
    /// Something waits for memory: containers whose tenure is over give way.
    pub(super) hungry: bool,
    draining: bool,
    next_key: u64,
}

impl Pool {
    /// Makes an empty pool. Its stem cells come with the first [`PoolEvent::Woken`].
    #[must_use]
    pub fn new(config: PoolConfig) -> Self {
        let stem = |target| Stem {
            target,
            failures: 0,
            retry_at: None,
        };
        Self {
            memory_mb: config.memory_mb,
            idle_timeout: config.idle_timeout,
            stems: config.stems.into_iter().map(stem).collect(),
            slots: BTreeMap::new(),
            actions: Actions::default(),
            heads: BTreeMap::new(),
            stem_cells: BTreeSet::new(),
            idle: BTreeSet::new(),
            costs: ColdCosts::default(),
            used_mb: 0,
            leaving_mb: 0,
            waiting: 0,
            hungry: false,
            draining: false,
            next_key: 1,
        }
    }

    /// Returns the memory of all containers that are not gone, in MB.
    #[must_use]
    pub fn used_mb(&self) -> u64 {
        self.used_mb
    }

    /// Returns how many activations wait for a container.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Iterates over the containers that are not gone.
    pub fn containers(&self) -> impl Iterator<Item = (ContainerKey, &Class, &Occupancy)> {
        self.slots
            .iter()
            .map(|(key, slot)| (*key, &*slot.class, &slot.occupancy))
    }

    /// Returns the action to which a container is bound.
    #[must_use]
    pub fn action(&self, index: ActionIndex) -> Option<&ActionKey> {
        self.actions.get(index).map(|action| &*action.key)
    }

    /// Takes note of an event and returns what is to be done, in order.
    pub fn handle(&mut self, event: PoolEvent, now: Instant) -> Vec<Decision> {
        let mut out = Vec::new();
        match event {
            PoolEvent::Offered(demand) => self.offered(demand, now, &mut out),
            PoolEvent::Started { container, took } => self.started(container, took, now, &mut out),
            PoolEvent::CreateFailed { container } => self.create_failed(container, now, &mut out),
            PoolEvent::Initialized { container, took } => {
                self.initialized(container, took);
                self.schedule(now, &mut out);
            }
            PoolEvent::Answered { container } => self.answered(container),
            PoolEvent::Freed { container, took } => self.freed(container, took, now, &mut out),
            PoolEvent::Leaving { container } => {
                self.leave(container);
                self.settle(now, &mut out);
            }
            PoolEvent::Gone { container } => {
                self.gone(container);
                self.settle(now, &mut out);
            }
            PoolEvent::Superseded(code) => {
                self.superseded(&code, &mut out);
                self.settle(now, &mut out);
            }
            PoolEvent::Woken => self.settle(now, &mut out),
            PoolEvent::Draining => {
                self.draining = true;
                while let Some(&index) = self.heads.values().next() {
                    self.release_queue(index, &mut out);
                }
            }
        }
        out
    }

    fn settle(&mut self, now: Instant, out: &mut Vec<Decision>) {
        self.schedule(now, out);
        self.expire_stems(now, out);
        self.replenish(now, out);
    }

    fn offered(&mut self, demand: Demand, now: Instant, out: &mut Vec<Decision>) {
        if demand.class.memory_mb > self.memory_mb {
            out.push(Decision::Refuse { run: demand.run });
            return;
        }
        let kind = self.costs.index(&demand.class.kind);
        let index = self.actions.index(&demand, kind);
        let Some(action) = self.actions.get_mut(index) else {
            return;
        };
        action.superseded = false;
        action.instances = demand.instances;
        // The warm path: nobody is ahead, and a container is free.
        if action.queue.is_empty()
            && !self.hungry
            && let Some(container) = self.free_slot(index, None)
        {
            self.assign(container, demand.run, out);
            return;
        }
        self.enqueue(index, demand);
        self.settle(now, out);
    }

    fn enqueue(&mut self, index: ActionIndex, demand: Demand) {
        let Some(action) = self.actions.get_mut(index) else {
            return;
        };
        if let Some(head) = action.queue.front() {
            self.heads.remove(&head.run);
        }
        let place = action.queue.partition_point(|other| other.run < demand.run);
        action.queue.insert(place, demand);
        self.waiting += 1;
        self.restore_head(index);
    }

    /// Takes the first activation out of a queue.
    pub(super) fn dequeue(&mut self, index: ActionIndex) -> Option<Demand> {
        let demand = self.actions.get_mut(index)?.queue.pop_front()?;
        self.heads.remove(&demand.run);
        self.waiting -= 1;
        self.restore_head(index);
        Some(demand)
    }

    fn restore_head(&mut self, index: ActionIndex) {
        let head = self.actions.get(index).and_then(|a| a.queue.front());
        if let Some(head) = head {
            self.heads.insert(head.run, index);
        }
    }

    fn started(
        &mut self,
        container: ContainerKey,
        took: Duration,
        now: Instant,
        out: &mut Vec<Decision>,
    ) {
        let Some(slot) = self.slots.get_mut(&container) else {
            return;
        };
        let Occupancy::Starting { wanted_by } = &mut slot.occupancy else {
            return;
        };
        let wanted_by = wanted_by.take();
        slot.occupancy = Occupancy::Stem { since: now };
        self.stem_cells.insert(container);
        let class = slot.class.clone();
        self.costs.created(slot.kind, took);
        if let Some(stem) = self.stems.iter_mut().find(|s| s.target.class == class) {
            stem.failures = 0;
        }
        if let Some(index) = wanted_by {
            if let Some(action) = self.actions.get_mut(index) {
                action.starting = action.starting.saturating_sub(1);
            }
            // Whoever had it made comes first, so that a burst gets the containers it asked for.
            if self.may_add(index, 0)
                && let Some(demand) = self.dequeue(index)
            {
                self.bind(container, index, now);
                self.assign(container, demand.run, out);
            }
        }
        self.settle(now, out);
    }

    fn create_failed(&mut self, container: ContainerKey, now: Instant, out: &mut Vec<Decision>) {
        let Some(slot) = self.slots.get(&container) else {
            return;
        };
        let class = slot.class.clone();
        let wanted_by = match &slot.occupancy {
            Occupancy::Starting { wanted_by } => *wanted_by,
            Occupancy::Stem { .. } | Occupancy::Bound { .. } | Occupancy::Leaving => None,
        };
        self.leave(container);
        match wanted_by {
            Some(index) => {
                if let Some(demand) = self.dequeue(index) {
                    let run = demand.run;
                    out.push(Decision::Fail { run, container });
                }
            }
            None => {
                if let Some(stem) = self.stems.iter_mut().find(|s| s.target.class == class) {
                    let pause = STEM_RETRY.saturating_mul(1 << stem.failures.min(6));
                    stem.failures += 1;
                    stem.retry_at = Some(now + pause.min(STEM_RETRY_MAX));
                }
            }
        }
        self.settle(now, out);
    }

    fn initialized(&mut self, container: ContainerKey, took: Duration) {
        let Some(slot) = self.slots.get_mut(&container) else {
            return;
        };
        if let Occupancy::Bound { initialized, .. } = &mut slot.occupancy {
            *initialized = true;
        }
        self.costs.initialized(slot.kind, took);
    }

    fn answered(&mut self, container: ContainerKey) {
        let slot = self.slots.get_mut(&container);
        if let Some(Occupancy::Bound {
            active, answered, ..
        }) = slot.map(|slot| &mut slot.occupancy)
        {
            *answered = (*answered + 1).min(*active);
        }
    }

    fn freed(
        &mut self,
        container: ContainerKey,
        took: Duration,
        now: Instant,
        out: &mut Vec<Decision>,
    ) {
        let Some(Slot {
            occupancy:
                Occupancy::Bound {
                    action,
                    active,
                    answered,
                    idle_since,
                    ..
                },
            ..
        }) = self.slots.get_mut(&container)
        else {
            return;
        };
        *active = active.saturating_sub(1);
        *answered = answered.saturating_sub(1).min(*active);
        let is_idle = *active == 0;
        if is_idle {
            *idle_since = Some(now);
            self.idle.insert((now, container));
        }
        if let Some(action) = self.actions.get_mut(*action) {
            action.slot_time.add(took);
            if is_idle && action.superseded {
                self.remove(container, out);
            }
        }
        if !self.heads.is_empty() {
            self.schedule(now, out);
        }
    }

    /// Strikes a container from all lists but the one of those that hold memory.
    pub(super) fn leave(&mut self, container: ContainerKey) {
        let Some(slot) = self.slots.get_mut(&container) else {
            return;
        };
        match std::mem::replace(&mut slot.occupancy, Occupancy::Leaving) {
            Occupancy::Leaving => return,
            Occupancy::Starting { wanted_by } => {
                if let Some(action) = wanted_by.and_then(|index| self.actions.get_mut(index)) {
                    action.starting = action.starting.saturating_sub(1);
                }
            }
            Occupancy::Stem { .. } => {
                self.stem_cells.remove(&container);
            }
            Occupancy::Bound {
                action, idle_since, ..
            } => {
                if let Some(since) = idle_since {
                    self.idle.remove(&(since, container));
                }
                if let Some(action) = self.actions.get_mut(action) {
                    action.containers.retain(|&other| other != container);
                }
            }
        }
        self.leaving_mb += slot.class.memory_mb;
    }

    fn gone(&mut self, container: ContainerKey) {
        self.leave(container);
        if let Some(slot) = self.slots.remove(&container) {
            self.leaving_mb -= slot.class.memory_mb;
            self.used_mb -= slot.class.memory_mb;
        }
    }

    fn superseded(&mut self, code: &Revised, out: &mut Vec<Decision>) {
        for index in self.actions.older_than(code) {
            self.release_queue(index, out);
            let Some(action) = self.actions.get_mut(index) else {
                continue;
            };
            action.superseded = true;
            for container in action.containers.clone() {
                if self.is_idle(container) {
                    self.remove(container, out);
                }
            }
        }
    }

    fn release_queue(&mut self, index: ActionIndex, out: &mut Vec<Decision>) {
        while let Some(demand) = self.dequeue(index) {
            out.push(Decision::Release { run: demand.run });
        }
    }

    /// Returns whether anything waits or runs.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        let runs = |slot: &Slot| match slot.occupancy {
            Occupancy::Bound { active, .. } => active > 0,
            Occupancy::Starting { .. } | Occupancy::Stem { .. } | Occupancy::Leaving => false,
        };
        self.waiting > 0 || self.slots.values().any(runs)
    }

    fn is_idle(&self, container: ContainerKey) -> bool {
        let occupancy = self.slots.get(&container).map(|slot| &slot.occupancy);
        matches!(occupancy, Some(Occupancy::Bound { active: 0, .. }))
    }

    /// Decides to remove a container.
    pub(super) fn remove(&mut self, container: ContainerKey, out: &mut Vec<Decision>) {
        self.leave(container);
        out.push(Decision::Remove { container });
    }

    /// Decides to make a container.
    pub(super) fn create(
        &mut self,
        class: Arc<Class>,
        wanted_by: Option<ActionIndex>,
        out: &mut Vec<Decision>,
    ) {
        let container = ContainerKey(self.next_key);
        self.next_key += 1;
        self.used_mb += class.memory_mb;
        if let Some(action) = wanted_by.and_then(|index| self.actions.get_mut(index)) {
            action.starting += 1;
        }
        let slot = Slot {
            kind: self.costs.index(&class.kind),
            class: class.clone(),
            occupancy: Occupancy::Starting { wanted_by },
        };
        self.slots.insert(container, slot);
        out.push(Decision::Create { container, class });
    }

    /// Makes a stem cell the action's own.
    pub(super) fn bind(&mut self, container: ContainerKey, index: ActionIndex, now: Instant) {
        self.stem_cells.remove(&container);
        if let Some(slot) = self.slots.get_mut(&container) {
            slot.occupancy = Occupancy::Bound {
                action: index,
                active: 0,
                answered: 0,
                initialized: false,
                idle_since: None,
                bound_since: now,
            };
        }
        if let Some(action) = self.actions.get_mut(index) {
            action.containers.push(container);
        }
    }

    /// Decides to send an activation to a container that has a free slot.
    pub(super) fn assign(&mut self, container: ContainerKey, run: RunId, out: &mut Vec<Decision>) {
        if let Some(Slot {
            occupancy: Occupancy::Bound {
                active, idle_since, ..
            },
            ..
        }) = self.slots.get_mut(&container)
        {
            *active += 1;
            if let Some(since) = idle_since.take() {
                self.idle.remove(&(since, container));
            }
        }
        out.push(Decision::Assign { container, run });
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining
    }
}
