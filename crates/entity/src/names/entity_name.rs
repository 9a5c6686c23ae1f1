//! The name of one entity or namespace.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest name, in characters.
const MAX_LENGTH: usize = 256;

/// The name of an action, package, trigger, rule or namespace.
///
/// 1 to 256 characters: letters, digits, `_`, inside also `@ . & -` and blanks, first a letter, digit
/// or `_`, last no blank. Source: entities §1.1.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntityName(Arc<str>);

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// More than 256 characters; the number is the length found.
    #[error("name of {0} characters is longer than 256")]
    TooLong(usize),
    /// A character that is not allowed, or none at all.
    #[error("name contains illegal characters")]
    Illegal,
}

impl EntityName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`NameError`]; a text that is too long and illegal is too long.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let length = text.encode_utf16().count();
        if length > MAX_LENGTH {
            return Err(NameError::TooLong(length));
        }
        if is_legal(text) {
            Ok(Self(text.into()))
        } else {
            Err(NameError::Illegal)
        }
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_legal(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let inner = |b: u8| word(b) || matches!(b, b'@' | b' ' | b'.' | b'&' | b'-');
    match text.as_bytes() {
        [] => false,
        [only] => word(*only),
        [first, middle @ .., last] => {
            word(*first) && middle.iter().copied().all(inner) && inner(*last) && *last != b' '
        }
    }
}

impl fmt::Display for EntityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EntityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for EntityName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for EntityName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(|_| serde::de::Error::custom("entity name malformed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// entities §1.1; recordings `actions-faults/name-*`.
    #[test]
    fn names_follow_the_pattern() {
        for good in [
            "a", "_", "9", "a b", "a@b.c&d", "0.0.0", "a-b-c-", "a.", "a&",
        ] {
            assert!(EntityName::new(good).is_ok(), "{good}");
        }
        for bad in [
            "", "-abc", "&abc", " x", "xxx ", "a=b", "x#x", "a()b", "a\tb", "a\n", "aé", "☃",
            "a:b", "-", "a/b",
        ] {
            assert_eq!(EntityName::new(bad), Err(NameError::Illegal), "{bad}");
        }
        assert!(EntityName::new(&"n".repeat(256)).is_ok());
        assert_eq!(
            EntityName::new(&"-".repeat(257)),
            Err(NameError::TooLong(257))
        );
    }
}
