use std::sync::Arc;
use std::time::{Duration, Instant};

use oxwhisk_bus::{BusError, InvokerId};
use oxwhisk_container::Runtime;
use oxwhisk_entity::{ActivationId, ByteSize, ExecManifest, WhiskActivation};
use oxwhisk_invoker::{Invoker, InvokerConfig, InvokerDeps, InvokerHandle, InvokerStatus};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{
    ActionSpec, FakeArtifacts, FakeBus, FakeFactory, FakeRecords, ManualClock, MessageSpec,
};

/// An invoker among stand-ins.
pub struct Harness {
    pub clock: Arc<ManualClock>,
    pub bus: Arc<FakeBus>,
    pub artifacts: Arc<FakeArtifacts>,
    pub records: Arc<FakeRecords>,
    pub factory: Arc<FakeFactory>,
    pub handle: InvokerHandle,
    shutdown: Option<oneshot::Sender<Duration>>,
    running: JoinHandle<Result<(), BusError>>,
}

impl Harness {
    /// Starts an invoker with memory for `memory_mb`.
    pub fn start(memory_mb: u64) -> Self {
        Self::start_with(memory_mb, |_| {}, "[]")
    }

    /// Starts an invoker with changed settings and `stem_cells` for `nodejs:20`.
    pub fn start_with(
        memory_mb: u64,
        change: impl FnOnce(&mut InvokerConfig),
        stem_cells: &str,
    ) -> Self {
        let mut config = InvokerConfig::new(InvokerId {
            instance: 0,
            unique_name: None,
            user_memory: format!("{} B", memory_mb * 1024 * 1024),
        });
        config.user_memory = ByteSize::mib(memory_mb);
        config.limits.concurrency.max = 100;
        change(&mut config);
        let manifest = format!(
            r#"{{"runtimes":{{"nodejs":[{{"kind":"nodejs:20","image":{{"name":"n"}},"stemCells":{stem_cells}}}]}}}}"#
        );
        let runtime = Runtime {
            kind: "nodejs:20".to_owned(),
            command: vec!["/usr/bin/node".to_owned()],
            readable: Vec::new(),
            environment: Vec::new(),
        };
        let clock = Arc::new(ManualClock::new());
        let bus = Arc::new(FakeBus::new());
        let artifacts = Arc::new(FakeArtifacts::default());
        let records = Arc::new(FakeRecords::default());
        let factory = FakeFactory::new();
        let (invoker, handle) = Invoker::new(
            config,
            InvokerDeps {
                bus: bus.clone(),
                artifacts: artifacts.clone(),
                activations: records.clone(),
                factory: factory.clone(),
                runtimes: vec![Arc::new(runtime)],
                manifest: Arc::new(ExecManifest::parse(manifest.as_bytes()).unwrap()),
                clock: clock.clone(),
            },
        );
        let (shutdown, stopped) = oneshot::channel();
        let running = tokio::spawn(invoker.run(async { stopped.await.unwrap_or(Duration::MAX) }));
        Self {
            clock,
            bus,
            artifacts,
            records,
            factory,
            handle,
            shutdown: Some(shutdown),
            running,
        }
    }

    pub fn put(&self, action: &ActionSpec) {
        self.artifacts.put_action(action, "1");
    }

    pub fn deliver(&self, message: MessageSpec) {
        self.bus.deliver(message.message);
    }

    /// Delivers an activation and waits until its slot is given back; returns its record.
    pub async fn invoke(&self, message: MessageSpec) -> Arc<WhiskActivation> {
        let id = message.message.activation_id;
        self.deliver(message);
        self.completed(id).await
    }

    pub async fn completed(&self, id: ActivationId) -> Arc<WhiskActivation> {
        eventually("the activation is complete", || self.bus.is_complete(id)).await;
        self.records.find(id).unwrap()
    }

    pub async fn status(&self) -> InvokerStatus {
        self.handle.status().await.unwrap()
    }

    /// Waits until the status is as wanted.
    #[track_caller]
    pub fn until_status(
        &self,
        what: &'static str,
        holds: impl Fn(&InvokerStatus) -> bool,
    ) -> impl Future<Output = InvokerStatus> {
        let deadline = Instant::now() + DEADLINE;
        async move {
            loop {
                let status = self.status().await;
                if holds(&status) {
                    return status;
                }
                assert!(Instant::now() < deadline, "not in time: {what}: {status:?}");
                tokio::task::yield_now().await;
            }
        }
    }

    /// Lets time pass, and all that it sets off happen.
    pub async fn pass(&self, time: Duration) {
        settle().await;
        self.clock.advance(time);
        settle().await;
    }

    pub fn ask_to_stop(&mut self) {
        drop(self.shutdown.take());
    }

    /// Asks to stop, with so much time for what runs.
    pub fn ask_to_stop_within(&mut self, grace: Duration) {
        if let Some(shutdown) = self.shutdown.take() {
            shutdown.send(grace).unwrap();
        }
    }

    pub async fn stopped(self) {
        let ended = tokio::time::timeout(DEADLINE, self.running).await;
        ended.expect("stops in time").unwrap().unwrap();
    }
}

const DEADLINE: Duration = Duration::from_secs(10);

/// Waits for a condition.
#[track_caller]
pub fn eventually(what: &'static str, holds: impl Fn() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    let deadline = Instant::now() + DEADLINE;
    async move {
        while !holds() {
            assert!(Instant::now() < deadline, "{caller}: not in time: {what}");
            tokio::task::yield_now().await;
        }
    }
}

/// Lets everything happen that can happen without time passing. Holds on a runtime with one thread.
pub async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}
