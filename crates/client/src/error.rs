//! What can go wrong.

use std::time::Duration;

use http::StatusCode;

use crate::host::HostError;

/// Why a call gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server refused, in the form that OpenWhisk gives all refusals.
    #[error("{error} (status {status}{})", shown(code.as_deref()))]
    Refused {
        /// The status of the answer.
        status: StatusCode,
        /// OpenWhisk's text, or the body of an answer of another form.
        error: String,
        /// The transaction id that the server's log has; absent in answers of another form.
        code: Option<String>,
    },
    /// The address of the API is none.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The key is not `uuid:secret`.
    #[error("the key has no colon, or characters that a header cannot hold")]
    Key,
    /// A value of the request cannot be written as JSON, such as a map with keys that are no texts.
    #[error("the request cannot be written as JSON")]
    Arguments(#[source] serde_json::Error),
    /// The request cannot be put into HTTP.
    #[error("the request cannot be sent")]
    Request(#[source] http::Error),
    /// The address begins with `https`, and this client has no TLS yet.
    #[error("https is not supported yet; use the http address of the server")]
    NoTls,
    /// No connection could be made.
    #[error("could not connect to the server")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The connection ended before the answer was there. The server may have done what it was asked.
    #[error("the connection failed")]
    Connection(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The answer took too long. The server may have done what it was asked.
    #[error("no answer within {0:?}")]
    Late(Duration),
    /// The answer is longer than this many bytes.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    /// The answer is not what the API promises.
    #[error("the answer with status {status} cannot be understood")]
    Unreadable {
        /// The status of the answer.
        status: StatusCode,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

fn shown(code: Option<&str>) -> String {
    code.map(|code| format!(", code {code}"))
        .unwrap_or_default()
}

impl ClientError {
    /// Returns the status with which the server refused, if it did.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::Host(_)
            | Self::Key
            | Self::Arguments(_)
            | Self::Request(_)
            | Self::NoTls
            | Self::Connect(_)
            | Self::Connection(_)
            | Self::Late(_)
            | Self::TooLong(_)
            | Self::Unreadable { .. } => None,
        }
    }

    /// Returns whether the server says that there is no such thing.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.status() == Some(StatusCode::NOT_FOUND)
    }
}
