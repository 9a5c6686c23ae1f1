//! The embedded bus over a journal in memory, as the suite drives it.

use std::sync::Arc;

use async_trait::async_trait;
use oxwhisk_entity::ActivationId;

use crate::MessageBus;
use crate::embedded::{EmbeddedBus, EmbeddedConfig, MemoryJournal};

use super::BusUnderTest;

/// Bound of the queues under test.
const BOUND: usize = 8;

/// The embedded bus; its journal outlives its processes.
#[derive(Debug, Default)]
pub struct EmbeddedUnderTest {
    journal: MemoryJournal,
}

#[async_trait]
impl BusUnderTest for EmbeddedUnderTest {
    async fn start_process(&self) -> Box<dyn MessageBus> {
        let config = EmbeddedConfig {
            activations: BOUND,
            ..EmbeddedConfig::default()
        };
        let journal = Arc::new(self.journal.clone());
        Box::new(EmbeddedBus::open(config, journal).await.unwrap())
    }

    async fn store_record(&self, id: ActivationId) {
        self.journal.record_stored(id);
    }

    fn bound(&self) -> Option<usize> {
        Some(BOUND)
    }
}
