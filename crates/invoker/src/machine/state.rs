//! The states of a container, each with the data that only it has.

use std::fmt;
use std::time::Instant;

use super::RunId;

/// What a container is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Nothing was made yet.
    Uninitialized,
    /// It is being made.
    Starting,
    /// Its runtime is up, without code: a stem cell.
    Started,
    /// Something runs in it, or is about to.
    Running(Running),
    /// Initialised and idle.
    Ready {
        /// When its last run ended.
        since: Instant,
    },
    /// Idle, being paused.
    Pausing {
        /// Runs that came meanwhile.
        waiting: Vec<RunId>,
    },
    /// Idle and stopped where it is.
    Paused {
        /// When it was paused.
        since: Instant,
    },
    /// On its way out; takes no more runs.
    Removing(Leaving),
}

/// A container with work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Running {
    /// It is not open for runs yet.
    Opening {
        /// What it is waiting for.
        opening: Opening,
        /// Runs that begin once it is open.
        waiting: Vec<RunId>,
    },
    /// Runs are under way.
    Open {
        /// How many, never 0.
        active: u32,
    },
}

/// Why a container with work is not open yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// It is initialised for this run, which begins first.
    Initializing(RunId),
    /// It was paused and is made to go on.
    Resuming,
}

/// A container that is to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaving {
    /// Runs, or the initialisation, that have not ended yet.
    pub active: u32,
    /// How far the removal is.
    pub destruction: Destruction,
}

/// How far the removal of a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destruction {
    /// Waits for the runs.
    Pending,
    /// Everything in the container is being killed.
    Underway,
    /// Nothing of it is left.
    Done,
}

/// The name of a state, for those who watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum StateName {
    /// See [`State::Uninitialized`].
    Uninitialized,
    /// See [`State::Starting`].
    Starting,
    /// See [`State::Started`].
    Started,
    /// See [`State::Running`].
    Running,
    /// See [`State::Ready`].
    Ready,
    /// See [`State::Pausing`].
    Pausing,
    /// See [`State::Paused`].
    Paused,
    /// See [`State::Removing`].
    Removing,
}

impl StateName {
    /// All of them in the order of a container's life; the position is the number of the variant.
    pub const ALL: [Self; 8] = [
        Self::Uninitialized,
        Self::Starting,
        Self::Started,
        Self::Running,
        Self::Ready,
        Self::Pausing,
        Self::Paused,
        Self::Removing,
    ];

    /// Returns the name in lower case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Uninitialized => "uninitialized",
            Self::Starting => "starting",
            Self::Started => "started",
            Self::Running => "running",
            Self::Ready => "ready",
            Self::Pausing => "pausing",
            Self::Paused => "paused",
            Self::Removing => "removing",
        }
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl State {
    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> StateName {
        match self {
            Self::Uninitialized => StateName::Uninitialized,
            Self::Starting => StateName::Starting,
            Self::Started => StateName::Started,
            Self::Running(_) => StateName::Running,
            Self::Ready { .. } => StateName::Ready,
            Self::Pausing { .. } => StateName::Pausing,
            Self::Paused { .. } => StateName::Paused,
            Self::Removing(_) => StateName::Removing,
        }
    }
}
