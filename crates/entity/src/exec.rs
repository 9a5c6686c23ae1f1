//! What an action runs.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::json::{Json, JsonKind, Members};
use crate::manifest::{ExecManifest, ImageName, RuntimeManifest};
use crate::names::{FullyQualifiedName, ReferenceError};

/// The kind of actions that name a container image.
pub(crate) const BLACKBOX: &str = "blackbox";
/// The kind of actions that are chains of others.
pub(crate) const SEQUENCE: &str = "sequence";

/// The code of an action, here or elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    /// Source text, or base64 of an archive or program.
    Inline(Arc<str>),
    /// A record `{"attachmentName", "attachmentType", …}` that says where the code is.
    Attached(Json),
}

/// Code and how to start it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeExec {
    /// The kind, for example `nodejs:20`; `blackbox` if there is an image.
    pub kind: String,
    /// The image of a blackbox.
    pub image: Option<ImageName>,
    /// The code; a blackbox may have none.
    pub code: Option<Code>,
    /// The entry point, where one was named.
    pub main: Option<String>,
    /// Whether the code is base64.
    pub binary: bool,
}

/// What an action runs: `exec` of its document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exec {
    /// Code in a container.
    Code(CodeExec),
    /// Other actions, one after the other.
    Sequence(Vec<FullyQualifiedName>),
}

/// A member `exec` that cannot be used. The messages are OpenWhisk's (entities §3.4).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecError {
    /// A fault in the text of the request.
    #[error("{0}")]
    Malformed(String),
    /// A reference to a component that is none.
    #[error(transparent)]
    Component(#[from] ReferenceError),
    /// Base64 with blanks around it: the original takes it for binary and then fails to decode it.
    #[error("There was an internal server error.")]
    Undecodable,
}

fn malformed(text: impl Into<String>) -> ExecError {
    ExecError::Malformed(text.into())
}

impl Exec {
    /// Reads the member `exec` of a request.
    ///
    /// # Errors
    /// See [`ExecError`].
    pub fn from_request(value: &Json, manifest: &ExecManifest) -> Result<Self, ExecError> {
        let members = value
            .members()
            .ok_or_else(|| malformed("JSON object expected"))?;
        let kind = members
            .get("kind")
            .and_then(Json::as_str)
            .ok_or_else(|| malformed("'kind' must be a string defined in 'exec'"))?
            .trim()
            .to_lowercase();
        match kind.as_str() {
            SEQUENCE => components(&members).map(Exec::Sequence),
            BLACKBOX => blackbox(&members).map(Exec::Code),
            _ => {
                let runtime = manifest
                    .resolve(&kind)
                    .ok_or_else(|| malformed(unknown_kind(&kind, manifest)))?;
                managed(&members, runtime).map(Exec::Code)
            }
        }
    }

    /// Returns the kind.
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Exec::Code(exec) => &exec.kind,
            Exec::Sequence(_) => SEQUENCE,
        }
    }

    /// Returns whether the code is base64; false for sequences.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        matches!(self, Exec::Code(exec) if exec.binary)
    }

    /// Returns the size that the limit counts: code as sent, entry point, image name; of a sequence the paths.
    #[must_use]
    pub fn size(&self) -> u64 {
        let bytes = match self {
            Exec::Code(exec) => {
                let code = match &exec.code {
                    Some(Code::Inline(code)) => code.len(),
                    Some(Code::Attached(_)) | None => 0,
                };
                let image = exec
                    .image
                    .as_ref()
                    .map_or(0, |image| image.to_string().len());
                code + exec.main.as_ref().map_or(0, String::len) + image
            }
            Exec::Sequence(components) => {
                components.iter().map(|name| name.to_string().len()).sum()
            }
        };
        bytes as u64
    }

    /// Returns `exec` without `code`, as `?code=false` shows it.
    #[must_use]
    pub fn without_code(&self) -> Self {
        match self {
            Exec::Code(exec) => Exec::Code(CodeExec {
                code: None,
                ..exec.clone()
            }),
            Exec::Sequence(_) => self.clone(),
        }
    }
}

fn unknown_kind(kind: &str, manifest: &ExecManifest) -> String {
    let mut kinds: Vec<String> = manifest.kinds().map(|kind| format!("'{kind}'")).collect();
    kinds.extend([format!("'{SEQUENCE}'"), format!("'{BLACKBOX}'")]);
    format!(
        "The specified runtime '{kind}' is not supported by this platform. Valid values are: {}.",
        kinds.join(", ")
    )
}

