//! The form of a scenario file.

use std::path::Path;

use indexmap::IndexMap;
use serde::Deserialize;

use super::{Answer, ScenarioError};
use crate::json::Json;

/// One file: the cases of an area.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Area {
    /// The server that gave the recorded answers.
    pub server: String,
    /// The day of the recording, `YYYY-MM-DD`.
    pub recorded: String,
    /// What the area is about.
    pub about: String,
    /// The cases in the order of the file.
    pub cases: Vec<Case>,
}

/// A script of requests that stands on its own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// `area/name`, unique.
    #[serde(rename = "case")]
    pub name: String,
    /// The section of the REST contract that the case tests.
    pub contract: String,
    /// What a reader should know.
    pub note: Option<String>,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// What is sent at the end in any case; the answers do not matter.
    #[serde(default)]
    pub cleanup: Vec<Request>,
}

/// One request, and what is known about its answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What is sent.
    pub request: Request,
    /// What a reader should know.
    pub note: Option<String>,
    /// Variables for later steps: name → `header.<name>` or `body.<path>`.
    #[serde(default)]
    pub save: IndexMap<String, String>,
    /// Send again until the answer is like this.
    pub until: Option<Until>,
    /// How the answer is compared.
    #[serde(default, rename = "match")]
    pub hints: Hints,
    /// Whether a `429` is the answer that is wanted, not a reason to wait.
    #[serde(default)]
    pub throttled: bool,
    /// The recorded answer, normalised.
    pub response: Answer,
}

/// A request before its variables are filled in.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The method, custom ones included.
    pub method: String,
    /// The path, and maybe a query, sent as it stands.
    pub path: String,
    /// A query that the client escapes.
    #[serde(default)]
    pub query: IndexMap<String, String>,
    /// Headers beyond those that every request has.
    #[serde(default)]
    pub headers: IndexMap<String, HeaderValues>,
    /// Whose credentials are sent.
    #[serde(default)]
    pub auth: Credentials,
    /// A JSON body, sent without blanks as `application/json`; `null` is no body.
    pub body: Option<Json>,
    /// A body sent as it stands, without a content type of its own.
    pub body_text: Option<BodyText>,
    /// A body of any bytes, without a content type of its own.
    pub body_base64: Option<String>,
}

impl Request {
    /// Returns the request id that the client chose, as it is written in the case.
    pub(super) fn request_id(&self) -> Option<&str> {
        let chosen = self
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("x-request-id"));
        chosen.and_then(|(_, values)| match values {
            HeaderValues::One(id) => Some(id.as_str()),
            HeaderValues::Several(_) => None,
        })
    }
}

/// The value of a header, or those of several headers of one name.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum HeaderValues {
    /// One line.
    One(String),
    /// One line for each.
    Several(Vec<String>),
}

/// A body given as text.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum BodyText {
    /// The whole text.
    Whole(String),
    /// Pieces that are joined.
    Pieces(Vec<Piece>),
}

/// A piece of a body.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Piece {
    /// A text as it stands.
    Text(String),
    /// A text repeated so many times.
    Repeated {
        /// The text and the number.
        #[serde(rename = "$repeat")]
        repeat: (String, usize),
    },
}

/// Whose credentials a request carries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Credentials {
    /// The key of namespace `guest`.
    #[default]
    Guest,
    /// The key of namespace `whisk.system`.
    System,
    /// None.
    None,
    /// The UUID of `guest` with its secret reversed.
    WrongKey,
    /// A UUID that nobody has.
    UnknownUser,
    /// The UUID of `guest` with the first ten characters of its secret.
    ShortKey,
    /// The UUID of `guest`, a colon and nothing.
    EmptyKey,
    /// The UUID of `guest` alone.
    NoColon,
}

/// The answer that a step waits for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Until {
    /// Its status.
    #[serde(default = "ok")]
    pub status: u16,
    /// How long it is waited for, in seconds.
    #[serde(default = "half_a_minute")]
    pub deadline_s: u64,
    /// How many elements (after hint `only`) its body has at least.
    pub count: Option<usize>,
    /// How many log lines the activation record in it has at least.
    pub logs: Option<usize>,
}

fn ok() -> u16 {
    200
}

fn half_a_minute() -> u64 {
    30
}

/// How an answer is compared with the recorded one.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hints {
    /// Placeholders for what is random or belongs to the deployment: dotted path → placeholder.
    pub set: IndexMap<String, String>,
    /// The only parts of the body that are compared, by dotted path.
    pub pick: Option<Vec<String>>,
    /// Elements of a list that do not contain this text are left out.
    pub only: Option<String>,
    /// Arrays whose order means nothing, by dotted path; an empty path is the body itself.
    pub sort: Vec<String>,
    /// Whether a JSON body is compared as text.
    pub raw: bool,
    /// A regular expression whose first group is the part of a text that is compared.
    pub extract: Option<String>,
    /// Names of annotations that are left out.
    pub drop_annotations: Vec<String>,
    /// Names of headers that are left out.
    pub drop_headers: Vec<String>,
    /// Whether the order of log lines means nothing.
    pub unordered_logs: bool,
    /// Whether only the last log line counts.
    pub last_log_only: bool,
    /// Whether only the status counts.
    pub status_only: bool,
}

/// Reads one scenario file.
///
/// # Errors
/// [`ScenarioError::Read`] and [`ScenarioError::Form`].
pub fn load(path: &Path) -> Result<Area, ScenarioError> {
    let text = std::fs::read_to_string(path).map_err(|source| ScenarioError::Read {
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_str(&text).map_err(|source| ScenarioError::Form {
        path: path.to_owned(),
        source,
    })
}
