//! The arrows between the states.
#![warn(clippy::wildcard_enum_match_arm)]

use std::time::Instant;

use super::{Destruction, Leaving, Opening, Running, State};

/// One activation on its way through a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(pub u64);

/// What a rest is ended by, if no run ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// The container has been idle long enough to be paused.
    PauseGrace,
    /// The container has been paused long enough to be removed.
    IdleTimeout,
}

/// What happens to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It is wanted.
    Start,
    /// It was made.
    Created,
    /// It could not be made.
    CreateFailed,
    /// The pool sends an activation.
    Run(RunId),
    /// It was initialised for this run.
    Initialized(RunId),
    /// Its initialisation failed; the run is over.
    InitFailed(RunId),
    /// A run ended, and its log is collected; the container may serve others.
    RunEnded(RunId),
    /// A run ended and spoilt the container.
    RunSpoiled(RunId),
    /// A timer that was set for the rest that began at this time.
    Elapsed(Timer, Instant),
    /// It was paused.
    Paused,
    /// It could not be paused.
    PauseFailed,
    /// It goes on.
    Resumed,
    /// It could not be made to go on.
    ResumeFailed,
    /// It is to go once its runs have ended.
    Remove,
    /// It is to go at once, whatever runs in it.
    Kill,
    /// Nothing of it is left.
    Destroyed,
}

/// What the container's task must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Make it; ends in `Created` or `CreateFailed`.
    Create,
    /// Initialise it for a run; ends in `Initialized` or `InitFailed`.
    Init(RunId),
    /// Run; ends in `RunEnded` or `RunSpoiled`.
    Begin(RunId),
    /// Give a run that was not begun back to the pool.
    Return(RunId),
    /// Send [`Event::Elapsed`] some time after this one.
    Arm(Timer, Instant),
    /// Pause it; ends in `Paused` or `PauseFailed`.
    Pause,
    /// Make it go on; ends in `Resumed` or `ResumeFailed`.
    Resume,
    /// Tell the pool that no more runs are taken.
    Close,
    /// Kill everything in it, or give up making it; ends in `Destroyed`.
    Destroy,
    /// End the task: nothing is left and nothing will happen.
    Gone,
}

/// Where an event leads, and what must be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The state after it.
    pub next: State,
    /// What to do, in this order.
    pub effects: Vec<Effect>,
}

impl Step {
    fn stay(state: State) -> Self {
        Self::to(state)
    }

    fn to(next: State) -> Self {
        Self {
            next,
            effects: Vec::new(),
        }
    }

    fn and(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }

    fn and_each(
        mut self,
        runs: impl IntoIterator<Item = RunId>,
        effect: fn(RunId) -> Effect,
    ) -> Self {
        self.effects.extend(runs.into_iter().map(effect));
        self
    }
}

/// Advances a container whose runs may overlap up to `limit` times.
///
/// Events that cannot happen in a state (an outcome of something that was not asked for) change nothing.
#[must_use]
pub fn step(limit: u32, state: State, event: Event, now: Instant) -> Step {
    match state {
        State::Uninitialized => uninitialized(event),
        State::Starting => starting(event),
        State::Started => started(event),
        State::Running(running) => match running {
            Running::Opening { opening, waiting } => opening_up(limit, opening, waiting, event),
            Running::Open { active } => open(limit, active, event, now),
        },
        State::Ready { since } => ready(since, event),
        State::Pausing { waiting } => pausing(limit, waiting, event, now),
        State::Paused { since } => paused(since, event),
        State::Removing(leaving) => removing(leaving, event),
    }
}

fn uninitialized(event: Event) -> Step {
    match event {
        Event::Start => Step::to(State::Starting).and(Effect::Create),
        Event::Run(run) => Step::stay(State::Uninitialized).and(Effect::Return(run)),
        // Nothing was made, so nothing has to be destroyed.
        Event::Remove | Event::Kill => gone(),
        Event::Created
        | Event::CreateFailed
        | Event::Initialized(_)
        | Event::InitFailed(_)
        | Event::RunEnded(_)
        | Event::RunSpoiled(_)
        | Event::Elapsed(..)
        | Event::Paused
        | Event::PauseFailed
        | Event::Resumed
        | Event::ResumeFailed
        | Event::Destroyed => Step::stay(State::Uninitialized),
    }
}

fn starting(event: Event) -> Step {
    match event {
        Event::Created => Step::to(State::Started),
        Event::CreateFailed => gone(),
        Event::Run(run) => Step::stay(State::Starting).and(Effect::Return(run)),
        Event::Remove | Event::Kill => destroy([]),
        Event::Start
        | Event::Initialized(_)
        | Event::InitFailed(_)
        | Event::RunEnded(_)
        | Event::RunSpoiled(_)
        | Event::Elapsed(..)
        | Event::Paused
        | Event::PauseFailed
        | Event::Resumed
        | Event::ResumeFailed
        | Event::Destroyed => Step::stay(State::Starting),
    }
}