fn components(members: &Members) -> Result<Vec<FullyQualifiedName>, ExecError> {
    let components = members
        .get("components")
        .ok_or_else(|| malformed("'components' must be defined for sequence kind"))?
        .elements()
        .ok_or_else(|| malformed("'components' must be an array"))?;
    Ok(components
        .iter()
        .map(FullyQualifiedName::from_json)
        .collect::<Result<_, _>>()?)
}

fn blackbox(members: &Members) -> Result<CodeExec, ExecError> {
    let image = members.get("image").and_then(Json::as_str).ok_or_else(|| {
        malformed("'image' must be a string defined in 'exec' for 'blackbox' actions")
    })?;
    let image = ImageName::parse(&image).ok_or_else(|| malformed("could not parse image name"))?;
    let code = match members.get("code") {
        None => None,
        Some(code) => match attachable(code)? {
            Code::Inline(text) if text.trim().is_empty() => None,
            code => Some(code),
        },
    };
    let main = optional_main(members, BLACKBOX)?;
    let binary = is_binary(code.as_ref())?;
    Ok(CodeExec {
        kind: BLACKBOX.to_owned(),
        image: Some(image),
        code,
        main,
        binary,
    })
}

fn managed(members: &Members, runtime: &RuntimeManifest) -> Result<CodeExec, ExecError> {
    let kind = &runtime.kind;
    let code = if runtime.is_attached() {
        let code = members.get("code").or_else(|| members.get("jar"));
        let text = format!(
            "'code' must be a string or attachment object defined in 'exec' for '{kind}' actions"
        );
        attachable(code.ok_or_else(|| malformed(text))?)?
    } else {
        let code = members.get("code").and_then(Json::as_str);
        let text = format!("'code' must be a string defined in 'exec' for '{kind}' actions");
        Code::Inline(code.ok_or_else(|| malformed(text))?.into())
    };
    let main = optional_main(members, kind)?;
    if runtime.require_main && main.is_none() {
        return Err(malformed(format!(
            "'main' must be a string defined in 'exec' for '{kind}' actions"
        )));
    }
    let binary = is_binary(Some(&code))?;
    Ok(CodeExec {
        kind: kind.clone(),
        image: None,
        code: Some(code),
        main,
        binary,
    })
}

fn optional_main(members: &Members, kind: &str) -> Result<Option<String>, ExecError> {
    match members.get("main") {
        None => Ok(None),
        Some(main) => match main.as_str() {
            Some(main) => Ok(Some(main.into_owned())),
            None => Err(malformed(format!(
                "if defined, 'main' be a string in 'exec' for '{kind}' actions"
            ))),
        },
    }
}

/// Reads code that may be a record of an attachment.
fn attachable(value: &Json) -> Result<Code, ExecError> {
    if let Some(text) = value.as_str() {
        return Ok(Code::Inline(text.into()));
    }
    let is_record = value.members().is_some_and(|members| {
        ["attachmentName", "attachmentType"]
            .iter()
            .all(|name| members.get(name).and_then(Json::as_str).is_some())
    });
    if is_record {
        return Ok(Code::Attached(value.clone()));
    }
    Err(malformed(format!(
        "Could not deserialize as attachment record: {value}"
    )))
}

fn is_binary(code: Option<&Code>) -> Result<bool, ExecError> {
    match code {
        Some(Code::Inline(text)) if is_binary_code(text) => {
            if text.trim().len() == text.len() {
                Ok(true)
            } else {
                Err(ExecError::Undecodable)
            }
        }
        _ => Ok(false),
    }
}

/// True if the code counts as binary: its trimmed text is not empty and looks like padded base64.
///
/// Short source texts such as `main` do so too. Source: entities §5.
#[must_use]
pub fn is_binary_code(code: &str) -> bool {
    let text = code.trim().as_bytes();
    if text.is_empty() || !text.len().is_multiple_of(4) {
        return false;
    }
    let padding = text.iter().rev().take_while(|&&b| b == b'=').count();
    let letters = text.len() - padding;
    padding <= 2
        && text
            .iter()
            .take(letters)
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Code::Inline(text) => serializer.serialize_str(text),
            Code::Attached(record) => record.serialize(serializer),
        }
    }
}

