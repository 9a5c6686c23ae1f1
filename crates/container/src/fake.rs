//! For tests: containers in memory that know the [`Behaviour`]s of the conformance suite.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use oxwhisk_entity::{ActivationId, ByteSize};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::conformance::Behaviour;
use crate::log_buffer::LogBuffer;
use crate::{
    Container, ContainerError, ContainerFactory, ContainerId, ContainerSpec, CreateError,
    LogOutcome, Logs, Response, ResponseLimit, Stream,
};

type Script = Arc<dyn Fn(&Value) -> (u16, Value) + Send + Sync>;

/// Makes containers in memory.
///
/// An action's code is the text of a [`Behaviour`], or a text for which [`FakeContainerFactory::script`]
/// has said what it answers; anything else echoes.
#[derive(Default)]
pub struct FakeContainerFactory {
    scripts: Arc<Mutex<HashMap<String, Script>>>,
    refused: AtomicBool,
    alive: Arc<AtomicU64>,
}

impl std::fmt::Debug for FakeContainerFactory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeContainerFactory")
            .field("alive", &self.alive())
            .finish_non_exhaustive()
    }
}

impl FakeContainerFactory {
    /// Says what an action with this code answers to its parameters: a status and a JSON value.
    pub fn script(
        &self,
        code: &str,
        answer: impl Fn(&Value) -> (u16, Value) + Send + Sync + 'static,
    ) {
        lock(&self.scripts).insert(code.to_owned(), Arc::new(answer));
    }

    /// Lets all creations fail from now on, or succeed again.
    pub fn refuse(&self, refused: bool) {
        self.refused.store(refused, Ordering::SeqCst);
    }

    /// Returns how many containers have not been destroyed.
    #[must_use]
    pub fn alive(&self) -> u64 {
        self.alive.load(Ordering::SeqCst)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl ContainerFactory for FakeContainerFactory {
    async fn create(&self, spec: ContainerSpec) -> Result<Arc<dyn Container>, CreateError> {
        if self.refused.load(Ordering::SeqCst) {
            let source = std::io::ErrorKind::PermissionDenied.into();
            return Err(CreateError::Step {
                id: spec.id,
                step: "create the namespaces".into(),
                source,
            });
        }
        self.alive.fetch_add(1, Ordering::SeqCst);
        Ok(Arc::new(FakeContainer {
            id: spec.id,
            scripts: self.scripts.clone(),
            alive: self.alive.clone(),
            is_alive: AtomicBool::new(true),
            ended: Notify::new(),
            state: Mutex::new(State {
                code: String::new(),
                count: 0,
                log: LogBuffer::new(ByteSize::mib(10)),
            }),
        }))
    }

    async fn shutdown(&self) {}
}

struct FakeContainer {
    id: ContainerId,
    scripts: Arc<Mutex<HashMap<String, Script>>>,
    alive: Arc<AtomicU64>,
    is_alive: AtomicBool,
    ended: Notify,
    /// A std lock: never held across an await.
    state: Mutex<State>,
}

struct State {
    code: String,
    count: u64,
    log: LogBuffer,
}

impl std::fmt::Debug for FakeContainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeContainer")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl FakeContainer {
    fn print(&self, stream: Stream, text: &str) {
        lock(&self.state)
            .log
            .feed(stream, format!("{text}\n").as_bytes(), SystemTime::now());
    }

    fn end_logs(&self) {
        let sentinel = String::from_utf8_lossy(crate::log_buffer::SENTINEL);
        self.print(Stream::Stdout, &sentinel);
        self.print(Stream::Stderr, &sentinel);
    }

    fn end(&self) {
        if self.is_alive.swap(false, Ordering::SeqCst) {
            self.alive.fetch_sub(1, Ordering::SeqCst);
            self.ended.notify_waiters();
        }
    }

    async fn answer(&self, value: Value) -> Option<(u16, Value)> {
        let code = lock(&self.state).code.clone();
        let script = lock(&self.scripts).get(&code).cloned();
        if let Some(script) = script {
            return Some(script(&value));
        }
        let number = |name: &str| value.get(name).and_then(Value::as_u64).unwrap_or(0);
        let answer = match Behaviour::ALL
            .into_iter()
            .find(|known| known.code() == code)
        {
            None | Some(Behaviour::Echo | Behaviour::Broken) => value,
            Some(Behaviour::Print) => {
                self.print(
                    Stream::Stdout,
                    value
                        .get("text")
                        .and_then(Value::as_str)
                        .unwrap_or_default(),
                );
                self.print(Stream::Stderr, "err");
                json!({})
            }
            Some(Behaviour::Long) => {
                json!({ "text": "x".repeat(usize::try_from(number("length")).unwrap_or(0)) })
            }
            Some(Behaviour::Exit) => {
                self.end();
                return None;
            }
            Some(Behaviour::Hang) => std::future::pending().await,
            Some(Behaviour::Count) => {
                let mut state = lock(&self.state);
                state.count += 1;
                json!({ "count": state.count })
            }
            Some(Behaviour::Wait) => {
                tokio::time::sleep(Duration::from_millis(number("ms"))).await;
                value
            }
        };
        Some((200, answer))
    }
}

fn response(status: u16, value: &Value, limit: ResponseLimit) -> Response {
    let entity = Bytes::from(value.to_string());
    let length = entity.len() as u64;
    let is_long = length > limit.max.as_bytes();
    let kept = if is_long {
        length.min(limit.truncation.as_bytes())
    } else {
        length
    };
    let entity = entity.slice(..usize::try_from(kept).unwrap_or(0));
    Response {
        status,
        entity,
        full_length: is_long.then_some(length),
    }
}

fn value_of(body: &[u8]) -> Value {
    let message: Value = serde_json::from_slice(body).unwrap_or_default();
    message.get("value").cloned().unwrap_or_default()
}

#[async_trait]
impl Container for FakeContainer {
    fn id(&self) -> &ContainerId {
        &self.id
    }

