//! The invoker: takes activations off the bus and brings them into containers.

mod containers;
mod drain;

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::{HashMap, HashMapExt};
use oxwhisk_bus::{ActivationFeed, BusError, Delivery};
use oxwhisk_container::ContainerId;
use oxwhisk_entity::{ActivationResponse, LimitsPatch};
use oxwhisk_store::DocumentId;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::container_task::{Mail, Notice, Sleep, StateCell, slept};
use crate::context::{Context, InvokerDeps};
use crate::executable::{Executable, FetchError};
use crate::finish::{finish_unknown, finish_unplaced};
use crate::job::{Job, ReadyJob};
use crate::machine::RunId;
use crate::pool::{ContainerKey, Decision, Pool, PoolConfig, PoolEvent};
use crate::resolver::{self, Resolution, Resolver};
use crate::status::{InvokerHandle, StatusQuery};
use crate::{InvokerConfig, bounds, messages, outcome, stems};

/// Notices that containers may send before they wait for the invoker.
const NOTICES: usize = 1024;
const QUERIES: usize = 16;

/// Runs activations in containers.
///
/// Made with [`Invoker::new`]; works while [`Invoker::run`] is awaited.
#[derive(Debug)]
pub struct Invoker {
    context: Arc<Context>,
    pool: Pool,
    resolver: Resolver,
    /// Activations that wait in the pool.
    parked: HashMap<RunId, Box<ReadyJob>>,
    /// Activations that wait, in the pool or for their action: how many, and bytes of arguments.
    held: usize,
    held_size: usize,
    members: HashMap<ContainerKey, Member>,
    notices: (mpsc::Sender<Notice>, mpsc::Receiver<Notice>),
    queries: mpsc::Receiver<StatusQuery>,
    stuck: watch::Receiver<usize>,
    /// The lives of the containers, and the ends of activations that had none.
    tasks: JoinSet<()>,
    fetches: JoinSet<(DocumentId, Result<Arc<Executable>, FetchError>)>,
    next_run: u64,
    is_draining: bool,
}

/// A container as the invoker reaches it.
#[derive(Debug)]
struct Member {
    id: ContainerId,
    mailbox: mpsc::Sender<Mail>,
    cell: StateCell,
}

impl Invoker {
    /// Prepares an invoker and the handle by which others see it. Nothing happens before
    /// [`Invoker::run`].
    #[must_use]
    pub fn new(config: InvokerConfig, deps: InvokerDeps) -> (Self, InvokerHandle) {
        let pool = Pool::new(PoolConfig {
            memory_mb: config.user_memory.as_mib(),
            idle_timeout: config.idle_container_timeout,
            stems: stems::targets(&deps.manifest, &deps.runtimes),
        });
        let (query_sender, queries) = mpsc::channel(QUERIES);
        let resolver = Resolver::new(config.action_cache_entries);
        let context = Arc::new(Context::new(config, deps));
        let invoker = Self {
            stuck: context.stuck(),
            context,
            pool,
            resolver,
            parked: HashMap::new(),
            held: 0,
            held_size: 0,
            members: HashMap::new(),
            notices: mpsc::channel(NOTICES),
            queries,
            tasks: JoinSet::new(),
            fetches: JoinSet::new(),
            next_run: 1,
            is_draining: false,
        };
        (invoker, InvokerHandle::new(query_sender))
    }

    /// Works until `shutdown` completes or the bus is shut down, then drains: takes nothing more, lets what
    /// runs and what somebody waits for end within the time that `shutdown` gives, but at most `shutdown_grace`,
    /// hands everything else back to the bus, removes all containers and waits until all records are stored, within
    /// `flush_grace`.
    ///
    /// # Errors
    /// [`BusError`] if the bus gives no activations at the start.
    pub async fn run(
        mut self,
        shutdown: impl Future<Output = Duration> + Send,
    ) -> Result<(), BusError> {
        let mut feed = self
            .context
            .bus
            .activations(&self.context.config.id)
            .await?;
        tracing::info!(invoker = self.context.config.id.instance, "invoker started");
        self.tell_pool(PoolEvent::Woken);
        tokio::pin!(shutdown);
        let mut alarm = None;
        let most = self.context.config.shutdown_grace;
        let grace = loop {
            self.set(&mut alarm);
            tokio::select! {
                biased;
                grace = &mut shutdown => break grace.min(most),
                delivery = self.turn(&mut alarm, Some(&mut *feed)) => match delivery {
                    Turn::Done => {}
                    Turn::Delivered(delivery) => self.take(delivery),
                    Turn::BusClosed => break most,
                },
            }
        };
        drop(feed);
        self.drain(grace).await;
        tracing::info!(invoker = self.context.config.id.instance, "invoker stopped");
        Ok(())
    }

