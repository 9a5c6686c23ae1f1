//! What is measured, in order. A new measurement is a module here and a line in [`PHASES`].

mod accept;
mod cold;
mod composed;
mod egress;
mod memory;
mod startup;
mod warm;

use std::time::Duration;

use anyhow::Result;

use crate::options::Options;
use crate::report::Report;
pub(crate) use egress::play_part;

/// One part of the run.
#[derive(Debug)]
pub(crate) struct Phase {
    /// How it is called on the command line and in the JSON.
    pub(crate) name: &'static str,
    /// What it measures.
    pub(crate) about: &'static str,
    /// Measures.
    pub(crate) run: fn(&Options, &mut Report) -> Result<()>,
}

/// All parts.
pub(crate) const PHASES: &[Phase] = &[
    Phase {
        name: startup::NAME,
        about: "server from start to first answer, idle memory",
        run: startup::run,
    },
    Phase {
        name: warm::NAME,
        about: "warm blocking invocations against the runtime itself, 1 and 16 at once",
        run: warm::run,
    },
    Phase {
        name: accept::NAME,
        about: "non-blocking invocations accepted, run and recorded",
        run: accept::run,
    },
    Phase {
        name: composed::NAME,
        about: "trigger, sequence, conductor and web action against the sum of their parts",
        run: composed::run,
    },
    Phase {
        name: cold::NAME,
        about: "first activation of an action, with and without a stem cell",
        run: cold::run,
    },
    Phase {
        name: memory::NAME,
        about: "memory of an idle container",
        run: memory::run,
    },
    Phase {
        name: egress::NAME,
        about: "the network mode egress against the host's network (as root)",
        run: egress::run,
    },
];

/// The arguments of every invocation.
pub(crate) const ARGUMENTS: &str = r#"{"name":"World"}"#;

/// How long the pool is left alone to make up for a stem cell that was used.
const REPLENISH: Duration = Duration::from_millis(300);

/// A language with an action that returns its argument in a greeting and prints nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// Node.js.
    Node,
    /// Python.
    Python,
}

impl Language {
    /// Returns its name in keys and labels.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Python => "python",
        }
    }

    /// Returns the kind of its actions.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Node => "nodejs:default",
            Self::Python => "python:default",
        }
    }

    /// Returns the code of its action.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Node => "function main(args) { return { greeting: 'Hello ' + args.name } }",
            Self::Python => "def main(args):\n    return {'greeting': 'Hello ' + args['name']}\n",
        }
    }
}
