use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use oxwhisk_container::{
    Container, ContainerError, ContainerFactory, ContainerId, ContainerSpec, CreateError, LogLine,
    LogOutcome, Logs, Response, ResponseLimit, Stream,
};
use oxwhisk_entity::{ActivationId, ByteSize};
use tokio::sync::Semaphore;

/// What happened to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerEvent {
    Created,
    Init(String),
    Run(ActivationId, String),
    Answered(ActivationId),
    Paused,
    Resumed,
    Destroyed,
}

type Answer<T> = Arc<dyn Fn(&ContainerId, &str) -> T + Send + Sync>;

/// What the containers of a factory do; tests replace parts.
struct Behaviour {
    create: Answer<Result<(), CreateError>>,
    init: Answer<Result<Response, ContainerError>>,
    run: Answer<Result<Response, ContainerError>>,
    logs: Answer<Logs>,
    resume_fails: bool,
    destroy_panics: bool,
}

/// Lets callers pass, all or one at a time.
#[derive(Debug)]
pub struct Gate {
    is_held: Mutex<bool>,
    permits: Semaphore,
}

impl Gate {
    pub fn new() -> Self {
        Self {
            is_held: Mutex::new(false),
            permits: Semaphore::new(0),
        }
    }

    pub fn hold(&self) {
        *self.is_held.lock().unwrap() = true;
    }

    pub fn release(&self, count: usize) {
        self.permits.add_permits(count);
    }

    pub async fn pass(&self) {
        if *self.is_held.lock().unwrap() {
            self.permits.acquire().await.unwrap().forget();
        }
    }
}

type Journal = Arc<Mutex<Vec<(ContainerId, ContainerEvent)>>>;

/// Makes containers that answer as told, and checks that they are used as the seam demands.
pub struct FakeFactory {
    behaviour: Mutex<Behaviour>,
    pub creations: Gate,
    pub inits: Gate,
    pub runs: Gate,
    journal: Journal,
    this: std::sync::Weak<Self>,
}

impl std::fmt::Debug for FakeFactory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FakeFactory")
    }
}

pub fn response(status: u16, entity: &str) -> Result<Response, ContainerError> {
    Ok(Response {
        status,
        entity: Bytes::copy_from_slice(entity.as_bytes()),
        full_length: None,
    })
}

pub fn line(text: &str) -> LogLine {
    LogLine {
        time: UNIX_EPOCH,
        stream: Stream::Stdout,
        text: text.to_owned(),
    }
}

impl FakeFactory {
    pub fn new() -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            behaviour: Mutex::new(Behaviour {
                create: Arc::new(|_, _| Ok(())),
                init: Arc::new(|_, _| response(200, r#"{"OK":true}"#)),
                run: Arc::new(|_, _| response(200, r#"{"ok":true}"#)),
                logs: Arc::new(|_, _| Logs {
                    lines: vec![line("hello")],
                    outcome: LogOutcome::Complete,
                }),
                resume_fails: false,
                destroy_panics: false,
            }),
            creations: Gate::new(),
            inits: Gate::new(),
            runs: Gate::new(),
            journal: Journal::default(),
            this: this.clone(),
        })
    }

    pub fn on_create(
        &self,
        answer: impl Fn(&ContainerId, &str) -> Result<(), CreateError> + Send + Sync + 'static,
    ) {
        self.behaviour.lock().unwrap().create = Arc::new(answer);
    }

    pub fn on_init(
        &self,
        answer: impl Fn(&ContainerId, &str) -> Result<Response, ContainerError> + Send + Sync + 'static,
    ) {
        self.behaviour.lock().unwrap().init = Arc::new(answer);
    }

    pub fn on_run(
        &self,
        answer: impl Fn(&ContainerId, &str) -> Result<Response, ContainerError> + Send + Sync + 'static,
    ) {
        self.behaviour.lock().unwrap().run = Arc::new(answer);
    }

    pub fn on_logs(&self, outcome: LogOutcome, lines: &'static [&'static str]) {
        self.behaviour.lock().unwrap().logs = Arc::new(move |_, _| Logs {
            lines: lines.iter().map(|text| line(text)).collect(),
            outcome,
        });
    }

    pub fn on_any_logs(&self, answer: impl Fn(&ContainerId, &str) -> Logs + Send + Sync + 'static) {
        self.behaviour.lock().unwrap().logs = Arc::new(answer);
    }

    /// The task that ends a container dies.
    pub fn panic_in_destroy(&self, panics: bool) {
        self.behaviour.lock().unwrap().destroy_panics = panics;
    }

    pub fn fail_resumes(&self) {
        self.behaviour.lock().unwrap().resume_fails = true;
    }

    pub fn journal(&self) -> Vec<(ContainerId, ContainerEvent)> {
        self.journal.lock().unwrap().clone()
    }

    pub fn count(&self, matches: impl Fn(&ContainerEvent) -> bool) -> usize {
        self.journal().iter().filter(|(_, e)| matches(e)).count()
    }

    pub fn created(&self) -> usize {
        self.count(|e| matches!(e, ContainerEvent::Created))
    }

    pub fn destroyed(&self) -> usize {
        self.count(|e| matches!(e, ContainerEvent::Destroyed))
    }

    /// Returns the containers in which activations ran, in the order of the runs.
    pub fn runs_by_container(&self) -> Vec<(ActivationId, ContainerId)> {
        let runs = self.journal();
        runs.into_iter()
            .filter_map(|(container, event)| match event {
                ContainerEvent::Run(id, _) => Some((id, container)),
                _ => None,
            })
            .collect()
    }

