//! What is done for one activation in its container: initialise, run, acknowledge, collect the log.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use oxwhisk_bus::Acknowledgement;
use oxwhisk_container::{Container, ContainerError, LogOutcome, Logs};
use oxwhisk_entity::{
    ActivationResponse, ByteSize, RecordDurability, ResponseStatus, WhiskActivation,
};
use tokio::sync::mpsc;

use crate::caught::caught;
use crate::container_task::{Mail, Notice};
use crate::context::Context;
use crate::executable::{Executable, FetchError};
use crate::finish::finish;
use crate::job::ReadyJob;
use crate::log_lines::{self, Ending};
use crate::machine::RunId;
use crate::outcome::{self, Measured, Outcome};
use crate::pool::{ContainerKey, PoolEvent};
use crate::record::{Interval, Timing};
use crate::{bounds, messages, record, request, resolver};

/// How long the end of the log is waited for after a developer error that the runtime itself reported.
const LOG_WAIT_AFTER_ERROR: Duration = Duration::from_millis(100);

/// How often an action that is overwritten again and again is looked for before it counts as removed.
const REFETCHES: u32 = 10;

/// The container of an activation, and what the two owe each other.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) context: Arc<Context>,
    pub(crate) container: Arc<dyn Container>,
    /// Set before the container is destroyed by force.
    pub(crate) killed: Arc<AtomicBool>,
    pub(crate) report: Report,
}

/// What became of a run, as the container's task must know it. Exactly one is sent for each step of an
/// activation; if its task dies, the container counts as spoilt.
#[derive(Debug)]
pub(crate) struct Report {
    run: RunId,
    mailbox: mpsc::Sender<Mail>,
    notices: mpsc::Sender<Notice>,
    container: ContainerKey,
    began: Instant,
    is_sent: bool,
}

impl Report {
    pub(crate) fn new(
        run: RunId,
        mailbox: mpsc::Sender<Mail>,
        notices: mpsc::Sender<Notice>,
        container: ContainerKey,
        began: Instant,
    ) -> Self {
        Self {
            run,
            mailbox,
            notices,
            container,
            began,
            is_sent: false,
        }
    }

    /// Tells that the action has answered and the end of its log is waited for.
    async fn answered(&self) {
        let container = self.container;
        let answered = PoolEvent::Answered { container };
        // Without an invoker there is nobody to tell.
        let _ = self.notices.send(Notice::Pool(answered)).await;
    }

    async fn send(&mut self, mail: Mail) {
        self.is_sent = true;
        // The container's task waits for its activations before it goes, so it is there.
        let _ = self.mailbox.send(mail).await;
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if !self.is_sent {
            tracing::error!(run = self.run.0, "task of an activation died");
            let _ = self.mailbox.try_send(Mail::Died(self.run));
        }
    }
}

/// Initialises the container for an activation.
pub(crate) async fn initialize(mut place: Place, mut ready: ReadyJob) {
    let context = place.context.clone();
    if !ready.job.begin(&context).await {
        return place.report.send(Mail::Abandoned(ready.job.run)).await;
    }
    let code = match ready.action.quoted_code(&*context.artifacts).await {
        Ok(code) => code,
        // The code is replaced together with its document: look for the new one.
        Err(FetchError::Removed) if ready.job.refetches < REFETCHES => {
            return place.report.send(Mail::Stale(Box::new(ready))).await;
        }
        Err(error) => {
            return conclude(place, ready, resolver::response_to(error), LogWait::None).await;
        }
    };
    let start_ms = context.clock.epoch_ms();
    let time_limit_ms = ready.action.time_limit_ms();
    let deadline_ms = start_ms.saturating_add(time_limit_ms);
    let (message, action) = (&ready.job.message, &ready.action);
    let body = request::init_body(message, action, code.as_deref(), deadline_ms);
    drop(code);
    let began = context.clock.now();
    let time_limit = Duration::from_millis(time_limit_ms);
    let limit = context.config.response;
    let answer = caught(place.container.init(body, time_limit, limit))
        .await
        .unwrap_or(Err(ContainerError::PlatformLost));
    let took = context.clock.now().saturating_duration_since(began);
    ready.job.timing.init = Some(Interval { start_ms, took });
    let wait = LogWait::after(&answer);
    match outcome::of_init(
        place.attribute(answer),
        measured(&context, &ready.action, took),
    ) {
        Outcome::Initialized => {
            let ready = Box::new(ready);
            place.report.send(Mail::Initialized { ready, took }).await;
        }
        Outcome::Reschedule => {
            ready.job.timing = Timing::default();
            place.report.send(Mail::Reschedule(Box::new(ready))).await;
        }
        Outcome::Over {
            response,
            timed_out,
        } => {
            ready.job.timing.timed_out = timed_out;
            let response = place.or_interrupted(response);
            conclude(place, ready, response, wait).await;
        }
    }
}

