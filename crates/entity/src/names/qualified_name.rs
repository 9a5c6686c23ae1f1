//! References to entities.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{EntityName, EntityPath, SemVer};
use crate::json::{Json, JsonKind};

/// The name of an entity together with the path that it is in.
///
/// Stored and sent as `{"path": "ns[/pkg]", "name": "n"}`, read also from `/ns/[pkg/]n`.
/// Source: entities §1.3.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FullyQualifiedName {
    /// Namespace, or namespace and package.
    pub path: EntityPath,
    /// Name in that path.
    pub name: EntityName,
    /// Version, where a message names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<SemVer>,
    /// The binding through which the entity was reached, where a message names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<EntityPath>,
}

/// Why a text or value refers to nothing. The messages are OpenWhisk's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// No part at all.
    #[error("requirement failed: path undefined")]
    PathUndefined,
    /// A part that is no name.
    #[error("requirement failed: path contains invalid parts ArraySeq({0})")]
    PathInvalid(String),
    /// A name without a namespace.
    #[error(
        "requirement failed: The fully qualified name of the entity must contain at least the namespace and the name of the entity."
    )]
    NoNamespace,
    /// Not a string or an object with `path` and `name`.
    #[error("fully qualified name malformed")]
    Malformed,
}

impl FullyQualifiedName {
    /// Puts a reference together.
    #[must_use]
    pub fn new(path: EntityPath, name: EntityName) -> Self {
        Self {
            path,
            name,
            version: None,
            binding: None,
        }
    }

    /// Reads `ns/n`, `/ns/n`, `ns/pkg/n` or `/ns/pkg/n`.
    ///
    /// # Errors
    /// See [`ReferenceError`].
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let path = EntityPath::new(text)?;
        let (parent, name) = path
            .as_str()
            .rsplit_once('/')
            .ok_or(ReferenceError::NoNamespace)?;
        let name = EntityName::new(name).map_err(|_| ReferenceError::Malformed)?;
        Ok(Self::new(EntityPath::new(parent)?, name))
    }

    /// Reads a string or an object `{path, name}`.
    ///
    /// # Errors
    /// See [`ReferenceError`].
    pub fn from_json(value: &Json) -> Result<Self, ReferenceError> {
        match value.kind() {
            JsonKind::String => Self::parse(&value.as_str().unwrap_or_default()),
            JsonKind::Object => {
                let members = value.members().unwrap_or_default();
                let part = |name| {
                    members
                        .get(name)
                        .and_then(Json::as_str)
                        .ok_or(ReferenceError::Malformed)
                };
                let name =
                    EntityName::new(&part("name")?).map_err(|_| ReferenceError::Malformed)?;
                Ok(Self::new(EntityPath::new(&part("path")?)?, name))
            }
            _ => Err(ReferenceError::Malformed),
        }
    }

    /// Returns the reference with a root part `_` replaced by a namespace.
    #[must_use]
    pub fn resolve(&self, namespace: &EntityName) -> Self {
        Self {
            path: self.path.resolve(namespace),
            ..self.clone()
        }
    }

    /// Returns `/ns/[pkg/]name`, the form in sequences and in `__OW_ACTION_NAME`.
    #[must_use]
    pub fn to_slashed(&self) -> String {
        format!("/{}/{}", self.path, self.name)
    }
}

/// Writes `ns/[pkg/]name`, which is also the document's identifier.
impl fmt::Display for FullyQualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.path, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// entities §1.3.
    #[test]
    fn references_are_read_in_both_forms() {
        let name = FullyQualifiedName::parse("/guest/pkg/a").unwrap();
        assert_eq!(
            (name.to_string().as_str(), name.to_slashed().as_str()),
            ("guest/pkg/a", "/guest/pkg/a")
        );
        let object = Json::parse(br#"{"path":"guest/pkg","name":"a"}"#).unwrap();
        assert_eq!(FullyQualifiedName::from_json(&object), Ok(name));
        assert_eq!(
            FullyQualifiedName::parse("a"),
            Err(ReferenceError::NoNamespace)
        );
        assert_eq!(
            FullyQualifiedName::from_json(&Json::from(5)),
            Err(ReferenceError::Malformed)
        );
    }
}
