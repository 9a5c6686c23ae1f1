//! What every kind of container promises, as functions to be run against each.
//!
//! The runtime behind the factory runs [`Behaviour`]s: JavaScript for real runtimes; a fake knows
//! them by their text. Each function gets a [`Subject`] and panics when a promise is broken.

mod life;
mod logs;
mod runs;

pub use life::*;
pub use logs::*;
pub use runs::*;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use oxwhisk_entity::{ActivationId, ByteSize};

use crate::{
    Container, ContainerError, ContainerFactory, ContainerSpec, Logs, Response, ResponseLimit,
};

/// What an action of the suite does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Behaviour {
    /// Returns its parameters.
    Echo,
    /// Cannot be initialised.
    Broken,
    /// Prints the parameter `text` on standard output, and `err` on standard error.
    Print,
    /// Returns `{"text": …}` with as many `x` as `length` says.
    Long,
    /// Ends its process.
    Exit,
    /// Never answers.
    Hang,
    /// Counts its runs: `{"count": …}`.
    Count,
    /// Returns its parameters after `ms` milliseconds.
    Wait,
}

impl Behaviour {
    /// All behaviours.
    pub const ALL: [Self; 8] = [
        Self::Echo,
        Self::Broken,
        Self::Print,
        Self::Long,
        Self::Exit,
        Self::Hang,
        Self::Count,
        Self::Wait,
    ];

    /// Returns the code of the action.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Echo => "function main(p) { return p }",
            Self::Broken => "function main(p) {",
            Self::Print => {
                "function main(p) { console.log(p.text); console.error('err'); return {} }"
            }
            Self::Long => "function main(p) { return { text: 'x'.repeat(p.length) } }",
            Self::Exit => "function main() { process.exit(1) }",
            Self::Hang => "function main() { while (true); }",
            Self::Count => "let count = 0; function main() { return { count: ++count } }",
            Self::Wait => {
                "function main(p) { return new Promise((done) => setTimeout(() => done(p), p.ms)) }"
            }
        }
    }
}

/// A factory under test and how to ask it for containers.
pub struct Subject {
    factory: Arc<dyn ContainerFactory>,
    spec: Box<dyn Fn(u64) -> ContainerSpec + Send + Sync>,
    next: AtomicU64,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("factory", &self.factory)
            .finish_non_exhaustive()
    }
}

/// Time that is always enough.
const LONG: Duration = Duration::from_secs(30);
const LIMIT: ResponseLimit = ResponseLimit {
    max: ByteSize::mib(1),
    truncation: ByteSize::mib(1),
};
const ID: u128 = 0xabc;

impl Subject {
    /// Wraps a factory; `spec` makes what to ask for from a number that is new each time.
    pub fn new(
        factory: Arc<dyn ContainerFactory>,
        spec: impl Fn(u64) -> ContainerSpec + Send + Sync + 'static,
    ) -> Self {
        Self {
            factory,
            spec: Box::new(spec),
            next: AtomicU64::new(0),
        }
    }

    /// Ends the factory; to be called after a function of the suite.
    pub async fn shutdown(&self) {
        self.factory.shutdown().await;
    }

    async fn create(&self, concurrency: u32) -> Arc<dyn Container> {
        let mut spec = (self.spec)(self.next.fetch_add(1, Ordering::Relaxed));
        spec.concurrency = concurrency;
        if concurrency > 1 {
            spec.environment
                .insert("__OW_ALLOW_CONCURRENT".to_owned(), "true".to_owned());
        }
        let created = self.factory.create(spec).await;
        assert!(created.is_ok(), "{created:?}");
        created.unwrap_or_else(|_| unreachable!())
    }

    async fn initialised(&self, behaviour: Behaviour) -> Arc<dyn Container> {
        let container = self.create(1).await;
        let answer = init(&*container, behaviour).await;
        assert!(
            answer.is_ok_and(|answer| answer.status == 200),
            "{behaviour:?} was not initialised"
        );
        container
    }
}

async fn init(container: &dyn Container, behaviour: Behaviour) -> Result<Response, ContainerError> {
    let code = serde_json::Value::from(behaviour.code());
    let body = format!(
        "{{\"value\":{{\"name\":\"a\",\"main\":\"main\",\"code\":{code},\"binary\":false}}}}"
    );
    container.init(Bytes::from(body), LONG, LIMIT).await
}

fn body(id: ActivationId, value: &str) -> Bytes {
    Bytes::from(format!("{{\"value\":{value},\"activation_id\":\"{id}\"}}"))
}

async fn run(container: &dyn Container, value: &str) -> Result<Response, ContainerError> {
    run_within(container, value, LONG, LIMIT).await
}

async fn run_within(
    container: &dyn Container,
    value: &str,
    timeout: Duration,
    limit: ResponseLimit,
) -> Result<Response, ContainerError> {
    let id = ActivationId::from(ID);
    container.run(id, body(id, value), timeout, limit).await
}

#[track_caller]
fn assert_answer(answer: &Result<Response, ContainerError>, entity: &str) {
    match answer {
        Ok(response) => assert_eq!(
            (response.status, &*response.entity, response.full_length),
            (200, entity.as_bytes(), None)
        ),
        Err(error) => assert!(entity.is_empty(), "no answer: {error}"),
    }
}

async fn logs(container: &dyn Container, limit: u64) -> Logs {
    container
        .logs(ActivationId::from(ID), ByteSize::bytes(limit), LONG)
        .await
}

/// Makes a module of tests, one for each promise. The expression makes a [`Subject`] and may await.
#[macro_export]
macro_rules! conformance_suite {
    ($module:ident, $subject:expr) => {
        $crate::conformance_suite!(@cases $module, $subject,
            initialised_container_answers_its_runs,
            failed_init_is_an_answer,
            long_answer_keeps_its_start,
            large_payload_arrives_whole,
            run_that_takes_too_long_times_out,
            ended_process_loses_the_connection,
            container_that_has_ended_is_lost_or_unhealthy,
            containers_share_nothing,
            state_stays_between_runs,
            overlapping_runs_get_their_own_answers,
            printed_lines_are_the_log,
            log_belongs_to_its_run,
            log_beyond_the_limit_is_truncated,
            log_of_limit_zero_is_empty,
            failed_init_has_an_end_of_log,
            paused_container_answers_after_it_was_resumed,
            paused_container_can_be_destroyed,
            destroying_twice_is_harmless,
        );
    };
    (@cases $module:ident, $subject:expr, $($case:ident,)*) => {
        mod $module {
            use super::*;
            $(
                #[tokio::test]
                async fn $case() {
                    let subject = $subject;
                    $crate::conformance::$case(&subject).await;
                    subject.shutdown().await;
                }
            )*
        }
    };
}