/// Runs an activation in a container that is initialised.
pub(crate) async fn run(mut place: Place, mut ready: ReadyJob) {
    let context = place.context.clone();
    if !ready.job.begin(&context).await {
        return place.report.send(Mail::Abandoned(ready.job.run)).await;
    }
    let start_ms = context.clock.epoch_ms();
    let time_limit_ms = ready.action.time_limit_ms();
    let deadline_ms = start_ms.saturating_add(time_limit_ms);
    let body: Bytes = request::run_body(&ready.job.message, &ready.action, deadline_ms);
    let began = context.clock.now();
    let time_limit = Duration::from_millis(time_limit_ms);
    let limit = bounds::of_response(context.config.response, &ready.job.message.user.limits);
    let id = ready.job.message.activation_id;
    let answer = caught(place.container.run(id, body, time_limit, limit))
        .await
        .unwrap_or(Err(ContainerError::PlatformLost));
    let took = context.clock.now().saturating_duration_since(began);
    ready.job.timing.run = Some(Interval { start_ms, took });
    let wait = LogWait::after(&answer);
    match outcome::of_run(
        place.attribute(answer),
        Measured {
            max: limit.max,
            ..measured(&context, &ready.action, took)
        },
    ) {
        Outcome::Over {
            response,
            timed_out,
        } => {
            ready.job.timing.timed_out = timed_out;
            let response = place.or_interrupted(response);
            conclude(place, ready, response, wait).await;
        }
        // A run never ends in `Initialized`.
        Outcome::Reschedule | Outcome::Initialized => {
            ready.job.timing = Timing::default();
            place.report.send(Mail::Reschedule(Box::new(ready))).await;
        }
    }
}

fn measured(context: &Context, action: &Executable, took: Duration) -> Measured {
    Measured {
        took,
        time_limit_ms: action.time_limit_ms(),
        max: context.config.response.max,
    }
}

impl Place {
    /// A container that we killed ourselves did not refuse: what ran in it is lost with it.
    fn attribute<T>(&self, answer: Result<T, ContainerError>) -> Result<T, ContainerError> {
        match answer {
            Err(ContainerError::Unhealthy) if self.killed.load(Ordering::Relaxed) => {
                Err(ContainerError::ConnectionLost)
            }
            answer => answer,
        }
    }

    /// The fault of an activation whose container we killed is ours.
    fn or_interrupted(&self, response: ActivationResponse) -> ActivationResponse {
        let is_lost = response.status == ResponseStatus::DeveloperError && response.size.is_none();
        if is_lost && self.killed.load(Ordering::Relaxed) {
            outcome::whisk_error(messages::INTERRUPTED)
        } else {
            response
        }
    }
}

/// How the end of a log is waited for.
#[derive(Debug, Clone, Copy)]
enum LogWait {
    /// There is nothing to read.
    None,
    /// The runtime may be dead.
    WhatIsThere,
    /// The runtime answered.
    ForEnd,
}

impl LogWait {
    fn after<T>(answer: &Result<T, ContainerError>) -> Self {
        match answer {
            Ok(_) => Self::ForEnd,
            Err(_) => Self::WhatIsThere,
        }
    }
}

