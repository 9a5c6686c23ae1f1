//! The identifier of one activation.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Identifier of one activation: 32 lower-case hexadecimal digits on the wire.
///
/// The first 48 bits of the ones this platform makes are the milliseconds since the epoch, so that
/// identifiers sort by time and stores stay sequential; any 32 digits are accepted when read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActivationId(u128);

/// Why a text is no activation identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActivationIdError {
    /// The text does not have 32 characters.
    #[error("Activation id length is {0} but must be 32.")]
    Length(usize),
    /// The text has 32 characters, not all of them lower-case hexadecimal digits.
    #[error("The activation id is not valid.")]
    Digits,
}

impl ActivationId {
    /// Makes an identifier of the given time (milliseconds since the epoch) and 80 random bits.
    #[must_use]
    pub fn new(epoch_ms: u64, random: u128) -> Self {
        Self((u128::from(epoch_ms) << 80) | (random & ((1 << 80) - 1)))
    }

    /// Returns the identifier as a number, whose order is the order of the texts.
    #[must_use]
    pub fn as_u128(self) -> u128 {
        self.0
    }
}

impl From<u128> for ActivationId {
    fn from(value: u128) -> Self {
        Self(value)
    }
}

impl FromStr for ActivationId {
    type Err = ActivationIdError;

    fn from_str(text: &str) -> Result<Self, ActivationIdError> {
        let length = text.chars().count();
        if length != 32 {
            return Err(ActivationIdError::Length(length));
        }
        if !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(ActivationIdError::Digits);
        }
        u128::from_str_radix(text, 16)
            .map(Self)
            .map_err(|_| ActivationIdError::Digits)
    }
}

impl fmt::Display for ActivationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Formatting a `u128` in hexadecimal takes some 800 instructions, and this is done for every record.
        let mut text = [0; 32];
        for (digits, byte) in text.chunks_exact_mut(2).zip(self.0.to_be_bytes()) {
            digits.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        f.pad(std::str::from_utf8(&text).unwrap_or_default())
    }
}

fn digit(nibble: u8) -> u8 {
    match nibble {
        0..=9 => b'0' + nibble,
        _ => b'a' - 10 + nibble,
    }
}

impl fmt::Debug for ActivationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ActivationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ActivationId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// entities §1.5
    #[test]
    fn reads_what_it_writes_and_sorts_by_time() {
        let early = ActivationId::new(1_700_000_000_000, u128::MAX);
        let late = ActivationId::new(1_700_000_000_001, 0);
        assert!(early < late && early.to_string() < late.to_string());
        assert_eq!(early.to_string().parse::<ActivationId>(), Ok(early));
    }

    /// rest-api §4.2: the two texts for a bad identifier.
    #[test]
    fn bad_identifiers_are_told_apart() {
        assert_eq!(
            "abc".parse::<ActivationId>(),
            Err(ActivationIdError::Length(3))
        );
        assert_eq!(
            "A".repeat(32).parse::<ActivationId>(),
            Err(ActivationIdError::Digits)
        );
    }
}
