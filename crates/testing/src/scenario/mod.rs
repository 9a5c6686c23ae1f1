//! Replays recorded exchanges against an OpenWhisk host and says where its answers differ.
//!
//! A scenario file holds the cases of one area; a case is a list of steps, each a request, hints on
//! how to compare, and the answer that was recorded. `scenarios/README.md` describes the form. A
//! case goes this way: [`load`] reads it, [`Variables`] fill its requests, [`Host`] lends keys and an
//! address, the answer is normalised (what differs from run to run gives way to placeholders) and
//! [`differences`] compares it with the recorded one. [`run_case`] does all of it for one case,
//! [`run_all`] for a [`Selection`].

mod answer;
mod case;
mod compare;
mod expand;
mod host;
mod layout;
mod normalise;
mod pair;
mod placeholder;
mod report;
mod run;
mod select;
mod send;
mod text;

use std::path::PathBuf;

use crate::json::JsonError;
use crate::wire::WireError;

pub use answer::Answer;
pub use case::{
    Area, BodyText, Case, Credentials, HeaderValues, Hints, Piece, Request, Step, Until, load,
};
pub use compare::differences;
pub use expand::Variables;
pub use host::{Host, STOCK_GUEST_KEY, STOCK_SYSTEM_KEY};
pub use layout::canonical;
pub use report::{Show, chain};
pub use run::{CaseReport, StepReport, Totals, run_all, run_case, run_case_with};
pub use select::{Choice, LaterGroup, Selection, Skipped};

/// Reports why a scenario could not be loaded or a step not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// A file could not be read.
    #[error("could not read `{}`", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not of the form described in `scenarios/README.md`.
    #[error("`{}` is not a scenario file", path.display())]
    Form {
        /// Which file.
        path: PathBuf,
        /// Where the form is broken.
        source: serde_json::Error,
    },
    /// A text is not the JSON it should be.
    #[error("could not parse JSON")]
    Json(#[from] JsonError),
    /// Address or keys of the host cannot be used.
    #[error("host `{given}` cannot be used: {reason}")]
    Host {
        /// The text that was given.
        given: String,
        /// What it lacks.
        reason: &'static str,
    },
    /// A hint or a body of the case itself is malformed.
    #[error("case is malformed: {0}")]
    Malformed(String),
    /// A request got no answer.
    #[error("{request}: no answer")]
    NoAnswer {
        /// Method and path.
        request: String,
        /// What went wrong.
        source: WireError,
    },
    /// The answer that a step waits for did not come in time.
    #[error("not settled in time; last answer {status} {text}")]
    NotSettled {
        /// The status of the last answer.
        status: u16,
        /// The beginning of its body.
        text: String,
    },
    /// The answer lacks what later steps need.
    #[error("nothing at `{path}` to save as `{name}` in {answer}")]
    NothingToSave {
        /// Where it was looked for.
        path: String,
        /// The variable that would have got it.
        name: String,
        /// The beginning of the normalised answer.
        answer: String,
    },
}