/// Answers, collects the log, frees the container, and records the activation.
async fn conclude(
    mut place: Place,
    ready: ReadyJob,
    response: ActivationResponse,
    log_wait: LogWait,
) {
    let context = place.context.clone();
    let ReadyJob { job, action } = ready;
    let now_ms = context.clock.epoch_ms();
    let status = response.status;
    let record = record::of_run(&job.message, &action, response, &job.timing, now_ms);
    let mut record = Arc::new(record);
    if job.message.blocking && context.config.records.durability == RecordDurability::Group {
        let ack = Acknowledgement::Result(record.clone());
        let controller = &job.message.root_controller_index;
        context.acknowledge(controller, ack).await;
    }
    let (lines, log_is_whole) = collect(
        &place,
        &job.message.activation_id,
        &action,
        status,
        log_wait,
    )
    .await;
    let keeps = log_is_whole
        && matches!(
            status,
            ResponseStatus::Success | ResponseStatus::ApplicationError
        );
    let took = context
        .clock
        .now()
        .saturating_duration_since(place.report.began);
    let run = job.run;
    place.report.send(Mail::Ended { run, took, keeps }).await;
    drop(place);
    // The answer goes out and the container gets its next run before the record is written, for which nobody waits.
    tokio::task::yield_now().await;
    if !lines.is_empty() {
        let logs = lines;
        // Not a copy unless the controller still holds the record without logs.
        let without = Arc::unwrap_or_clone(record);
        record = Arc::new(WhiskActivation { logs, ..without });
    }
    finish(&context, job, record).await;
}

/// Returns the lines of the log, and whether the container may be trusted with another one.
async fn collect(
    place: &Place,
    id: &oxwhisk_entity::ActivationId,
    action: &Executable,
    status: ResponseStatus,
    log_wait: LogWait,
) -> (Vec<String>, bool) {
    let context = &place.context;
    let limit = ByteSize::mib(u64::try_from(action.limits.logs).unwrap_or(0));
    if matches!(log_wait, LogWait::None) {
        return (Vec::new(), true);
    }
    if limit == ByteSize::default() {
        // Nothing is kept, but what was printed must not turn up in a later log.
        let taken = caught(place.container.logs(*id, limit, Duration::ZERO)).await;
        return (Vec::new(), taken.is_ok());
    }
    let ending = match status {
        ResponseStatus::DeveloperError => Ending::DeveloperError,
        ResponseStatus::Success | ResponseStatus::ApplicationError | ResponseStatus::WhiskError => {
            Ending::Orderly
        }
    };
    let is_marked = context.has_marked_logs(&action.exec.kind);
    let wait = match (log_wait, ending) {
        (LogWait::None | LogWait::WhatIsThere, _) => Duration::ZERO,
        (LogWait::ForEnd, _) if !is_marked => Duration::ZERO,
        (LogWait::ForEnd, Ending::Orderly) => context.config.log_wait,
        (LogWait::ForEnd, Ending::DeveloperError) => {
            LOG_WAIT_AFTER_ERROR.min(context.config.log_wait)
        }
    };
    let mut reading = pin!(caught(place.container.logs(*id, limit, wait)));
    let logs = match poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await {
        Poll::Ready(logs) => logs,
        Poll::Pending => {
            place.report.answered().await;
            reading.await
        }
    };
    let is_readable = logs.is_ok();
    let mut logs = logs.unwrap_or(Logs {
        lines: Vec::new(),
        outcome: LogOutcome::Incomplete,
    });

    if wait.is_zero() && logs.outcome == LogOutcome::Incomplete {
        // No end was waited for, so none is missing.
        logs.outcome = LogOutcome::Complete;
    }
    let is_whole = is_readable && logs.outcome == LogOutcome::Complete;
    let lines = log_lines::format(logs, ending, limit, context.clock.epoch_ms()).await;
    (lines, is_whole)
}
