//! Log lines as containers give them.

use std::time::SystemTime;

/// Standard output or standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line that an action printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When the platform read it.
    pub time: SystemTime,
    /// Where it was printed.
    pub stream: Stream,
    /// The text without its line end; invalid UTF-8 is replaced by U+FFFD.
    pub text: String,
}

/// Whether a log is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogOutcome {
    /// Both end marks were seen, or none was waited for.
    Complete,
    /// Lines were dropped because the log reached its limit.
    Truncated,
    /// An end mark did not come in time, or the streams could not be read.
    Incomplete,
}

/// The log of one activation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logs {
    /// The lines in the order in which they were read.
    pub lines: Vec<LogLine>,
    /// Whether some are missing.
    pub outcome: LogOutcome,
}
