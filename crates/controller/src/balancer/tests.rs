use std::sync::atomic::{AtomicU64, Ordering};

use oxwhisk_bus::embedded::{EmbeddedBus, EmbeddedConfig, MemoryJournal};
use oxwhisk_bus::{ControllerId, TransactionId};
use oxwhisk_entity::{FullyQualifiedName, Identity, Json};
use serde_json::json;

use super::*;

const MINUTE_MS: u64 = 60_000;

#[derive(Debug, Default)]
struct ManualClock(AtomicU64);

impl Clock for ManualClock {
    fn epoch_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

fn message() -> ActivationMessage {
    let user = json!({
        "subject": "guest",
        "namespace": {"name": "guest", "uuid": "u"},
        "authkey": {"api_key": "u:k"},
        "rights": [],
        "limits": {},
    });
    ActivationMessage {
        transid: TransactionId {
            id: "t".into(),
            start_ms: 0,
        },
        action: FullyQualifiedName::parse("guest/a").unwrap(),
        revision: None,
        user: Arc::new(serde_json::from_value::<Identity>(user).unwrap()),
        activation_id: ActivationId::new(0, 1),
        root_controller_index: ControllerId("0".into()),
        blocking: false,
        content: None,
        init_args: Vec::new(),
        locked_args: Json::empty_object(),
        cause: None,
    }
}

/// invocation §12: an activation that nobody completes frees its place after twice its time limit, at least a minute,
/// and a minute more.
#[tokio::test]
async fn a_lost_activation_frees_its_place_in_the_end() {
    for (timeout_ms, held_ms) in [(100, 3 * MINUTE_MS), (5 * MINUTE_MS, 11 * MINUTE_MS)] {
        let journal = Arc::new(MemoryJournal::default());
        let bus = EmbeddedBus::open(EmbeddedConfig::default(), journal).await;
        let invoker = InvokerId {
            instance: 0,
            unique_name: None,
            user_memory: "1 B".to_owned(),
        };
        let clock = Arc::new(ManualClock::default());
        let time = Arc::<ManualClock>::clone(&clock);
        let balancer = LoadBalancer::new(Arc::new(bus.unwrap()), invoker, time);
        let timeout = Duration::from_millis(timeout_ms);
        balancer
            .publish(message(), timeout, Durability::Volatile)
            .await
            .unwrap();
        clock.0.store(held_ms, Ordering::SeqCst);
        balancer.give_up_stuck();
        assert_eq!(balancer.in_flight("u"), 1);
        clock.0.store(held_ms + 1, Ordering::SeqCst);
        balancer.give_up_stuck();
        assert_eq!((balancer.in_flight("u"), balancer.total()), (0, 0));
    }
}
