//! One container in the pool's books.

use std::sync::Arc;
use std::time::Instant;

use super::actions::ActionIndex;
use super::demand::Class;
use super::estimates::KindIndex;

/// What a container is used for, as the pool sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Occupancy {
    /// It is being made, for an action or as a stem cell.
    Starting {
        /// The action.
        wanted_by: Option<ActionIndex>,
    },
    /// It waits for any action of its class.
    Stem {
        /// Since when.
        since: Instant,
    },
    /// It belongs to an action.
    Bound {
        /// The action; [`super::Pool::action`] tells which.
        action: ActionIndex,
        /// Activations in it.
        active: u32,
        /// Those of them that have answered.
        answered: u32,
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

/// A container.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) class: Arc<Class>,
    pub(super) kind: KindIndex,
    pub(super) occupancy: Occupancy,
}
