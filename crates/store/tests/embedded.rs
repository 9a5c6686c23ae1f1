//! The embedded store keeps every promise of the seams.
#![expect(clippy::unwrap_used, reason = "tests may panic")]

use oxwhisk_store::embedded::{EmbeddedConfig, EmbeddedStore};

/// A store whose records are committed in groups.
fn grouping() -> EmbeddedStore {
    let config = EmbeddedConfig {
        group_window: EmbeddedConfig::MAX_GROUP_WINDOW,
        ..EmbeddedConfig::default()
    };
    EmbeddedStore::in_memory(config).unwrap()
}

oxwhisk_store::conformance_suite!(on_disk, EmbeddedStore::in_temp_dir().unwrap());
oxwhisk_store::conformance_suite!(
    in_memory,
    EmbeddedStore::in_memory(EmbeddedConfig::default()).unwrap()
);
oxwhisk_store::conformance_suite!(in_groups, grouping());
