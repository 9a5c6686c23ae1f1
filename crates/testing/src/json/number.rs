//! Numbers that remember how they were written.

/// A JSON number in the form of its source, such as `5`, `5.0` or `1E+3`.
#[derive(Debug, Clone)]
pub struct Number(String);

impl Number {
    /// Keeps a text that is known to follow the grammar of JSON numbers.
    pub(super) fn from_source(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Returns the number as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether it has neither fraction nor exponent.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        !self.0.contains(['.', 'e', 'E'])
    }

    /// Returns whether it is a whole number above `bound`.
    #[must_use]
    pub fn is_integer_above(&self, bound: i128) -> bool {
        // What does not fit into 128 bits is larger than any bound, unless it is negative.
        self.is_integer()
            && self
                .0
                .parse::<i128>()
                .map_or_else(|_| !self.0.starts_with('-'), |value| value > bound)
    }

    fn digits(&self) -> &str {
        if self.0 == "-0" { "0" } else { &self.0 }
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self(value.to_string())
    }
}

impl PartialEq for Number {
    /// Whole numbers are equal digit by digit, fractions by their double-precision value; one of each
    /// kind are never equal.
    fn eq(&self, other: &Self) -> bool {
        match (self.is_integer(), other.is_integer()) {
            (true, true) => self.digits() == other.digits(),
            (false, false) => match (self.0.parse::<f64>(), other.0.parse::<f64>()) {
                (Ok(left), Ok(right)) => left == right,
                (Ok(_) | Err(_), Err(_)) | (Err(_), Ok(_)) => false,
            },
            (true, false) | (false, true) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_large_whole_numbers_are_above_a_bound() {
        let table = [
            ("1000000000000", false),
            ("1000000000001", true),
            ("1000000000001.0", false),
            ("1e30", false),
            ("9999999999999999999999999999999999999999999", true),
            ("-9999999999999999999999999999999999999999999", false),
        ];
        for (text, above) in table {
            assert_eq!(
                Number::from_source(text).is_integer_above(1_000_000_000_000),
                above,
                "{text}"
            );
        }
    }
}