    /// Waits for one thing to happen and sees to it; a delivery is handed out. Cancel-safe.
    async fn turn(
        &mut self,
        alarm: &mut Option<(Instant, Sleep)>,
        feed: Option<&mut dyn ActivationFeed>,
    ) -> Turn {
        let is_stuck = *self.stuck.borrow() > 0;
        let feed = feed.filter(|_| !is_stuck && self.has_room());
        tokio::select! {
            biased;
            Some(notice) = self.notices.1.recv() => self.noticed(notice),
            Some(fetched) = self.fetches.join_next() => self.fetched(fetched),
            Some(ended) = self.tasks.join_next() => if let Err(error) = ended {
                tracing::error!(%error, "a task of the invoker died");
            },
            Some(query) = self.queries.recv() => {
                // Whoever asked may have gone.
                let _ = query.send(self.status());
            }
            () = slept(alarm) => {
                *alarm = None;
                self.tell_pool(PoolEvent::Woken);
            }
            Ok(()) = self.stuck.changed(), if is_stuck => {}
            delivery = next_of(feed) => {
                return delivery.map_or(Turn::BusClosed, Turn::Delivered);
            }
        }
        Turn::Done
    }

    fn has_room(&self) -> bool {
        let config = &self.context.config;
        self.held < config.max_waiting
            && (self.held_size as u64) < config.max_waiting_size.as_bytes()
    }

    /// Sets the alarm to the next time at which the pool wants to look at itself.
    fn set(&self, alarm: &mut Option<(Instant, Sleep)>) {
        let next = self.pool.next_wakeup(self.context.clock.now());
        if alarm.as_ref().map(|(at, _)| *at) == next {
            return;
        }
        let clock = self.context.clock.clone();
        *alarm = next.map(|at| {
            let sleep: Sleep = Box::pin(async move { clock.sleep_until(at).await });
            (at, sleep)
        });
    }

    fn take(&mut self, delivery: Box<dyn Delivery>) {
        let run = RunId(self.next_run);
        self.next_run += 1;
        let job = Job::new(run, delivery, self.context.clock.now());
        let message = &job.message;
        tracing::debug!(
            transaction_id = %message.transid,
            namespace = %message.user.namespace.name,
            action = %message.action,
            activation_id = %message.activation_id,
            "activation received"
        );
        self.hold(&job);
        let resolution = self.resolver.resolve(job);
        self.resolved(resolution);
    }

    fn hold(&mut self, job: &Job) {
        self.held += 1;
        self.held_size += job.size();
    }

    fn let_go(&mut self, job: &Job) {
        self.held -= 1;
        self.held_size -= job.size();
    }

    fn resolved(&mut self, resolution: Resolution) {
        match resolution {
            Resolution::Ready(ready) => self.offer(ready),
            Resolution::Fetch(id) => self.fetch(id),
            Resolution::Waiting => {}
        }
    }

    fn fetch(&mut self, id: DocumentId) {
        let store = self.context.artifacts.clone();
        let clock = self.context.clock.clone();
        self.fetches.spawn(resolver::fetch(store, clock, id));
    }

    fn fetched(
        &mut self,
        fetched: Result<(DocumentId, Result<Arc<Executable>, FetchError>), tokio::task::JoinError>,
    ) {
        let (id, result) = match fetched {
            Ok(fetched) => fetched,
            Err(error) => {
                // Its activations stay on the bus for the next process.
                tracing::error!(%error, "task of a fetch died");
                return;
            }
        };
        let error = result.as_ref().err().copied();
        let answer = self.resolver.answered(&id, result);
        if let Some(code) = answer.supersedes {
            self.tell_pool(PoolEvent::Superseded(code));
        }
        for ready in answer.ready {
            self.offer(Box::new(ready));
        }
        for job in answer.failed {
            self.let_go(&job);
            let response = match error {
                Some(error) if !job.delivery.was_started() => resolver::response_to(error),
                _ => outcome::whisk_error(messages::INTERRUPTED),
            };
            self.end_unknown(job, response);
        }
        if answer.asks_again {
            self.fetch(id);
        }
    }

    /// Brings a held activation whose action is known into the pool, unless it must not run.
    fn offer(&mut self, ready: Box<ReadyJob>) {
        let (job, action) = (&ready.job, &ready.action);
        if self.is_draining && !job.message.blocking && !job.has_begun() {
            // Dropped without a start it is delivered again to the next process.
            return self.let_go(&ready.job);
        }
        // What carries no arguments was held for a sequence or composition: only its controller can run that.
        let can_be_retried = action.is_retried_on_crash && job.message.content.is_some();
        if job.delivery.was_started() && !can_be_retried {
            self.let_go(&ready.job);
            let response = outcome::whisk_error(messages::INTERRUPTED);
            return self.end_unknown(ready.job, response);
        }
        let bounds = bounds::of(&self.context.config.limits, &job.message.user.limits);
        if let Err(breach) = LimitsPatch::from(action.limits).check(&bounds) {
            self.let_go(&ready.job);
            let response = outcome::application_error(&breach.to_string());
            return self.end_unknown(ready.job, response);
        }
        let demand = ready.demand();
        self.parked.insert(demand.run, ready);
        self.tell_pool(PoolEvent::Offered(demand));
    }

    fn end_unknown(&mut self, job: Job, response: ActivationResponse) {
        self.tasks
            .spawn(finish_unknown(self.context.clone(), job, response));
    }