fn started(event: Event) -> Step {
    match event {
        Event::Run(run) => Step::to(State::Running(Running::Opening {
            opening: Opening::Initializing(run),
            waiting: Vec::new(),
        }))
        .and(Effect::Init(run)),
        Event::Remove | Event::Kill => destroy([]),
        Event::Start
        | Event::Created
        | Event::CreateFailed
        | Event::Initialized(_)
        | Event::InitFailed(_)
        | Event::RunEnded(_)
        | Event::RunSpoiled(_)
        | Event::Elapsed(..)
        | Event::Paused
        | Event::PauseFailed
        | Event::Resumed
        | Event::ResumeFailed
        | Event::Destroyed => Step::stay(State::Started),
    }
}

fn opening_up(limit: u32, opening: Opening, mut waiting: Vec<RunId>, event: Event) -> Step {
    let in_hand = match opening {
        Opening::Initializing(_) => 1,
        Opening::Resuming => 0,
    };
    match (event, opening) {
        (Event::Run(run), _) if in_hand + waiting.len() < limit as usize => {
            waiting.push(run);
            Step::stay(State::Running(Running::Opening { opening, waiting }))
        }
        (Event::Run(run), _) => Step::stay(State::Running(Running::Opening { opening, waiting }))
            .and(Effect::Return(run)),
        (Event::Initialized(run), Opening::Initializing(first)) if run == first => {
            opened(std::iter::once(first).chain(waiting).collect())
        }
        (Event::InitFailed(run), Opening::Initializing(first)) if run == first => destroy(waiting),
        (Event::Resumed, Opening::Resuming) => opened(waiting),
        (Event::ResumeFailed, Opening::Resuming) => destroy(waiting),
        // The initialisation under way cannot be called back: its run goes on, the others do not begin.
        (Event::Remove, Opening::Initializing(_)) => drain(1, waiting),
        (Event::Kill, Opening::Initializing(_)) => kill(1, waiting),
        (Event::Remove | Event::Kill, Opening::Resuming) => destroy(waiting),
        (
            Event::Start
            | Event::Created
            | Event::CreateFailed
            | Event::Initialized(_)
            | Event::InitFailed(_)
            | Event::RunEnded(_)
            | Event::RunSpoiled(_)
            | Event::Elapsed(..)
            | Event::Paused
            | Event::PauseFailed
            | Event::Resumed
            | Event::ResumeFailed
            | Event::Destroyed,
            Opening::Initializing(_) | Opening::Resuming,
        ) => Step::stay(State::Running(Running::Opening { opening, waiting })),
    }
}

fn opened(runs: Vec<RunId>) -> Step {
    let active = u32::try_from(runs.len()).unwrap_or(u32::MAX);
    Step::to(State::Running(Running::Open { active })).and_each(runs, Effect::Begin)
}

fn open(limit: u32, active: u32, event: Event, now: Instant) -> Step {
    let stay = |active| Step::to(State::Running(Running::Open { active }));
    match event {
        Event::Run(run) if active < limit => stay(active + 1).and(Effect::Begin(run)),
        Event::Run(run) => stay(active).and(Effect::Return(run)),
        Event::RunEnded(_) if active > 1 => stay(active - 1),
        Event::RunEnded(_) => {
            Step::to(State::Ready { since: now }).and(Effect::Arm(Timer::PauseGrace, now))
        }
        Event::RunSpoiled(_) if active > 1 => drain(active - 1, []),
        Event::RunSpoiled(_) => destroy([]),
        Event::Remove => drain(active, []),
        Event::Kill => kill(active, []),
        Event::Start
        | Event::Created
        | Event::CreateFailed
        | Event::Initialized(_)
        | Event::InitFailed(_)
        | Event::Elapsed(..)
        | Event::Paused
        | Event::PauseFailed
        | Event::Resumed
        | Event::ResumeFailed
        | Event::Destroyed => stay(active),
    }
}

fn ready(since: Instant, event: Event) -> Step {
    match event {
        Event::Run(run) => {
            Step::to(State::Running(Running::Open { active: 1 })).and(Effect::Begin(run))
        }
        Event::Elapsed(Timer::PauseGrace, rest) if rest == since => Step::to(State::Pausing {
            waiting: Vec::new(),
        })
        .and(Effect::Pause),
        Event::Remove | Event::Kill => destroy([]),
        // A timer from an earlier rest is among these.
        Event::Elapsed(..)
        | Event::Start
        | Event::Created
        | Event::CreateFailed
        | Event::Initialized(_)
        | Event::InitFailed(_)
        | Event::RunEnded(_)
        | Event::RunSpoiled(_)
        | Event::Paused
        | Event::PauseFailed
        | Event::Resumed
        | Event::ResumeFailed
        | Event::Destroyed => Step::stay(State::Ready { since }),
    }
}

