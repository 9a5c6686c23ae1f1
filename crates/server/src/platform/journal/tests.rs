//! The embedded bus over the embedded store keeps every promise of the bus.

use std::sync::Arc;

use oxwhisk_bus::MessageBus;
use oxwhisk_bus::conformance::BusUnderTest;
use oxwhisk_bus::embedded::{EmbeddedBus, EmbeddedConfig};
use oxwhisk_store::ActivationStore;
use oxwhisk_store::conformance::activations::record;
use oxwhisk_store::embedded::EmbeddedStore;

use super::*;

const BOUND: usize = 8;

#[derive(Debug)]
struct OnStore(EmbeddedStore);

#[async_trait]
impl BusUnderTest for OnStore {
    async fn start_process(&self) -> Box<dyn MessageBus> {
        let config = EmbeddedConfig {
            activations: BOUND,
            ..EmbeddedConfig::default()
        };
        let journal = Arc::new(StoreJournal(self.0.journal()));
        Box::new(EmbeddedBus::open(config, journal).await.unwrap())
    }

    async fn store_record(&self, id: ActivationId) {
        let mut record = record("hello", 1, 0);
        record.activation_id = id;
        self.0.store(Arc::new(record)).await.unwrap();
    }

    fn bound(&self) -> Option<usize> {
        Some(BOUND)
    }
}

oxwhisk_bus::conformance_suite!(on_store, OnStore(EmbeddedStore::in_temp_dir().unwrap()));
