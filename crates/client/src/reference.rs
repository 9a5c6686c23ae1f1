//! Names of entities as people write them.

use std::fmt;
use std::str::FromStr;

use oxwhisk_entity::EntityName;

/// Names an entity: `hello`, `pkg/hello`, `/ns/hello`, `/ns/pkg/hello` or `ns/pkg/hello`. Without a namespace it is in
/// that of the client.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EntityRef {
    /// The namespace, if one is named.
    pub namespace: Option<EntityName>,
    /// The package, if it is in one.
    pub package: Option<EntityName>,
    /// The entity.
    pub name: EntityName,
}

/// A text that names no entity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of an entity")]
pub struct EntityRefError(String);

impl FromStr for EntityRef {
    type Err = EntityRefError;

    fn from_str(text: &str) -> Result<Self, EntityRefError> {
        let refuse = || EntityRefError(text.to_owned());
        let part = |part: &str| EntityName::new(part).map_err(|_| refuse());
        let parts: Vec<&str> = text.split('/').collect();
        let (namespace, package, name) = match *parts.as_slice() {
            [name] => (None, None, name),
            ["", namespace, name] => (Some(namespace), None, name),
            [package, name] => (None, Some(package), name),
            ["", namespace, package, name] | [namespace, package, name] => {
                (Some(namespace), Some(package), name)
            }
            _ => return Err(refuse()),
        };
        Ok(Self {
            namespace: namespace.map(part).transpose()?,
            package: package.map(part).transpose()?,
            name: part(name)?,
        })
    }
}

impl From<EntityName> for EntityRef {
    fn from(name: EntityName) -> Self {
        Self {
            namespace: None,
            package: None,
            name,
        }
    }
}

/// Writes the form that is read again as the same.
impl fmt::Display for EntityRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(namespace) = &self.namespace {
            write!(f, "/{namespace}/")?;
        }
        if let Some(package) = &self.package {
            write!(f, "{package}/")?;
        }
        write!(f, "{}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_with_and_without_namespace_and_package() {
        for (text, written) in [
            ("hello", "hello"),
            ("pkg/hello", "pkg/hello"),
            ("/ns/hello", "/ns/hello"),
            ("/_/pkg/hello", "/_/pkg/hello"),
            ("ns/pkg/hello", "/ns/pkg/hello"),
        ] {
            let name: EntityRef = text.parse().unwrap();
            assert_eq!(name.to_string(), written);
            assert_eq!(written.parse::<EntityRef>().unwrap(), name);
        }
        for text in ["", "/", "/hello", "a//b", "a/b/c/d", "/a/b/c/d", " a", "a/"] {
            assert!(text.parse::<EntityRef>().is_err(), "{text}");
        }
    }
}