    async fn init(
        &self,
        body: Bytes,
        _: Duration,
        limit: ResponseLimit,
    ) -> Result<Response, ContainerError> {
        if !self.is_alive.load(Ordering::SeqCst) {
            return Err(ContainerError::Unhealthy);
        }
        let code = value_of(&body)
            .get("code")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        if code == Behaviour::Broken.code() {
            self.end_logs();
            return Ok(response(502, &json!({ "error": "syntax" }), limit));
        }
        lock(&self.state).code = code;
        Ok(response(200, &json!({ "OK": true }), limit))
    }

    async fn run(
        &self,
        _: ActivationId,
        body: Bytes,
        timeout: Duration,
        limit: ResponseLimit,
    ) -> Result<Response, ContainerError> {
        let ended = self.ended.notified();
        if !self.is_alive.load(Ordering::SeqCst) {
            return Err(ContainerError::Unhealthy);
        }
        let answer = async {
            tokio::select! {
                answer = self.answer(value_of(&body)) => answer,
                () = ended => None,
            }
        };
        match tokio::time::timeout(timeout, answer).await {
            Err(_) => Err(ContainerError::Timeout),
            Ok(None) => Err(ContainerError::ConnectionLost),
            Ok(Some((status, value))) => {
                self.end_logs();
                Ok(response(status, &value, limit))
            }
        }
    }

    async fn logs(&self, _: ActivationId, limit: ByteSize, wait: Duration) -> Logs {
        let missing = if wait.is_zero() {
            LogOutcome::Complete
        } else {
            LogOutcome::Incomplete
        };
        lock(&self.state).log.take(limit, missing)
    }

    async fn pause(&self) -> Result<(), ContainerError> {
        Ok(())
    }

    async fn resume(&self) -> Result<(), ContainerError> {
        Ok(())
    }

    async fn destroy(&self) {
        self.end();
    }
}

impl Drop for FakeContainer {
    fn drop(&mut self) {
        self.end();
    }
}
