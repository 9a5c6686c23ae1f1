//! An action made ready to be run: its document, and what every activation of it needs of that.

use std::sync::Arc;

use base64::Engine;
use bytes::Bytes;
use oxwhisk_entity::{
    ActionLimits, Code, CodeExec, Exec, FullyQualifiedName, Json, Parameter, SemVer, WhiskAction,
};
use oxwhisk_store::{ArtifactStore, Collection, Document, StoreError};

use crate::pool::{Class, Revised};

/// The annotation by which an action asks for at-least-once execution.
const RETRY_ON_CRASH: &str = "retry-on-crash";
/// Encoding more code than this is not done on a task that serves others.
const LARGE_CODE: usize = 256 * 1024;

/// An action at one revision.
#[derive(Debug)]
pub(crate) struct Executable {
    /// Which state of which document it is.
    pub(crate) code: Arc<Revised>,
    pub(crate) name: FullyQualifiedName,
    pub(crate) version: SemVer,
    pub(crate) limits: ActionLimits,
    /// What its containers are like.
    pub(crate) class: Arc<Class>,
    pub(crate) exec: CodeExec,
    pub(crate) is_given_api_key: bool,
    pub(crate) is_retried_on_crash: bool,
    /// The part of `/run` bodies between the namespace and the activation id, quotation marks included.
    pub(crate) run_body_part: String,
    /// The annotations that all its records begin with: `path`, `kind` and `limits`.
    pub(crate) annotations: Vec<Parameter>,
}

/// Why there is nothing to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FetchError {
    /// The document, or its code, does not exist.
    Removed,
    /// The document is no action that can be run, or cannot be read.
    Incompatible,
    /// The store did not answer.
    Unavailable,
}

impl From<StoreError> for FetchError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missing { .. } => Self::Removed,
            StoreError::Corrupt { .. } => Self::Incompatible,
            StoreError::Conflict { .. } | StoreError::Full | StoreError::Unavailable(_) => {
                Self::Unavailable
            }
        }
    }
}

impl Executable {
    /// Reads a document.
    pub(crate) fn new(document: Document) -> Result<Self, FetchError> {
        if document.collection != Collection::Actions {
            return Err(FetchError::Incompatible);
        }
        let action: WhiskAction =
            serde_json::from_str(document.body.text()).map_err(|_| FetchError::Incompatible)?;
        let name = action.qualified_name();
        let is_given_api_key = action.is_given_api_key();
        let is_retried_on_crash = action.annotations.is_true(RETRY_ON_CRASH);
        let Exec::Code(exec) = action.exec else {
            return Err(FetchError::Incompatible);
        };
        let class = Class {
            kind: exec.kind.as_str().into(),
            image: exec.image.as_ref().map(|image| image.to_string().into()),
            memory_mb: u64::try_from(action.limits.memory).unwrap_or(0),
            concurrency: u32::try_from(action.limits.concurrency).unwrap_or(0).max(1),
        };
        // Names hold no character that JSON escapes.
        let run_body_part = format!(
            ",\"action_name\":\"{}\",\"action_version\":\"{}\",\"activation_id\":\"",
            name.to_slashed(),
            action.version
        );
        let annotations = vec![
            annotation("path", Json::from(name.to_string().as_str())),
            annotation("kind", Json::from(exec.kind.as_str())),
            annotation("limits", Json::of(&action.limits)),
        ];
        Ok(Self {
            code: Arc::new(Revised {
                document: document.id,
                revision: document.revision,
            }),
            name,
            version: action.version,
            limits: action.limits,
            class: Arc::new(class),
            exec,
            is_given_api_key,
            is_retried_on_crash,
            run_body_part,
            annotations,
        })
    }

    /// Returns the time limit of the initialisation and of each run, in milliseconds.
    pub(crate) fn time_limit_ms(&self) -> u64 {
        u64::try_from(self.limits.timeout).unwrap_or(0)
    }

    /// Returns the code as a JSON string, fetched if it is kept beside the document; `None` if the
    /// action has none.
    pub(crate) async fn quoted_code(
        &self,
        store: &dyn ArtifactStore,
    ) -> Result<Option<String>, FetchError> {
        let attachment = match &self.exec.code {
            None => return Ok(None),
            Some(Code::Inline(code)) => return Ok(Some(oxwhisk_entity::json::quoted(code))),
            Some(Code::Attached(record)) => record,
        };
        let name = attachment
            .members()
            .and_then(|members| Some(members.get("attachmentName")?.as_str()?.into_owned()))
            .ok_or(FetchError::Incompatible)?;
        let content = store.attachment(&self.code.document, &name).await?;
        let binary = self.exec.binary;
        let quoted = if content.len() > LARGE_CODE {
            let task = tokio::task::spawn_blocking(move || quoted_attachment(&content, binary));
            task.await.map_err(|_| FetchError::Unavailable)?
        } else {
            quoted_attachment(&content, binary)
        };
        Ok(Some(quoted))
    }
}

/// Attachments hold binary code decoded (entities §5).
fn quoted_attachment(content: &Bytes, binary: bool) -> String {
    if binary {
        let mut text = String::with_capacity(content.len() / 3 * 4 + 6);
        text.push('"');
        base64::engine::general_purpose::STANDARD.encode_string(content, &mut text);
        text.push('"');
        text
    } else {
        oxwhisk_entity::json::quoted(&String::from_utf8_lossy(content))
    }
}

pub(crate) fn annotation(key: &str, value: Json) -> Parameter {
    Parameter {
        key: key.to_owned(),
        value,
        init: false,
        encryption: None,
    }
}