/// The members of `exec` as they are stored and shown.
#[derive(Serialize, Deserialize)]
struct WireExec {
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image: Option<ImageName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<Code>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    binary: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    main: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    components: Option<Vec<Json>>,
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Json::deserialize(deserializer)?;
        Ok(match value.kind() {
            JsonKind::String => Code::Inline(value.as_str().unwrap_or_default().into()),
            _ => Code::Attached(value),
        })
    }
}

impl Serialize for Exec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let wire = match self {
            Exec::Code(exec) => WireExec {
                kind: exec.kind.clone(),
                image: exec.image.clone(),
                code: exec.code.clone(),
                binary: Some(exec.binary),
                main: exec.main.clone(),
                components: None,
            },
            Exec::Sequence(components) => WireExec {
                kind: SEQUENCE.to_owned(),
                image: None,
                code: None,
                binary: None,
                main: None,
                components: Some(
                    components
                        .iter()
                        .map(|name| Json::from(name.to_slashed().as_str()))
                        .collect(),
                ),
            },
        };
        wire.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Exec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = WireExec::deserialize(deserializer)?;
        if let Some(components) = wire.components {
            let components = components
                .iter()
                .map(FullyQualifiedName::from_json)
                .collect::<Result<_, _>>();
            return components
                .map(Exec::Sequence)
                .map_err(serde::de::Error::custom);
        }
        Ok(Exec::Code(CodeExec {
            kind: wire.kind,
            image: wire.image,
            code: wire.code,
            main: wire.main,
            binary: wire.binary.unwrap_or(false),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Exec, ExecError> {
        let manifest = ExecManifest::parse(
            br#"{"runtimes":{"nodejs":[{"kind":"nodejs:20","default":true,"image":{"name":"n"},
                "attached":{"attachmentName":"c","attachmentType":"text/plain"}}]}}"#,
        );
        Exec::from_request(&Json::parse(text.as_bytes()).unwrap(), &manifest.unwrap())
    }

    /// entities §3.4; recordings `actions-write/{kind,code,main,blackbox}-*`.
    #[test]
    fn faults_have_the_texts_of_the_original() {
        for (text, error) in [
            ("5", "JSON object expected"),
            ("{}", "'kind' must be a string defined in 'exec'"),
            (
                r#"{"kind":""}"#,
                "The specified runtime '' is not supported by this platform. Valid values are: 'nodejs:20', 'sequence', 'blackbox'.",
            ),
            (
                r#"{"kind":"nodejs:20"}"#,
                "'code' must be a string or attachment object defined in 'exec' for 'nodejs:20' actions",
            ),
            (
                r#"{"kind":"nodejs:20","code":["a"]}"#,
                "Could not deserialize as attachment record: [\"a\"]",
            ),
            (
                r#"{"kind":"nodejs:20","code":"x","main":null}"#,
                "if defined, 'main' be a string in 'exec' for 'nodejs:20' actions",
            ),
            (
                r#"{"kind":"blackbox"}"#,
                "'image' must be a string defined in 'exec' for 'blackbox' actions",
            ),
            (
                r#"{"kind":"blackbox","image":"a b"}"#,
                "could not parse image name",
            ),
            (
                r#"{"kind":"sequence"}"#,
                "'components' must be defined for sequence kind",
            ),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), error, "{text}");
        }
    }

    #[test]
    fn execs_come_back_as_they_were_sent() {
        for (sent, shown) in [
            (
                r#"{"kind":"  NodeJS:default ","code":"YWJ=","binary":false}"#,
                r#"{"kind":"nodejs:20","code":"YWJ=","binary":true}"#,
            ),
            (
                r#"{"kind":"blackbox","image":"img@sha256:aa","code":"  "}"#,
                r#"{"kind":"blackbox","image":"img","binary":false}"#,
            ),
            (
                r#"{"kind":"sequence","components":["/guest/p/a",{"path":"guest","name":"b"}]}"#,
                r#"{"kind":"sequence","components":["/guest/p/a","/guest/b"]}"#,
            ),
        ] {
            let exec = read(sent).unwrap();
            let written = serde_json::to_string(&exec).unwrap();
            assert_eq!(written, shown);
            assert_eq!(serde_json::from_str::<Exec>(&written).unwrap(), exec);
        }
    }

    /// entities §5.
    #[test]
    fn binary_code_is_told_by_its_looks() {
        for (code, binary) in [
            ("main", true),
            ("mains", false),
            ("YWI=", true),
            ("=abc", false),
            ("a===", false),
            ("", false),
        ] {
            assert_eq!(is_binary_code(code), binary, "{code}");
        }
    }
}
