//! Which activations leave a record. Source: rest-api §15, invoker §3.4.

use std::str::FromStr;

use crate::{ResponseStatus, UserLimits};

/// Outcomes of activations whose records are stored. Its texts are those of OpenWhisk's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StoreLevel {
    /// All: `STORE_ALWAYS`.
    #[default]
    Always,
    /// All but successes: `STORE_FAILURES`.
    Failures,
    /// Those that the action did not report itself: `STORE_FAILURES_NOT_APPLICATION_ERRORS`.
    FailuresNotApplicationErrors,
}

impl StoreLevel {
    /// All levels.
    pub const ALL: [Self; 3] = [
        Self::Always,
        Self::Failures,
        Self::FailuresNotApplicationErrors,
    ];

    /// Returns the text of the level.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Always => "STORE_ALWAYS",
            Self::Failures => "STORE_FAILURES",
            Self::FailuresNotApplicationErrors => "STORE_FAILURES_NOT_APPLICATION_ERRORS",
        }
    }

    /// Returns whether the record of an activation that ended so is stored.
    #[must_use]
    pub fn stores(self, status: ResponseStatus) -> bool {
        match (self, status) {
            (Self::Always, _)
            | (_, ResponseStatus::DeveloperError | ResponseStatus::WhiskError)
            | (Self::Failures, ResponseStatus::ApplicationError) => true,
            (Self::Failures, ResponseStatus::Success)
            | (
                Self::FailuresNotApplicationErrors,
                ResponseStatus::Success | ResponseStatus::ApplicationError,
            ) => false,
        }
    }
}

/// A text that names no [`StoreLevel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("store level malformed")]
pub struct StoreLevelError;

impl FromStr for StoreLevel {
    type Err = StoreLevelError;

    /// Reads the text of a level, in capitals or not.
    fn from_str(text: &str) -> Result<Self, StoreLevelError> {
        Self::ALL
            .into_iter()
            .find(|level| level.text().eq_ignore_ascii_case(text))
            .ok_or(StoreLevelError)
    }
}

/// How an activation was asked for, as far as its record depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Limits of the namespace whose activation it is.
    pub limits: &'a UserLimits,
    /// Whether a caller waits for the result, or waited.
    pub blocking: bool,
    /// Whether the request had the header `X-OW-EXTRA-LOGGING: on`, which asks for a record at any level.
    pub extra_logging: bool,
}

/// When a record is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RecordDurability {
    /// Soon after its result was handed out, with others: `group`.
    #[default]
    Group,
    /// Before its result is handed out: `sync`.
    Sync,
}

impl RecordDurability {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Group, Self::Sync];

    /// Returns the text of the setting.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Sync => "sync",
        }
    }
}

/// A text that names no [`RecordDurability`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("durability malformed")]
pub struct RecordDurabilityError;

impl FromStr for RecordDurability {
    type Err = RecordDurabilityError;

    fn from_str(text: &str) -> Result<Self, RecordDurabilityError> {
        Self::ALL
            .into_iter()
            .find(|durability| durability.text() == text)
            .ok_or(RecordDurabilityError)
    }
}

/// What becomes of records in a deployment. The default stores everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordKeeping {
    /// For activations whose caller waits for the result.
    pub blocking: StoreLevel,
    /// For all others.
    pub non_blocking: StoreLevel,
    /// When they are on the disk.
    pub durability: RecordDurability,
}

impl RecordKeeping {
    /// Returns whether the record of an activation is stored. A namespace that wants no records gets none at any level.
    #[must_use]
    pub fn stores(&self, asked: Asked<'_>, status: ResponseStatus) -> bool {
        let level = if asked.blocking {
            self.blocking
        } else {
            self.non_blocking
        };
        asked.limits.store_activations != Some(false)
            && (level.stores(status) || asked.extra_logging)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use ResponseStatus::{ApplicationError, DeveloperError, Success, WhiskError};

    const STATUSES: [ResponseStatus; 4] = [Success, ApplicationError, DeveloperError, WhiskError];
    /// What each level stores, by [`STATUSES`].
    const STORED: [(StoreLevel, [bool; 4]); 3] = [
        (StoreLevel::Always, [true, true, true, true]),
        (StoreLevel::Failures, [false, true, true, true]),
        (
            StoreLevel::FailuresNotApplicationErrors,
            [false, false, true, true],
        ),
    ];

    fn limits(store_activations: Option<bool>) -> UserLimits {
        UserLimits {
            store_activations,
            ..UserLimits::default()
        }
    }

    /// rest-api §15: each outcome, blocking and not, at each pair of levels.
    #[test]
    fn outcome_and_level_of_the_way_it_was_asked_for_decide() {
        for (of_blocking, stored_blocking) in STORED {
            for (of_others, stored_others) in STORED {
                let keeping = RecordKeeping {
                    blocking: of_blocking,
                    non_blocking: of_others,
                    ..RecordKeeping::default()
                };
                for wanted in [None, Some(true)] {
                    let limits = limits(wanted);
                    for (blocking, expected) in [(true, stored_blocking), (false, stored_others)] {
                        let asked = Asked {
                            limits: &limits,
                            blocking,
                            extra_logging: false,
                        };
                        let stored = STATUSES.map(|status| keeping.stores(asked, status));
                        assert_eq!(stored, expected, "{keeping:?}, blocking: {blocking}");
                    }
                }
            }
        }
    }

    /// rest-api §15: extra logging comes before the level, the limit of the namespace before both.
    #[test]
    fn extra_logging_stores_at_any_level_unless_the_namespace_wants_no_records() {
        for (level, _) in STORED {
            let keeping = RecordKeeping {
                blocking: level,
                non_blocking: level,
                ..RecordKeeping::default()
            };
            for (wanted, expected) in [(None, true), (Some(true), true), (Some(false), false)] {
                let limits = limits(wanted);
                for blocking in [true, false] {
                    let asked = Asked {
                        limits: &limits,
                        blocking,
                        extra_logging: true,
                    };
                    let stored = STATUSES.map(|status| keeping.stores(asked, status));
                    assert_eq!(stored, [expected; 4], "{level:?}, {wanted:?}");
                }
            }
        }
    }

    #[test]
    fn levels_are_read_by_their_texts() {
        for level in StoreLevel::ALL {
            assert_eq!(level.text().parse(), Ok(level));
            assert_eq!(level.text().to_lowercase().parse(), Ok(level));
        }
        for text in ["", "STORE", "always", "STORE_ALWAYS "] {
            assert_eq!(text.parse::<StoreLevel>(), Err(StoreLevelError), "{text}");
        }
    }
}
