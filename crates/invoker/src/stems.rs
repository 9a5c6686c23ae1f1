//! Which stem cells the manifest asks for.

use std::sync::Arc;

use oxwhisk_container::Runtime;
use oxwhisk_entity::ExecManifest;

use crate::pool::{Class, StemTarget};

/// Returns the stem cells of the kinds that can be started here.
pub(crate) fn targets(manifest: &ExecManifest, runtimes: &[Arc<Runtime>]) -> Vec<StemTarget> {
    let mut targets = Vec::new();
    for entry in manifest.runtimes() {
        if !runtimes.iter().any(|runtime| runtime.kind == entry.kind) {
            continue;
        }
        for cells in &entry.stem_cells {
            targets.push(StemTarget {
                class: Arc::new(Class {
                    kind: entry.kind.as_str().into(),
                    image: None,
                    memory_mb: cells.memory.as_mib(),
                    concurrency: 1,
                }),
                count: cells.initial_count,
            });
        }
    }
    targets
}
