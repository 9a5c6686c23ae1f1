//! The embedded store keeps every promise of the seams.

use oxwhisk_store::embedded::{EmbeddedConfig, EmbeddedStore};

oxwhisk_store::conformance_suite!(on_disk, EmbeddedStore::in_temp_dir().unwrap());
oxwhisk_store::conformance_suite!(
    in_memory,
    EmbeddedStore::in_memory(EmbeddedConfig::default()).unwrap()
);
