//! Paths of names.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{EntityName, ReferenceError};

/// One or more names joined by `/`: a namespace, or a namespace and a package.
///
/// Written without a leading slash, for example `guest/pkg`. Source: entities §1.2.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntityPath(Arc<str>);

impl EntityPath {
    /// Reads a path; leading, trailing and repeated slashes are dropped.
    ///
    /// # Errors
    /// [`ReferenceError::PathUndefined`] without any part, [`ReferenceError::PathInvalid`] if a part
    /// is no name.
    pub fn new(text: &str) -> Result<Self, ReferenceError> {
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
        if parts.is_empty() {
            return Err(ReferenceError::PathUndefined);
        }
        if parts.iter().any(|part| EntityName::new(part).is_err()) {
            return Err(ReferenceError::PathInvalid(parts.join(", ")));
        }
        Ok(Self(parts.join("/").into()))
    }

    /// Returns the path of a package in this namespace, or of an action in this package.
    #[must_use]
    pub fn join(&self, name: &EntityName) -> Self {
        Self(format!("{}/{name}", self.0).into())
    }

    /// Returns the first part, the namespace.
    #[must_use]
    pub fn root(&self) -> &str {
        self.0.split('/').next().unwrap_or(&self.0)
    }

    /// Returns the first part as a path.
    #[must_use]
    pub fn root_path(&self) -> Self {
        Self(self.root().into())
    }

    /// Returns the part after the namespace, if there are exactly two parts: the package.
    #[must_use]
    pub fn package(&self) -> Option<EntityName> {
        let (_, rest) = self.0.split_once('/')?;
        EntityName::new(rest).ok()
    }

    /// Returns the last part.
    #[must_use]
    pub fn last(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// Returns how many parts there are.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.0.split('/').count()
    }

    /// Returns the path with a root part `_` replaced by a namespace.
    #[must_use]
    pub fn resolve(&self, namespace: &EntityName) -> Self {
        match self.0.split_once('/') {
            Some(("_", rest)) => Self(format!("{namespace}/{rest}").into()),
            None if &*self.0 == "_" => namespace.into(),
            _ => self.clone(),
        }
    }

    /// Returns the path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&EntityName> for EntityPath {
    fn from(name: &EntityName) -> Self {
        Self(name.as_str().into())
    }
}

impl fmt::Display for EntityPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EntityPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for EntityPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for EntityPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// entities §1.2
    #[test]
    fn slashes_are_dropped_and_parts_found() {
        let path = EntityPath::new("//guest//pkg/").unwrap();
        assert_eq!(
            (path.as_str(), path.root(), path.last(), path.depth()),
            ("guest/pkg", "guest", "pkg", 2)
        );
        assert_eq!(path.package().unwrap().as_str(), "pkg");
        assert_eq!(
            EntityPath::new("_/pkg")
                .unwrap()
                .resolve(&EntityName::new("n").unwrap())
                .as_str(),
            "n/pkg"
        );
        assert_eq!(EntityPath::new("/"), Err(ReferenceError::PathUndefined));
    }
}
