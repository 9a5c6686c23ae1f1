//! Whatever happens, each activation that was taken has one outcome, and nothing is left behind.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use oxwhisk_container::{ContainerError, CreateError, LogOutcome};
use oxwhisk_entity::{RecordKeeping, StoreLevel};
use proptest::prelude::*;

use crate::support::{ActionSpec, DeliveryEvent, Harness, MessageSpec, eventually, id, response};

/// What happens at random, one after the other.
#[derive(Debug, Clone, Copy)]
enum Move {
    Deliver { action: usize, blocking: bool },
    Update { action: usize },
    Pass { ms: u64 },
    FillStore(bool),
    FailStarts(bool),
}

const ACTIONS: [&str; 4] = ["guest/a", "guest/b", "guest/shared", "guest/large"];

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        10 => (0..ACTIONS.len(), any::<bool>())
            .prop_map(|(action, blocking)| Move::Deliver { action, blocking }),
        1 => (0..ACTIONS.len()).prop_map(|action| Move::Update { action }),
        4 => prop_oneof![Just(1), Just(50), Just(400), Just(10_000), Just(600_000)]
            .prop_map(|ms| Move::Pass { ms }),
        1 => any::<bool>().prop_map(Move::FillStore),
        1 => any::<bool>().prop_map(Move::FailStarts),
    ];
    prop::collection::vec(one, 1..60)
}

/// Gives each call a fate, the same ones for the same seed.
fn fates(seed: u64) -> impl Fn() -> u64 + Send + Sync {
    let state = AtomicU64::new(seed | 1);
    move || {
        let old = state
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |x| {
                Some(
                    x.wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407),
                )
            })
            .unwrap_or(0);
        (old >> 33) % 20
    }
}

fn unruly(it: &Harness, seed: u64) {
    let fate = fates(seed);
    it.factory.on_create(move |id, _| match fate() {
        0 => Err(CreateError::Step {
            id: id.clone(),
            step: "try".into(),
            source: std::io::Error::other("no"),
        }),
        _ => Ok(()),
    });
    let fate = fates(seed ^ 0x55);
    it.factory.on_init(move |_, _| match fate() {
        0 => response(502, r#"{"error":"init"}"#),
        1 => Err(ContainerError::ConnectionLost),
        2 => Err(ContainerError::Unhealthy),
        _ => response(200, "{}"),
    });
    let fate = fates(seed ^ 0xaa);
    it.factory.on_run(move |_, _| match fate() {
        0 => response(502, r#"{"error":"run"}"#),
        1 => Err(ContainerError::ConnectionLost),
        2 => Err(ContainerError::Unhealthy),
        3 => Err(ContainerError::MemoryExhausted),
        4 => response(503, ""),
        _ => response(200, r#"{"ok":true}"#),
    });
    if seed.is_multiple_of(5) {
        it.factory.on_logs(LogOutcome::Truncated, &["much"]);
    }
    if seed.is_multiple_of(3) {
        it.factory.fail_resumes();
    }
}

async fn live(seed: u64, moves: Vec<Move>) {
    let mut it = Harness::start_with(1024, |_| {}, r#"[{"initialCount":1,"memory":"256 MB"}]"#);
    let specs = [
        ActionSpec::new(ACTIONS[0]),
        ActionSpec::new(ACTIONS[1]),
        ActionSpec::new(ACTIONS[2]).memory(256, 3),
        ActionSpec::new(ACTIONS[3]).memory(512, 1),
    ];
    specs.iter().for_each(|spec| it.put(spec));
    unruly(&it, seed);
    let mut revisions = [1; ACTIONS.len()];
    let mut count = 0;
    for step in moves {
        match step {
            Move::Deliver { action, blocking } => {
                count += 1;
                let mut message = MessageSpec::new(count, ACTIONS[action]);
                message = message.revision(&revisions[action].to_string());
                message.message.blocking = blocking;
                it.deliver(message);
            }
            Move::Update { action } => {
                revisions[action] += 1;
                let revision = revisions[action].to_string();
                it.artifacts.put_action(&specs[action], &revision);
            }
            Move::Pass { ms } => it.pass(Duration::from_millis(ms)).await,
            Move::FillStore(full) => it.records.fill(full),
            Move::FailStarts(fail) => it.bus.fail_starts(fail),
        }
    }
    it.records.fill(false);
    it.bus.fail_starts(false);
    for _ in 0..40 {
        it.pass(Duration::from_secs(5)).await;
    }
    for number in 1..=count {
        assert!(
            it.records.find(id(number)).is_some(),
            "{number} has no record"
        );
        assert_eq!(it.bus.completions(id(number)), 1, "completions of {number}");
    }
    it.pass(Duration::from_secs(10)).await;
    it.pass(Duration::from_secs(600)).await;
    let status = it.status().await;
    assert!(
        status.containers.iter().all(|c| c.bound_to.is_none()),
        "{status:?}"
    );
    assert_eq!((status.waiting, status.stuck), (0, 0));
    it.ask_to_stop();
    let factory = it.factory.clone();
    it.stopped().await;
    assert_eq!(factory.created(), factory.destroyed());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_activation_has_one_outcome(seed in any::<u64>(), moves in moves()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(live(seed, moves));
    }
}

/// rest-api §15: what is not stored is taken off the bus without a record, and acknowledged all the same.
#[tokio::test]
async fn level_of_the_way_it_was_asked_for_decides_whether_a_record_is_stored() {
    let records = RecordKeeping {
        blocking: StoreLevel::Always,
        non_blocking: StoreLevel::FailuresNotApplicationErrors,
        ..RecordKeeping::default()
    };
    let it = Harness::start_with(512, |config| config.records = records, "[]");
    it.put(&ActionSpec::new("guest/a"));
    for (number, answer, blocking, is_stored) in [
        (1, (200, "{}"), true, true),
        (2, (200, "{}"), false, false),
        (3, (200, r#"{"error":1}"#), true, true),
        (4, (200, r#"{"error":1}"#), false, false),
        (5, (502, "{}"), false, true),
    ] {
        let (status, entity) = answer;
        it.factory.on_run(move |_, _| response(status, entity));
        let message = MessageSpec::new(number, "guest/a");
        it.deliver(if blocking {
            message.blocking()
        } else {
            message
        });
        eventually("it is complete", || it.bus.is_complete(id(number))).await;
        assert_eq!(it.records.find(id(number)).is_some(), is_stored, "{number}");
        let last = if is_stored {
            DeliveryEvent::Recorded
        } else {
            DeliveryEvent::Finished
        };
        assert_eq!(it.bus.events(id(number)).last(), Some(&last), "{number}");
    }
}
