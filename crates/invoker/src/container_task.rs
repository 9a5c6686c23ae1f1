//! One task for each container: it owns the state machine and performs its effects.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{Duration, Instant};

use oxwhisk_container::{Container, ContainerId, ContainerSpec, CreateError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::activation::{self, Place, Report};
use crate::caught::{Panicked, caught};
use crate::context::Context;
use crate::job::ReadyJob;
use crate::machine::{Effect, Event, RunId, State, StateName, Timer, step};
use crate::pool::{ContainerKey, PoolEvent};
use crate::record::Timing;

/// What a container's task is told, by the invoker and by the activations in the container.
#[derive(Debug)]
pub(crate) enum Mail {
    /// Run this.
    Run(Box<ReadyJob>),
    /// Go once the runs have ended.
    Remove,
    /// Go at once.
    Kill,
    /// The container is initialised.
    Initialized {
        ready: Box<ReadyJob>,
        took: Duration,
    },
    /// A run, or a failed initialisation, is over and its log collected.
    Ended {
        run: RunId,
        /// How long it held its slot.
        took: Duration,
        /// Whether the container may go on.
        keeps: bool,
    },
    /// The container did not take the activation.
    Reschedule(Box<ReadyJob>),
    /// The code of the action is not there any more.
    Stale(Box<ReadyJob>),
    /// The activation was given up before it began: it stays on the bus, or its sender took it back.
    Abandoned(RunId),
    /// The activation's task died.
    Died(RunId),
}

/// What a container's task tells the invoker.
#[derive(Debug)]
pub(crate) enum Notice {
    /// Something for the pool's books.
    Pool(PoolEvent),
    /// The container could not be made.
    CreateFailed(ContainerKey, CreateError),
    /// The container was closing when this came.
    Returned(Box<ReadyJob>),
    /// The container refused this.
    Rescheduled(Box<ReadyJob>),
    /// This needs a newer state of its action.
    Stale(Box<ReadyJob>),
}

/// The state of a container, for those who watch.
#[derive(Debug, Clone, Default)]
pub(crate) struct StateCell(Arc<AtomicU8>);

impl StateCell {
    pub(crate) fn get(&self) -> StateName {
        let index = usize::from(self.0.load(Ordering::Relaxed));
        *StateName::ALL.get(index).unwrap_or(&StateName::Removing)
    }

    fn set(&self, name: StateName) {
        self.0.store(name as u8, Ordering::Relaxed);
    }
}

type Creation = Pin<Box<dyn Future<Output = Result<Arc<dyn Container>, CreateError>> + Send>>;
pub(crate) type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(crate) struct ContainerTask {
    context: Arc<Context>,
    key: ContainerKey,
    id: ContainerId,
    limit: u32,
    state: State,
    cell: StateCell,
    mailbox: mpsc::Receiver<Mail>,
    /// Given to activations; keeps the mailbox open.
    sender: mpsc::Sender<Mail>,
    notices: mpsc::Sender<Notice>,
    creation: Option<(Creation, Instant)>,
    container: Option<Arc<dyn Container>>,
    killed: Arc<AtomicBool>,
    /// Sent here and not begun, or initialised and not begun.
    jobs: Vec<ReadyJob>,
    initializing: Option<RunId>,
    activations: JoinSet<()>,
    /// The timer that was armed last. One that is replaced is left to fire and then looked at.
    armed: Option<(Timer, Instant)>,
    sleep: Option<(Instant, Sleep)>,
    is_gone: bool,
}

/// What a container's task is made with.
pub(crate) struct ContainerParts {
    pub(crate) context: Arc<Context>,
    pub(crate) key: ContainerKey,
    pub(crate) id: ContainerId,
    pub(crate) limit: u32,
    /// `None` if no backend runs the kind.
    pub(crate) spec: Result<ContainerSpec, CreateError>,
    pub(crate) notices: mpsc::Sender<Notice>,
    pub(crate) cell: StateCell,
}

/// Returns the mailbox of a container and the future that is its life.
///
/// The future ends when nothing of the container is left and all activations that were in it are recorded.
pub(crate) fn container_task(
    parts: ContainerParts,
) -> (mpsc::Sender<Mail>, impl Future<Output = ()> + Send) {
    // Runs up to the limit, as many outcomes, and a few orders: never full.
    let capacity = 2 * parts.limit as usize + 8;
    let (sender, mailbox) = mpsc::channel(capacity);
    let context = parts.context.clone();
    let began = context.clock.now();
    let creation: Creation = match parts.spec {
        Ok(spec) => Box::pin(async move {
            let id = spec.id.clone();
            let created = caught(context.factory.create(spec)).await;
            created.unwrap_or_else(|panicked| Err(panicked_creation(id, panicked)))
        }),
        Err(error) => Box::pin(std::future::ready(Err(error))),
    };
    let task = ContainerTask {
        context: parts.context,
        key: parts.key,
        id: parts.id,
        limit: parts.limit,
        state: State::Uninitialized,
        cell: parts.cell,
        mailbox,
        sender: sender.clone(),
        notices: parts.notices,
        creation: Some((creation, began)),
        container: None,
        killed: Arc::default(),
        jobs: Vec::new(),
        initializing: None,
        activations: JoinSet::new(),
        armed: None,
        sleep: None,
        is_gone: false,
    };
    (sender, task.live())
}

impl ContainerTask {
    async fn live(mut self) {
        if caught(self.work()).await.is_err() {
            self.wind_up().await;
        }
        self.mailbox.close();
        while let Ok(mail) = self.mailbox.try_recv() {
            if let Mail::Run(ready) = mail {
                self.notify(Notice::Returned(ready)).await;
            }
        }
        self.notify(Notice::Pool(PoolEvent::Gone {
            container: self.key,
        }))
        .await;
        while self.activations.join_next().await.is_some() {}
    }

    async fn work(&mut self) {
        self.apply(Event::Start).await;
        while !self.is_gone {
            // Cancelled branches lose nothing: the futures are kept in the task.
            tokio::select! {
                biased;
                Some(mail) = self.mailbox.recv() => self.receive(mail).await,
                made = created(&mut self.creation) => self.made(made).await,
                () = slept(&mut self.sleep) => self.woken().await,
                Some(_) = self.activations.join_next() => {}
            }
        }
    }

    /// Ends a container whose machine cannot go on: gives back what has not begun and lets what runs end. The
    /// container goes with its last handle.
    async fn wind_up(&mut self) {
        let leaving = PoolEvent::Leaving {
            container: self.key,
        };
        self.notify(Notice::Pool(leaving)).await;
        (self.creation, self.container) = (None, None);
        for ready in std::mem::take(&mut self.jobs) {
            self.notify(Notice::Returned(Box::new(ready))).await;
        }
        while !self.activations.is_empty() {
            tokio::select! {
                biased;
                Some(mail) = self.mailbox.recv() => self.give_back(mail).await,
                Some(_) = self.activations.join_next() => {}
            }
        }
        while let Ok(mail) = self.mailbox.try_recv() {
            self.give_back(mail).await;
        }
    }

    async fn give_back(&mut self, mail: Mail) {
        match mail {
            Mail::Run(ready) => self.notify(Notice::Returned(ready)).await,
            Mail::Initialized { mut ready, .. } => {
                ready.job.timing = Timing::default();
                self.notify(Notice::Returned(ready)).await;
            }
            Mail::Reschedule(ready) => self.notify(Notice::Rescheduled(ready)).await,
            Mail::Stale(ready) => self.notify(Notice::Stale(ready)).await,
            Mail::Remove | Mail::Kill | Mail::Ended { .. } | Mail::Abandoned(_) | Mail::Died(_) => {
            }
        }
    }

    async fn receive(&mut self, mail: Mail) {
        match mail {
            Mail::Run(ready) => {
                let run = ready.job.run;
                self.jobs.push(*ready);
                self.apply(Event::Run(run)).await;
            }
            Mail::Remove => self.apply(Event::Remove).await,
            Mail::Kill => self.apply(Event::Kill).await,
            Mail::Initialized { ready, took } => {
                let run = ready.job.run;
                self.jobs.push(*ready);
                self.initializing = None;
                self.apply(Event::Initialized(run)).await;
                let container = self.key;
                let event = PoolEvent::Initialized { container, took };
                self.notify(Notice::Pool(event)).await;
            }
            Mail::Ended { run, took, keeps } => self.ended(run, took, keeps).await,
            Mail::Reschedule(ready) => {
                self.apply(self.failure(ready.job.run)).await;
                self.notify(Notice::Rescheduled(ready)).await;
            }
            Mail::Stale(ready) => {
                self.apply(self.failure(ready.job.run)).await;
                self.notify(Notice::Stale(ready)).await;
            }
            Mail::Abandoned(run) | Mail::Died(run) => self.apply(self.failure(run)).await,
        }
    }

    fn failure(&self, run: RunId) -> Event {
        if self.initializing == Some(run) {
            Event::InitFailed(run)
        } else {
            Event::RunSpoiled(run)
        }
    }

    async fn ended(&mut self, run: RunId, took: Duration, keeps: bool) {
        if !keeps || self.initializing == Some(run) {
            return self.apply(self.failure(run)).await;
        }
        self.apply(Event::RunEnded(run)).await;
        let container = self.key;
        let freed = PoolEvent::Freed { container, took };
        self.notify(Notice::Pool(freed)).await;
    }

    async fn made(&mut self, made: Result<Arc<dyn Container>, CreateError>) {
        let began = self.creation.take().map(|(_, began)| began);
        let now = self.context.clock.now();
        let took = began.map_or(Duration::ZERO, |b| now.saturating_duration_since(b));
        match made {
            Ok(container) => {
                tracing::info!(container_id = %self.id, ?took, "container started");
                self.container = Some(container);
                self.apply(Event::Created).await;
                let container = self.key;
                let started = PoolEvent::Started { container, took };
                self.notify(Notice::Pool(started)).await;
            }
            Err(error) => {
                tracing::error!(container_id = %self.id, error = &error as &dyn std::error::Error, "container not made");
                // The pool must hear why before it hears that the container is closed.
                self.notify(Notice::CreateFailed(self.key, error)).await;
                self.apply(Event::CreateFailed).await;
            }
        }
    }

    async fn woken(&mut self) {
        self.sleep = None;
        let Some((timer, since)) = self.armed else {
            return;
        };
        if self.context.clock.now() >= self.due(timer, since) {
            self.armed = None;
            self.apply(Event::Elapsed(timer, since)).await;
        } else {
            self.start_sleep(timer, since);
        }
    }

    fn due(&self, timer: Timer, since: Instant) -> Instant {
        let config = &self.context.config;
        since
            + match timer {
                Timer::PauseGrace => config.pause_grace,
                Timer::IdleTimeout => config.idle_container_timeout,
            }
    }

    fn start_sleep(&mut self, timer: Timer, since: Instant) {
        let due = self.due(timer, since);
        let clock = self.context.clock.clone();
        self.sleep = Some((due, Box::pin(async move { clock.sleep_until(due).await })));
    }

    /// Advances the machine, performs what it asks for, and goes on with what follows at once.
    async fn apply(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let state = std::mem::replace(&mut self.state, State::Uninitialized);
            let done = step(self.limit, state, event, self.context.clock.now());
            self.state = done.next;
            self.cell.set(self.state.name());
            for effect in done.effects {
                if let Some(outcome) = self.perform(effect).await {
                    events.push_back(outcome);
                }
            }
        }
    }

    /// Performs an effect. Those that are short and exclude all others are awaited here and return their
    /// outcome.
    async fn perform(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            // Was prepared together with the task; the loop awaits it.
            Effect::Create => {}
            Effect::Init(run) => {
                self.initializing = Some(run);
                let Some((place, ready)) = self.place(run) else {
                    return Some(Event::InitFailed(run));
                };
                self.activations
                    .spawn(Box::pin(activation::initialize(place, ready)));
            }
            Effect::Begin(run) => {
                let Some((place, ready)) = self.place(run) else {
                    return Some(Event::RunSpoiled(run));
                };
                // Boxed, since a future of this size is otherwise copied three times on its way into a task.
                self.activations
                    .spawn(Box::pin(activation::run(place, ready)));
            }
            Effect::Return(run) => {
                if let Some(ready) = self.take_job(run) {
                    self.notify(Notice::Returned(Box::new(ready))).await;
                }
            }
            Effect::Arm(timer, since) => {
                self.armed = Some((timer, since));
                let due = self.due(timer, since);
                if self.sleep.as_ref().is_none_or(|(at, _)| *at > due) {
                    self.start_sleep(timer, since);
                }
            }
            Effect::Pause => return Some(self.pause().await),
            Effect::Resume => return Some(self.resume().await),
            Effect::Close => {
                let container = self.key;
                let leaving = PoolEvent::Leaving { container };
                self.notify(Notice::Pool(leaving)).await;
            }
            Effect::Destroy => {
                self.destroy().await;
                return Some(Event::Destroyed);
            }
            Effect::Gone => self.is_gone = true,
        }
        None
    }

    async fn pause(&mut self) -> Event {
        let Some(container) = &self.container else {
            return Event::PauseFailed;
        };
        match caught(container.pause()).await {
            Ok(Ok(())) => Event::Paused,
            Ok(Err(error)) => {
                tracing::warn!(container_id = %self.id, %error, "container not paused");
                Event::PauseFailed
            }
            Err(Panicked) => Event::PauseFailed,
        }
    }

    async fn resume(&mut self) -> Event {
        let Some(container) = &self.container else {
            return Event::ResumeFailed;
        };
        match caught(container.resume()).await {
            Ok(Ok(())) => Event::Resumed,
            Ok(Err(error)) => {
                tracing::warn!(container_id = %self.id, %error, "container not resumed");
                Event::ResumeFailed
            }
            Err(Panicked) => Event::ResumeFailed,
        }
    }

    async fn destroy(&mut self) {
        self.killed.store(true, Ordering::Relaxed);
        // Dropping the creation gives it up.
        self.creation = None;
        // The handle is kept: a run that begins now must find out that it is lost.
        if let Some(container) = &self.container {
            // Dropping the last handle destroys too.
            if caught(container.destroy()).await.is_ok() {
                tracing::info!(container_id = %self.id, "container removed");
            }
        }
    }

    /// Puts a job and the container together; `None` would be a fault of the machine's driver.
    fn place(&mut self, run: RunId) -> Option<(Place, ReadyJob)> {
        let ready = self.take_job(run);
        debug_assert!(
            ready.is_some() && self.container.is_some(),
            "no job or no container"
        );
        let ready = ready?;
        let container = self.container.clone()?;
        let report = Report::new(
            run,
            self.sender.clone(),
            self.notices.clone(),
            self.key,
            self.context.clock.now(),
        );
        let place = Place {
            context: self.context.clone(),
            container,
            killed: self.killed.clone(),
            report,
        };
        Some((place, ready))
    }

    fn take_job(&mut self, run: RunId) -> Option<ReadyJob> {
        let index = self.jobs.iter().position(|ready| ready.job.run == run)?;
        Some(self.jobs.swap_remove(index))
    }

    async fn notify(&mut self, notice: Notice) {
        // Without an invoker there is nobody to tell; the task ends by itself then.
        let _ = self.notices.send(notice).await;
    }
}

fn panicked_creation(id: ContainerId, panicked: Panicked) -> CreateError {
    CreateError::Step {
        id,
        step: "start the runtime".into(),
        source: std::io::Error::other(panicked),
    }
}

async fn created(
    creation: &mut Option<(Creation, Instant)>,
) -> Result<Arc<dyn Container>, CreateError> {
    match creation {
        Some((creation, _)) => creation.await,
        None => std::future::pending().await,
    }
}

pub(crate) async fn slept(sleep: &mut Option<(Instant, Sleep)>) {
    match sleep {
        Some((_, sleep)) => sleep.await,
        None => std::future::pending().await,
    }
}