fn pausing(limit: u32, mut waiting: Vec<RunId>, event: Event, now: Instant) -> Step {
    match event {
        Event::Run(run) if waiting.len() < limit as usize => {
            waiting.push(run);
            Step::stay(State::Pausing { waiting })
        }
        Event::Run(run) => Step::stay(State::Pausing { waiting }).and(Effect::Return(run)),
        Event::Paused if waiting.is_empty() => {
            Step::to(State::Paused { since: now }).and(Effect::Arm(Timer::IdleTimeout, now))
        }
        Event::Paused => resume(waiting),
        Event::PauseFailed | Event::Remove | Event::Kill => destroy(waiting),
        Event::Start
        | Event::Created
        | Event::CreateFailed
        | Event::Initialized(_)
        | Event::InitFailed(_)
        | Event::RunEnded(_)
        | Event::RunSpoiled(_)
        | Event::Elapsed(..)
        | Event::Resumed
        | Event::ResumeFailed
        | Event::Destroyed => Step::stay(State::Pausing { waiting }),
    }
}

fn paused(since: Instant, event: Event) -> Step {
    match event {
        Event::Run(run) => resume(vec![run]),
        Event::Elapsed(Timer::IdleTimeout, rest) if rest == since => destroy([]),
        Event::Remove | Event::Kill => destroy([]),
        // A timer from an earlier rest is among these.
        Event::Elapsed(..)
        | Event::Start
        | Event::Created
        | Event::CreateFailed
        | Event::Initialized(_)
        | Event::InitFailed(_)
        | Event::RunEnded(_)
        | Event::RunSpoiled(_)
        | Event::Paused
        | Event::PauseFailed
        | Event::Resumed
        | Event::ResumeFailed
        | Event::Destroyed => Step::stay(State::Paused { since }),
    }
}

fn resume(waiting: Vec<RunId>) -> Step {
    Step::to(State::Running(Running::Opening {
        opening: Opening::Resuming,
        waiting,
    }))
    .and(Effect::Resume)
}

fn removing(leaving: Leaving, event: Event) -> Step {
    let Leaving {
        active,
        destruction,
    } = leaving;
    match event {
        Event::Run(run) => Step::stay(State::Removing(leaving)).and(Effect::Return(run)),
        // The run whose initialisation was under way when the container was told to go.
        Event::Initialized(run) => Step::stay(State::Removing(leaving)).and(Effect::Begin(run)),
        Event::InitFailed(_) | Event::RunEnded(_) | Event::RunSpoiled(_) => {
            one_less(active.saturating_sub(1), destruction)
        }
        Event::Kill if destruction == Destruction::Pending => Step::to(State::Removing(Leaving {
            active,
            destruction: Destruction::Underway,
        }))
        .and(Effect::Destroy),
        Event::Destroyed if active == 0 && destruction == Destruction::Underway => {
            Step::to(State::Removing(Leaving {
                active,
                destruction: Destruction::Done,
            }))
            .and(Effect::Gone)
        }
        Event::Destroyed if destruction == Destruction::Underway => {
            Step::to(State::Removing(Leaving {
                active,
                destruction: Destruction::Done,
            }))
        }
        Event::Destroyed
        | Event::Kill
        | Event::Remove
        | Event::Start
        | Event::Created
        | Event::CreateFailed
        | Event::Elapsed(..)
        | Event::Paused
        | Event::PauseFailed
        | Event::Resumed
        | Event::ResumeFailed => Step::stay(State::Removing(leaving)),
    }
}

fn one_less(active: u32, destruction: Destruction) -> Step {
    let to = |destruction| {
        Step::to(State::Removing(Leaving {
            active,
            destruction,
        }))
    };
    match (active, destruction) {
        (0, Destruction::Pending) => to(Destruction::Underway).and(Effect::Destroy),
        (0, Destruction::Done) => to(Destruction::Done).and(Effect::Gone),
        (_, Destruction::Pending | Destruction::Underway | Destruction::Done) => to(destruction),
    }
}

/// Takes no more runs and waits for those under way.
fn drain(active: u32, waiting: impl IntoIterator<Item = RunId>) -> Step {
    Step::to(State::Removing(Leaving {
        active,
        destruction: Destruction::Pending,
    }))
    .and(Effect::Close)
    .and_each(waiting, Effect::Return)
}

/// Destroys a container in which something runs.
fn kill(active: u32, waiting: impl IntoIterator<Item = RunId>) -> Step {
    Step::to(State::Removing(Leaving {
        active,
        destruction: Destruction::Underway,
    }))
    .and(Effect::Close)
    .and_each(waiting, Effect::Return)
    .and(Effect::Destroy)
}

/// Destroys a container in which nothing runs.
fn destroy(waiting: impl IntoIterator<Item = RunId>) -> Step {
    kill(0, waiting)
}

/// Ends where there is nothing to destroy.
fn gone() -> Step {
    Step::to(State::Removing(Leaving {
        active: 0,
        destruction: Destruction::Done,
    }))
    .and(Effect::Close)
    .and(Effect::Gone)
}
