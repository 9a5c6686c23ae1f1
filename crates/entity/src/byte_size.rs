//! Sizes of memory, logs, code and payloads.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ByteSize(u64);

impl ByteSize {
    /// A size in bytes.
    #[must_use]
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// A size in units of 1024 × 1024 bytes.
    #[must_use]
    pub const fn mib(mebibytes: u64) -> Self {
        Self(mebibytes.saturating_mul(1024 * 1024))
    }

    /// Reads `<n> B|KB|MB|GB`; the blank and the `B` may be left out, case does not matter.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits)?;
        let shift = match unit.trim().to_ascii_lowercase().as_str() {
            "b" => 0,
            "k" | "kb" => 10,
            "m" | "mb" => 20,
            "g" | "gb" => 30,
            _ => return None,
        };
        number
            .parse::<u64>()
            .ok()?
            .checked_mul(1 << shift)
            .map(Self)
    }

    /// Returns the size in bytes.
    #[must_use]
    pub const fn as_bytes(self) -> u64 {
        self.0
    }

    /// Returns the size in whole units of 1024 × 1024 bytes, rounded down.
    #[must_use]
    pub const fn as_mib(self) -> u64 {
        self.0 / (1024 * 1024)
    }
}

/// Writes the form that OpenWhisk uses for sizes: `1048576 B`.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} B", self.0)
    }
}

/// A size as somebody wrote it, such as `1 MB`; written out again with the same text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WrittenSize {
    text: String,
    size: ByteSize,
}

/// A text that is no size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Size Unit not supported. Only \"B\", \"K[B]\", \"M[B]\" and \"G[B]\" are supported.")]
pub struct SizeError;

impl WrittenSize {
    /// Returns the size.
    #[must_use]
    pub const fn size(&self) -> ByteSize {
        self.size
    }
}

impl FromStr for WrittenSize {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for WrittenSize {
    type Error = SizeError;

    fn try_from(text: String) -> Result<Self, SizeError> {
        let size = ByteSize::parse(&text).ok_or(SizeError)?;
        Ok(Self { text, size })
    }
}

impl From<WrittenSize> for String {
    fn from(written: WrittenSize) -> Self {
        written.text
    }
}

impl fmt::Display for WrittenSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// entities §10.
    #[test]
    fn sizes_are_read_with_their_units() {
        assert_eq!(ByteSize::parse("256 MB"), Some(ByteSize::mib(256)));
        assert_eq!(ByteSize::parse("1k"), Some(ByteSize::bytes(1024)));
        assert_eq!(
            ByteSize::parse("1048576 B").unwrap().to_string(),
            "1048576 B"
        );
        for bad in ["", "5", "MB", "1 TB", "-1 MB", "99999999999999999999 B"] {
            assert_eq!(ByteSize::parse(bad), None, "{bad}");
        }
    }
    #[test]
    fn written_sizes_keep_their_text() {
        let written: WrittenSize = serde_json::from_str("\"2 mb\"").unwrap();
        assert_eq!(written.size(), ByteSize::mib(2));
        assert_eq!(serde_json::to_string(&written).unwrap(), "\"2 mb\"");
        let refused = serde_json::from_str::<WrittenSize>("\"2 TB\"").unwrap_err();
        assert_eq!(refused.to_string(), SizeError.to_string());
    }
}
