//! How a runtime is started.

use std::path::PathBuf;

/// How to start one runtime: what the pool knows about a kind beside its manifest entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    /// The kind, for example `nodejs:20`.
    pub kind: String,
    /// The command, first the absolute path of the program as seen from the host.
    pub command: Vec<String>,
    /// Files and folders of the host that it needs to read, each mounted read-only at the same path.
    pub readable: Vec<PathBuf>,
    /// Fixed variables of the runtime, for example `PYTHONIOENCODING`.
    pub environment: Vec<(String, String)>,
}