    fn end_unplaced(&mut self, ready: ReadyJob, response: ActivationResponse) {
        self.tasks
            .spawn(finish_unplaced(self.context.clone(), ready, response));
    }

    fn noticed(&mut self, notice: Notice) {
        match notice {
            Notice::Pool(event) => {
                if let PoolEvent::Gone { container } = event {
                    self.members.remove(&container);
                }
                self.tell_pool(event);
            }
            Notice::CreateFailed(container, error) => {
                let response = outcome::of_creation(&error);
                self.decide(PoolEvent::CreateFailed { container }, Some(&response));
            }
            Notice::Returned(ready) => {
                self.hold(&ready.job);
                self.offer(ready);
            }
            Notice::Rescheduled(mut ready) => {
                ready.job.reschedules += 1;
                if ready.job.reschedules > self.context.config.max_reschedules {
                    let response = outcome::whisk_error(messages::ABNORMAL_RUN);
                    return self.end_unplaced(*ready, response);
                }
                self.hold(&ready.job);
                self.offer(ready);
            }
            Notice::Stale(mut ready) => {
                ready.job.refetches += 1;
                self.hold(&ready.job);
                let resolution = self.resolver.resolve_afresh(ready.job);
                self.resolved(resolution);
            }
        }
    }

    fn tell_pool(&mut self, event: PoolEvent) {
        self.decide(event, None);
    }

    /// Lets the pool decide and does what it decides. `failure` is the response of activations whose container
    /// could not be made.
    fn decide(&mut self, event: PoolEvent, failure: Option<&ActivationResponse>) {
        let now = self.context.clock.now();
        let mut decisions = VecDeque::from(self.pool.handle(event, now));
        while let Some(decision) = decisions.pop_front() {
            match decision {
                Decision::Create { container, class } => self.create(container, &class),
                Decision::Assign { container, run } => {
                    let Some(ready) = self.unpark(run) else {
                        continue;
                    };
                    decisions.extend(self.send(container, ready));
                }
                Decision::Remove { container } => {
                    if let Some(member) = self.members.get(&container) {
                        // A closed mailbox means that it is going already.
                        let _ = member.mailbox.try_send(Mail::Remove);
                    }
                }
                Decision::Refuse { run } => {
                    if let Some(ready) = self.unpark(run) {
                        let text = messages::PROVISIONING_FAILED;
                        self.end_unplaced(*ready, outcome::whisk_error(text));
                    }
                }
                Decision::Fail { run, .. } => {
                    if let Some(ready) = self.unpark(run) {
                        let response = failure.cloned();
                        let unknown = || outcome::whisk_error(messages::PROVISIONING_FAILED);
                        self.end_unplaced(*ready, response.unwrap_or_else(unknown));
                    }
                }
                Decision::Release { run } => self.release(run),
            }
        }
    }

    fn unpark(&mut self, run: RunId) -> Option<Box<ReadyJob>> {
        let ready = self.parked.remove(&run);
        debug_assert!(
            ready.is_some(),
            "the pool knows an activation that is not there"
        );
        let ready = ready?;
        self.let_go(&ready.job);
        Some(ready)
    }

    /// Sends an activation to a container; one that does not take it any more is struck off.
    fn send(&mut self, container: ContainerKey, ready: Box<ReadyJob>) -> Vec<Decision> {
        let mail = Mail::Run(ready);
        let refused = match self.members.get(&container) {
            Some(member) => match member.mailbox.try_send(mail) {
                Ok(()) => return Vec::new(),
                Err(mpsc::error::TrySendError::Closed(mail)) => mail,
                Err(mpsc::error::TrySendError::Full(mail)) => {
                    tracing::error!(container_id = %member.id, "mailbox of a container is full");
                    mail
                }
            },
            None => mail,
        };
        let Mail::Run(ready) = refused else {
            return Vec::new();
        };
        let now = self.context.clock.now();
        let demand = ready.demand();
        self.hold(&ready.job);
        self.parked.insert(demand.run, ready);
        let mut decisions = self.pool.handle(PoolEvent::Leaving { container }, now);
        decisions.extend(self.pool.handle(PoolEvent::Offered(demand), now));
        decisions
    }

    /// Takes an activation back from the pool: hands it back to the bus, or looks its action up again.
    fn release(&mut self, run: RunId) {
        let Some(ready) = self.unpark(run) else {
            return;
        };
        self.hold(&ready.job);
        if self.is_draining {
            return self.offer(ready);
        }
        let resolution = self.resolver.resolve_newest(ready.job);
        self.resolved(resolution);
    }
}

/// What happened in one turn.
enum Turn {
    /// It was seen to.
    Done,
    /// An activation came.
    Delivered(Box<dyn Delivery>),
    /// No more will come.
    BusClosed,
}

async fn next_of(feed: Option<&mut dyn ActivationFeed>) -> Option<Box<dyn Delivery>> {
    match feed {
        Some(feed) => feed.next().await,
        None => std::future::pending().await,
    }
}
