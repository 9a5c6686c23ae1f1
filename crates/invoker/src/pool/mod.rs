//! Which container takes which activation: pure decisions, no I/O, no clock.
//!
//! An activation waits in the queue of its action until a container takes it, oldest first. A queue is
//! served by, in this order: a container that is initialised for the same action at the same revision in
//! the same invoking namespace and has a free slot; a stem cell of the same kind and memory; a new
//! container, if memory is free; a new container in place of the least recently used idle one.
//! An activation is bound to a container only when that can begin it: a container that is being made for an
//! action takes whatever is first in the queue when it is up, and becomes a stem cell if nothing is.
//!
//! Two rules keep many actions on little memory from thrashing, and from starving each other:
//! - nothing is evicted for an activation whose action has containers, as long as the expected wait for one
//!   of them (mean time of a run × place in the queue ÷ slots) and the wait so far are below the measured
//!   cost of a cold start of that kind;
//! - a container that becomes free serves its own queue first, until the oldest waiting activation has
//!   waited for [`PATIENCE`] cold starts: from then on nothing younger begins until that one has its
//!   container, for which idle ones are evicted whatever waits for them.
//!
//! Invariants, each held by a property test: memory given away never exceeds the pool's; a container serves
//! one action of one namespace; no container is given more runs than its limit, or any while it is
//! leaving; the activations of an action begin in the order of their [`RunId`]s; every activation that waits is
//! served in the end if runs end.
//!
//! [`RunId`]: crate::machine::RunId

mod demand;
mod estimates;
mod evict;
mod schedule;
mod state;
#[cfg(test)]
mod tests;

pub use demand::{
    ActionKey, Class, ContainerKey, Decision, Demand, PoolEvent, Revised, StemTarget,
};
pub use estimates::PATIENCE;
pub use state::{Occupancy, Pool, PoolConfig};