    /// Returns the bodies of the initialisations.
    pub fn init_bodies(&self) -> Vec<String> {
        let events = self.journal();
        events
            .into_iter()
            .filter_map(|(_, event)| match event {
                ContainerEvent::Init(body) => Some(body),
                _ => None,
            })
            .collect()
    }

    pub fn run_body(&self, id: ActivationId) -> String {
        let found = self
            .journal()
            .into_iter()
            .find_map(|(_, event)| match event {
                ContainerEvent::Run(run, body) if run == id => Some(body),
                _ => None,
            });
        found.unwrap()
    }
}

#[async_trait]
impl ContainerFactory for FakeFactory {
    async fn create(&self, spec: ContainerSpec) -> Result<Arc<dyn Container>, CreateError> {
        self.creations.pass().await;
        let answer = self.behaviour.lock().unwrap().create.clone();
        answer(&spec.id, &spec.runtime.kind)?;
        let container = FakeContainer {
            spec,
            factory: self.this.upgrade().unwrap(),
            state: Mutex::default(),
        };
        container.note(ContainerEvent::Created);
        Ok(Arc::new(container))
    }

    async fn shutdown(&self) {}
}

#[derive(Debug, Default)]
struct State {
    inits: u32,
    is_ready: bool,
    running: u32,
    is_paused: bool,
    is_destroyed: bool,
}

#[derive(Debug)]
struct FakeContainer {
    spec: ContainerSpec,
    factory: Arc<FakeFactory>,
    state: Mutex<State>,
}

impl FakeContainer {
    fn note(&self, event: ContainerEvent) {
        let entry = (self.spec.id.clone(), event);
        self.factory.journal.lock().unwrap().push(entry);
    }

    /// Waits for the gate, or until the container is killed.
    async fn pass_alive(&self, gate: &Gate) -> Result<(), ContainerError> {
        let passed = gate.pass();
        tokio::pin!(passed);
        loop {
            tokio::select! {
                () = &mut passed => return Ok(()),
                () = tokio::task::yield_now() => {
                    if self.state.lock().unwrap().is_destroyed {
                        return Err(ContainerError::ConnectionLost);
                    }
                }
            }
        }
    }
}

#[async_trait]
impl Container for FakeContainer {
    fn id(&self) -> &ContainerId {
        &self.spec.id
    }

    async fn init(
        &self,
        body: Bytes,
        _: Duration,
        _: ResponseLimit,
    ) -> Result<Response, ContainerError> {
        let body = String::from_utf8(body.to_vec()).unwrap();
        self.note(ContainerEvent::Init(body.clone()));
        {
            let mut state = self.state.lock().unwrap();
            state.inits += 1;
            assert_eq!(state.inits, 1, "initialised once");
            assert!(!state.is_paused && !state.is_destroyed);
        }
        self.pass_alive(&self.factory.inits).await?;
        let answer = self.factory.behaviour.lock().unwrap().init.clone();
        let answer = answer(&self.spec.id, &body);
        let is_ready = matches!(&answer, Ok(response) if response.status == 200);
        self.state.lock().unwrap().is_ready = is_ready;
        answer
    }

    async fn run(
        &self,
        id: ActivationId,
        body: Bytes,
        _: Duration,
        _: ResponseLimit,
    ) -> Result<Response, ContainerError> {
        let body = String::from_utf8(body.to_vec()).unwrap();
        self.note(ContainerEvent::Run(id, body.clone()));
        {
            let mut state = self.state.lock().unwrap();
            if state.is_destroyed {
                return Err(ContainerError::Unhealthy);
            }
            state.running += 1;
            assert!(state.is_ready, "runs after its initialisation");
            assert!(!state.is_paused, "does not run while paused");
            assert!(state.running <= self.spec.concurrency, "too many runs");
        }
        let passed = self.pass_alive(&self.factory.runs).await;
        self.state.lock().unwrap().running -= 1;
        passed?;
        self.note(ContainerEvent::Answered(id));
        let answer = self.factory.behaviour.lock().unwrap().run.clone();
        answer(&self.spec.id, &body)
    }

    async fn logs(&self, _: ActivationId, limit: ByteSize, _: Duration) -> Logs {
        if limit == ByteSize::default() {
            return Logs {
                lines: Vec::new(),
                outcome: LogOutcome::Truncated,
            };
        }
        let answer = self.factory.behaviour.lock().unwrap().logs.clone();
        answer(&self.spec.id, "")
    }

    async fn pause(&self) -> Result<(), ContainerError> {
        let mut state = self.state.lock().unwrap();
        assert_eq!(state.running, 0, "pauses only when idle");
        state.is_paused = true;
        drop(state);
        self.note(ContainerEvent::Paused);
        Ok(())
    }

    async fn resume(&self) -> Result<(), ContainerError> {
        if self.factory.behaviour.lock().unwrap().resume_fails {
            return Err(ContainerError::State {
                id: self.spec.id.clone(),
                source: std::io::Error::other("no"),
            });
        }
        self.state.lock().unwrap().is_paused = false;
        self.note(ContainerEvent::Resumed);
        Ok(())
    }

    // Written out so that it can panic before there is a future.
    fn destroy<'life0, 'async_trait>(
        &'life0 self,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        let panics = self.factory.behaviour.lock().unwrap().destroy_panics;
        assert!(!panics, "the backend is broken");
        let mut state = self.state.lock().unwrap();
        if !state.is_destroyed {
            state.is_destroyed = true;
            drop(state);
            self.note(ContainerEvent::Destroyed);
        }
        Box::pin(std::future::ready(()))
    }
}
