//! Semantic versions.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::json::Json;

/// Version of an entity: `major.minor.patch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SemVer {
    major: u32,
    minor: u32,
    patch: u32,
}

/// A text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("semantic version malformed")]
pub struct VersionError;

impl SemVer {
    /// The version of a new entity.
    pub const FIRST: Self = Self {
        major: 0,
        minor: 0,
        patch: 1,
    };

    /// Reads a version as leniently as OpenWhisk: `1` and `1.` are 1.0.0, `01.02` is 1.2.0, parts after the
    /// third are ignored.
    ///
    /// # Errors
    /// [`VersionError`] for negative parts, parts that are no 31-bit numbers, and 0.0.0.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        let mut parts = text.trim_end_matches('.').split('.');
        let mut next = || match parts.next() {
            None => Ok(0),
            Some(part) => match part.parse::<i32>() {
                Ok(number) => u32::try_from(number).map_err(|_| VersionError),
                Err(_) => Err(VersionError),
            },
        };
        let version = Self {
            major: next()?,
            minor: next()?,
            patch: next()?,
        };
        if version
            == (Self {
                major: 0,
                minor: 0,
                patch: 0,
            })
        {
            Err(VersionError)
        } else {
            Ok(version)
        }
    }

    /// Reads the member `version` of a request.
    ///
    /// # Errors
    /// [`VersionError`], also for values that are no strings.
    pub fn from_json(value: &Json) -> Result<Self, VersionError> {
        Self::parse(&value.as_str().ok_or(VersionError)?)
    }

    /// Returns the version after an update.
    #[must_use]
    pub fn next_patch(self) -> Self {
        Self {
            patch: self.patch.saturating_add(1),
            ..self
        }
    }
}

impl fmt::Display for SemVer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl Serialize for SemVer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SemVer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// entities §1.4; recordings `actions-write/version-*`.
    #[test]
    fn versions_are_read_leniently() {
        for (text, read) in [
            ("1", "1.0.0"),
            ("1.", "1.0.0"),
            ("01.02", "1.2.0"),
            ("1.2.3.4", "1.2.3"),
        ] {
            assert_eq!(SemVer::parse(text).unwrap().to_string(), read, "{text}");
        }
        for bad in ["", "0.0.0", "-1.0.0", "a", " 1", "1.2.99999999999", "1..2"] {
            assert!(SemVer::parse(bad).is_err(), "{bad}");
        }
    }
}
