//! The life of one container as a pure state machine.
//!
//! ```text
//!  Uninitialized --Start--> Starting --Created--> Started --Run--> Running <--Run-- Ready <--last run ended-- Running
//!                                                                     ^               |
//!                                                                     |           PauseGrace
//!                                                                 Run (resume)        v
//!                                                                  Paused <-------- Pausing
//!  Starting --CreateFailed-->  \
//!  Paused   --IdleTimeout-->    \
//!  Running  --a run spoilt it--> Removing   (final; ends when the container is destroyed and its last run ended)
//!  any      --Remove, Kill-->   /
//! ```
//!
//! Invariants, each held by a property test:
//! - at most `limit` runs are under way, counting the initialisation;
//! - a container is initialised at most once, and runs nothing before that succeeded;
//! - each run that was sent in is begun once or returned once, never both;
//! - a container is paused only while nothing runs in it, and runs nothing while it is paused;
//! - nothing leads out of `Removing`, and `Gone` is its last effect.
//!
//! [`step()`] does no I/O and knows no clock: a task performs the effects and sends each outcome back
//! as an event. A timer carries the time at which its rest began, so one from an earlier rest is told apart.

mod state;
mod step;
#[cfg(test)]
mod tests;

pub use state::{Destruction, Leaving, Opening, Running, State, StateName};
pub use step::{Effect, Event, RunId, Step, Timer, step};
