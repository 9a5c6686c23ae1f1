//! The pool's books, and what each event changes in them.
#![warn(clippy::wildcard_enum_match_arm)]

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::demand::{
    ActionKey, Class, ContainerKey, Decision, Demand, PoolEvent, Revised, StemTarget,
};
use super::estimates::{ColdCosts, Mean};
use crate::machine::RunId;

/// So many actions are remembered with their mean times though nothing of them runs or waits.
const REMEMBERED_ACTIONS: usize = 1024;
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

/// What a container is used for, as the pool sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Occupancy {
    /// It is being made, for an action or as a stem cell.
    Starting {
        /// The action.
        wanted_by: Option<Arc<ActionKey>>,
    },
    /// It waits for any action of its class.
    Stem {
        /// Since when.
        since: Instant,
    },
    /// It belongs to an action.
    Bound {
        /// The action.
        action: Arc<ActionKey>,
        /// Activations in it.
        active: u32,
        /// Whether it takes more than its first activation.
        initialized: bool,
        /// Since when it is idle, if it is.
        idle_since: Option<Instant>,
        /// Since when it belongs to the action.
        bound_since: Instant,
    },
    /// It takes nothing any more, but still holds memory.
    Leaving,
}

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) class: Arc<Class>,
    pub(super) occupancy: Occupancy,
}

#[derive(Debug)]
pub(super) struct Action {
    pub(super) class: Arc<Class>,
    pub(super) instances: Option<u32>,
    /// In the order of their run ids.
    pub(super) queue: VecDeque<Demand>,
    /// Bound to it and not leaving.
    pub(super) containers: Vec<ContainerKey>,
    /// Being made for it.
    pub(super) starting: u32,
    pub(super) slot_time: Mean,
    /// A newer revision is known: its containers go as soon as they are idle.
    pub(super) superseded: bool,
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
    pub(super) actions: HashMap<Arc<ActionKey>, Action>,
    /// The first of each queue that is not empty; the order is the order of age.
    pub(super) heads: BTreeMap<RunId, Arc<ActionKey>>,
    /// Containers that are stem cells, oldest first: looked at after every event, so not searched for.
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
            actions: HashMap::new(),
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
                while let Some(key) = self.heads.values().next().cloned() {
                    self.release_queue(&key, &mut out);
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
        let key = demand.action.clone();
        let action = self.action_for(&demand);
        let queue_is_empty = action.queue.is_empty();
        action.superseded = false;
        action.instances = demand.instances;
        // The warm path: nobody is ahead, and a container is free.
        if queue_is_empty
            && !self.hungry
            && let Some(container) = self.free_slot(&key, None)
        {
            self.assign(container, demand.run, out);
            return;
        }
        self.enqueue(demand);
        self.settle(now, out);
    }

    fn action_for(&mut self, demand: &Demand) -> &mut Action {
        if self.actions.len() >= REMEMBERED_ACTIONS && !self.actions.contains_key(&demand.action) {
            self.actions.retain(|_, action| {
                !action.queue.is_empty() || !action.containers.is_empty() || action.starting > 0
            });
        }
        self.actions
            .entry(demand.action.clone())
            .or_insert_with(|| Action {
                class: demand.class.clone(),
                instances: demand.instances,
                queue: VecDeque::new(),
                containers: Vec::new(),
                starting: 0,
                slot_time: Mean::default(),
                superseded: false,
            })
    }

    fn enqueue(&mut self, demand: Demand) {
        let key = demand.action.clone();
        let Some(action) = self.actions.get_mut(&key) else {
            return;
        };
        if let Some(head) = action.queue.front() {
            self.heads.remove(&head.run);
        }
        let place = action.queue.partition_point(|other| other.run < demand.run);
        action.queue.insert(place, demand);
        self.waiting += 1;
        self.restore_head(&key);
    }

    /// Takes the first activation out of a queue.
    pub(super) fn dequeue(&mut self, key: &Arc<ActionKey>) -> Option<Demand> {
        let demand = self.actions.get_mut(key)?.queue.pop_front()?;
        self.heads.remove(&demand.run);
        self.waiting -= 1;
        self.restore_head(key);
        Some(demand)
    }

    fn restore_head(&mut self, key: &Arc<ActionKey>) {
        let head = self.actions.get(key).and_then(|a| a.queue.front());
        if let Some(head) = head {
            self.heads.insert(head.run, key.clone());
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
        self.costs.created(&class.kind, took);
        if let Some(stem) = self.stems.iter_mut().find(|s| s.target.class == class) {
            stem.failures = 0;
        }
        if let Some(key) = wanted_by {
            if let Some(action) = self.actions.get_mut(&key) {
                action.starting = action.starting.saturating_sub(1);
            }
            // Whoever had it made comes first, so that a burst gets the containers it asked for.
            if self.may_add(&key, 0)
                && let Some(demand) = self.dequeue(&key)
            {
                self.bind(container, &key, now);
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
            Occupancy::Starting { wanted_by } => wanted_by.clone(),
            Occupancy::Stem { .. } | Occupancy::Bound { .. } | Occupancy::Leaving => None,
        };
        self.leave(container);
        match wanted_by {
            Some(key) => {
                if let Some(demand) = self.dequeue(&key) {
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
        self.costs.initialized(&slot.class.kind, took);
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
                    idle_since,
                    ..
                },
            ..
        }) = self.slots.get_mut(&container)
        else {
            return;
        };
        *active = active.saturating_sub(1);
        let is_idle = *active == 0;
        if is_idle {
            *idle_since = Some(now);
            self.idle.insert((now, container));
        }
        if let Some(action) = self.actions.get_mut(action) {
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
                if let Some(action) = wanted_by.and_then(|key| self.actions.get_mut(&key)) {
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
                if let Some(action) = self.actions.get_mut(&action) {
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
        let older: Vec<_> = self
            .actions
            .keys()
            .filter(|key| key.code.document == code.document && key.code.revision != code.revision)
            .cloned()
            .collect();
        for key in older {
            self.release_queue(&key, out);
            let Some(action) = self.actions.get_mut(&key) else {
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

    fn release_queue(&mut self, key: &Arc<ActionKey>, out: &mut Vec<Decision>) {
        while let Some(demand) = self.dequeue(key) {
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
        wanted_by: Option<Arc<ActionKey>>,
        out: &mut Vec<Decision>,
    ) {
        let container = ContainerKey(self.next_key);
        self.next_key += 1;
        self.used_mb += class.memory_mb;
        if let Some(action) = wanted_by.as_ref().and_then(|key| self.actions.get_mut(key)) {
            action.starting += 1;
        }
        let slot = Slot {
            class: class.clone(),
            occupancy: Occupancy::Starting { wanted_by },
        };
        self.slots.insert(container, slot);
        out.push(Decision::Create { container, class });
    }

    /// Makes a stem cell the action's own.
    pub(super) fn bind(&mut self, container: ContainerKey, key: &Arc<ActionKey>, now: Instant) {
        self.stem_cells.remove(&container);
        if let Some(slot) = self.slots.get_mut(&container) {
            slot.occupancy = Occupancy::Bound {
                action: key.clone(),
                active: 0,
                initialized: false,
                idle_since: None,
                bound_since: now,
            };
        }
        if let Some(action) = self.actions.get_mut(key) {
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
