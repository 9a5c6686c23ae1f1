//! The actions that the pool knows, each with its queue.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::demand::{ActionKey, Class, ContainerKey, Demand, Revised};
use super::estimates::{KindIndex, Mean};

/// So many actions are remembered with their mean times though nothing of them runs or waits.
const REMEMBERED_ACTIONS: usize = 1024;

/// Which action, within one pool; holds as long as something of the action runs or waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActionIndex(usize);

#[derive(Debug)]
pub(super) struct Action {
    pub(super) key: Arc<ActionKey>,
    pub(super) class: Arc<Class>,
    pub(super) kind: KindIndex,
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

impl Action {
    fn is_in_use(&self) -> bool {
        !self.queue.is_empty() || !self.containers.is_empty() || self.starting > 0
    }
}

/// All of them, by number and by key: the number spares the decisions the comparison of names.
#[derive(Debug, Default)]
pub(super) struct Actions {
    by_key: HashMap<Arc<ActionKey>, ActionIndex>,
    actions: Vec<Option<Action>>,
    free: Vec<ActionIndex>,
}

impl Actions {
    pub(super) fn get(&self, index: ActionIndex) -> Option<&Action> {
        self.actions.get(index.0)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, index: ActionIndex) -> Option<&mut Action> {
        self.actions.get_mut(index.0)?.as_mut()
    }

    /// Returns the number of the action that is asked for, a new one if it is not known.
    pub(super) fn index(&mut self, demand: &Demand, kind: KindIndex) -> ActionIndex {
        if let Some(index) = self.by_key.get(&demand.action) {
            return *index;
        }
        if self.by_key.len() >= REMEMBERED_ACTIONS {
            self.forget();
        }
        let action = Action {
            key: demand.action.clone(),
            class: demand.class.clone(),
            kind,
            instances: demand.instances,
            queue: VecDeque::new(),
            containers: Vec::new(),
            starting: 0,
            slot_time: Mean::default(),
            superseded: false,
        };
        let index = self.free.pop().unwrap_or(ActionIndex(self.actions.len()));
        match self.actions.get_mut(index.0) {
            Some(place) => *place = Some(action),
            None => self.actions.push(Some(action)),
        }
        self.by_key.insert(demand.action.clone(), index);
        index
    }

    /// Forgets all actions of which nothing runs or waits.
    fn forget(&mut self) {
        let (actions, free) = (&mut self.actions, &mut self.free);
        self.by_key.retain(|_, index| {
            let Some(place) = actions.get_mut(index.0) else {
                return false;
            };
            let keeps = place.as_ref().is_some_and(Action::is_in_use);
            if !keeps {
                *place = None;
                free.push(*index);
            }
            keeps
        });
    }

    /// Returns the actions that are other states of a document than this one.
    pub(super) fn older_than(&self, code: &Revised) -> Vec<ActionIndex> {
        let is_other = |key: &ActionKey| {
            key.code.document == code.document && key.code.revision != code.revision
        };
        self.by_key
            .iter()
            .filter(|(key, _)| is_other(key))
            .map(|(_, index)| *index)
            .collect()
    }
}
