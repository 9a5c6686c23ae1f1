//! Which container takes which activation: pure decisions, no I/O, no clock.
//!
//! An activation waits in the queue of its action until a container takes it, oldest first. A queue is
//! served by, in this order: a container that is initialised for the same action at the same revision in
//! the same invoking namespace and has a free slot; a stem cell of the same kind and memory; a new
//! container, if memory is free; a new container in place of the least recently used idle one.
//! An activation is bound to a container only when that can begin it: a container that is being made for an
//! action takes whatever is first in the queue when it is up, and becomes a stem cell if nothing is.
//!
//! Three rules keep many actions on little memory from thrashing, and from starving each other. They measure with
//! the cost of a cold start of the kind, as it is at the time:
//! - nothing is evicted for an activation whose action has containers, as long as the expected wait for the end
//!   of its queue (mean time of a run × length ÷ slots) and the wait so far are below one cold start;
//! - a container is not evicted while it has been idle for less than one cold start: its action is
//!   likely to be called again, as a client does that has just got its answer;
//! - but after [`TENURE`] cold starts with one action, a container goes to an activation that has waited for
//!   longer than those of its own action, as soon as it is idle, and takes nothing younger until then.
//!
//! Invariants, each held by a property test: memory given away never exceeds the pool's; a container serves
//! one action of one namespace; no container is given more runs than its limit, or any while it is
//! leaving; the activations of an action begin in the order of their [`RunId`]s; every activation that waits is
//! served in the end if runs end.
//!
//! [`RunId`]: crate::machine::RunId

mod actions;
mod demand;
mod estimates;
mod evict;
mod schedule;
mod slot;
mod state;
#[cfg(test)]
mod tests;

pub use actions::ActionIndex;
pub use demand::{
    ActionKey, Class, ContainerKey, Decision, Demand, PoolEvent, Revised, StemTarget,
};
pub use estimates::TENURE;
pub use slot::Occupancy;
pub use state::{Pool, PoolConfig};
