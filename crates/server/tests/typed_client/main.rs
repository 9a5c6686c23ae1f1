//! The typed client against the program.
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests may panic")]

mod entities;
mod invocations;
mod support;
