//! How the outcome of a case is written for people.

use std::error::Error;
use std::fmt;

use super::compare::short;
use super::{BodyText, CaseReport, Request, StepReport};

/// Longest form of a request and of an answer when exchanges are shown, in characters.
const SHOWN_REQUEST: usize = 1500;
const SHOWN_ANSWER: usize = 3000;

/// Whether the exchanges of a failed step are written in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Only the differences.
    Differences,
    /// The request, the recorded answer and the actual one too.
    Exchanges,
}

impl CaseReport {
    /// Returns `ok   name (0.1 s)`, or a line `FAIL name [contract]` and indented lines that say why.
    #[must_use]
    pub fn lines(&self, show: Show) -> Vec<String> {
        if self.failures.is_empty() {
            return vec![format!(
                "ok   {} ({:.1} s)",
                self.name,
                self.took.as_secs_f64()
            )];
        }
        let mut lines = vec![format!("FAIL {} [{}]", self.name, self.contract)];
        lines.extend(
            self.failures
                .iter()
                .flat_map(|failure| failure.lines(show))
                .map(|line| format!("  {line}")),
        );
        lines
    }
}

impl StepReport {
    fn lines(&self, show: Show) -> Vec<String> {
        match self {
            Self::Broken { number, fault } => vec![format!("step {number}: {}", chain(fault))],
            Self::Differs {
                number,
                request,
                differences,
                expected,
                actual,
            } => {
                let brief: String = request
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .chars()
                    .take(240)
                    .collect();
                let mut lines = vec![format!("step {number}: {brief}")];
                lines.extend(differences.iter().map(|line| format!("    {line}")));
                if show == Show::Exchanges {
                    let whole: String = request.chars().take(SHOWN_REQUEST).collect();
                    lines.push(format!("    request  {}", whole.replace('\n', " ")));
                    lines.push(format!(
                        "    expected {}",
                        short(&expected.to_json(), SHOWN_ANSWER)
                    ));
                    lines.push(format!(
                        "    got      {}",
                        short(&actual.to_json(), SHOWN_ANSWER)
                    ));
                }
                lines
            }
        }
    }
}

/// Returns the text of a fault and of what is behind it, joined by colons.
#[must_use]
pub fn chain(fault: &dyn Error) -> String {
    let mut text = fault.to_string();
    let mut source = fault.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl fmt::Display for Request {
    /// Writes method, path and query on the first line, then credentials, headers and body if there
    /// are any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        for (index, (name, value)) in self.query.iter().enumerate() {
            write!(
                f,
                "{} {name}={value}",
                if index == 0 { " with" } else { "," }
            )?;
        }
        write!(f, "\nas {:?}", self.auth)?;
        for (name, values) in &self.headers {
            write!(f, "\n{name}: {values:?}")?;
        }
        if let Some(body) = &self.body {
            write!(f, "\n{body}")?;
        }
        match &self.body_text {
            Some(BodyText::Whole(text)) => write!(f, "\n{text}")?,
            Some(BodyText::Pieces(pieces)) => write!(f, "\n{pieces:?}")?,
            None => {}
        }
        self.body_base64
            .iter()
            .try_for_each(|encoded| write!(f, "\nbase64 {encoded}"))
    }
}
