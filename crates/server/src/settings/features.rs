//! Settings that change what goes over the wire, and what is recorded. Source: rest-api §15.

use std::time::Duration;

use oxwhisk_controller::FeatureFlags;
use oxwhisk_entity::{RecordDurability, RecordKeeping, StoreLevel};

use super::{Fallback, Reader};

const BLOCKING_LEVEL: &str = "activations.store_blocking_result_level";

impl Reader {
    pub(super) fn features(&mut self) -> FeatureFlags {
        FeatureFlags {
            require_response_payload: self.flag("feature_flags.require_response_payload"),
            require_api_key_annotation: self.flag("feature_flags.require_api_key_annotation"),
            shared_packages_execute_only: self.flag("shared_packages_execute_only"),
        }
    }

    /// The deprecated flag says something only where the level that replaces it was not given.
    pub(super) fn records(&mut self) -> RecordKeeping {
        let disables = self.flag("activations.disable_store_result");
        let told = self.level(BLOCKING_LEVEL);
        let blocking = match disables && !self.sources.is_told(BLOCKING_LEVEL) {
            true => StoreLevel::Failures,
            false => told,
        };
        RecordKeeping {
            blocking,
            non_blocking: self.level("activations.store_non_blocking_result_level"),
            durability: self.parsed("activations.durability", "one of group, sync"),
        }
    }

    /// A whole number of milliseconds, as the API counts them.
    pub(super) fn max_blocking_wait(&mut self) -> Duration {
        let ms = self.milliseconds("controller.max_wait_for_blocking_activation");
        Duration::from_millis(u64::from(ms.unsigned_abs()))
    }

    pub(super) fn flag(&mut self, key: &'static str) -> bool {
        self.parsed(key, "true or false")
    }

    fn level(&mut self, key: &'static str) -> StoreLevel {
        let known = StoreLevel::ALL.map(StoreLevel::text).join(", ");
        self.parsed(key, &format!("one of {known}"))
    }
}

impl Fallback for StoreLevel {
    fn fallback() -> Self {
        Self::Always
    }
}

impl Fallback for RecordDurability {
    fn fallback() -> Self {
        Self::Group
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::resolve;
    use super::*;

    fn levels(file: &str) -> RecordKeeping {
        resolve(&[], &[], file).unwrap().records
    }

    #[test]
    fn nothing_differs_from_the_original_unless_it_is_set() {
        let settings = resolve(&[], &[], "").unwrap();
        assert_eq!(settings.features, FeatureFlags::default());
        assert_eq!(settings.records, RecordKeeping::default());
        assert_eq!(
            settings.max_blocking_wait,
            oxwhisk_controller::DEFAULT_BLOCKING_WAIT
        );
    }

    #[test]
    fn flags_are_read_from_file_and_environment() {
        let file = "shared_packages_execute_only = true\n[feature_flags]\nrequire_response_payload = false\n[controller]\nmax_wait_for_blocking_activation = \"1s 500ms\"";
        let variable = ("OXWHISK_FEATURE_FLAGS_REQUIRE_API_KEY_ANNOTATION", "false");
        let settings = resolve(&[], &[variable], file).unwrap();
        let told = FeatureFlags {
            require_response_payload: false,
            require_api_key_annotation: false,
            shared_packages_execute_only: true,
        };
        assert_eq!(settings.features, told);
        assert_eq!(settings.max_blocking_wait, Duration::from_millis(1500));
    }

    /// rest-api §15: the level takes the place of the deprecated flag.
    #[test]
    fn deprecated_flag_counts_only_without_the_level() {
        let failures = RecordKeeping {
            blocking: StoreLevel::Failures,
            ..RecordKeeping::default()
        };
        let flag = "[activations]\ndisable_store_result = true\n";
        assert_eq!(levels(flag), failures);
        let overruled = format!("{flag}store_blocking_result_level = \"STORE_ALWAYS\"");
        assert_eq!(levels(&overruled), RecordKeeping::default());
        let both = format!("{flag}store_non_blocking_result_level = \"store_failures\"");
        let expected = RecordKeeping {
            non_blocking: StoreLevel::Failures,
            ..failures
        };
        assert_eq!(levels(&both), expected);
        let other = "[activations]\nstore_blocking_result_level = \"STORE_FAILURES_NOT_APPLICATION_ERRORS\"";
        assert_eq!(
            levels(other).blocking,
            StoreLevel::FailuresNotApplicationErrors
        );
    }

    /// rest-api §15: unknown levels stop the process at its start.
    #[test]
    fn what_cannot_be_read_is_reported_together() {
        let file = "shared_packages_execute_only = \"maybe\"\n[activations]\nstore_blocking_result_level = \"SOME\"\n[controller]\nmax_wait_for_blocking_activation = \"30d\"";
        let problems = resolve(&[], &[], file).unwrap_err();
        for expected in [
            "shared_packages_execute_only: `maybe` is not true or false (in the file)",
            "activations.store_blocking_result_level: `SOME` is not one of STORE_ALWAYS, STORE_FAILURES, STORE_FAILURES_NOT_APPLICATION_ERRORS (in the file)",
            "controller.max_wait_for_blocking_activation: is too large",
        ] {
            assert!(
                problems.contains(expected),
                "{expected} is missing in:\n{problems}"
            );
        }
    }
}
