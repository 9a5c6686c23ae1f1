//! The parts of one process, wired together.

mod administration;
mod invoker;
mod journal;
pub(crate) mod kinds;
mod listeners;
mod opening;
mod subjects;

pub(crate) use invoker::network;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use oxwhisk_bus::embedded::{EmbeddedBus, EmbeddedConfig as BusConfig};
use oxwhisk_bus::{ControllerId, InvokerId, MessageBus};
use oxwhisk_controller::{BuildInfo, Clock as _, Controller, ControllerConfig, Origin, Stores};
use oxwhisk_entity::{ActivationId, EntityPath, Identity, RecordDurability, WhiskActivation};
use oxwhisk_store::embedded::{EmbeddedConfig as StoreConfig, EmbeddedStore, OpenError};
use oxwhisk_store::{ActivationStore as _, SubjectStore as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::SystemClock;
use crate::settings::Settings;
use administration::Administration;
use invoker::{InvokerWork, RunningInvoker};
use journal::StoreJournal;

/// How long everything that goes on at shutdown may take together: requests, then sequences and compositions, then
/// running activations. Records that are not stored by then have a time of their own.
const DRAIN_PATIENCE: Duration = Duration::from_secs(30);
/// Name of the database in the data directory.
const DATABASE: &str = "oxwhisk.db";

/// What the process is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Serve until told to stop, and keep everything.
    Standalone,
    /// Run one action and keep nothing.
    OneShot,
}

/// Everything that runs in this process.
#[derive(Debug)]
pub(crate) struct Platform {
    pub(crate) controller: Arc<Controller>,
    pub(crate) store: EmbeddedStore,
    port: u16,
    bus: EmbeddedBus,
    invoker: RunningInvoker,
    stop: watch::Sender<bool>,
    acknowledgements: JoinHandle<()>,
    serving: JoinHandle<()>,
    administration: Option<Administration>,
}

impl Platform {
    /// Opens the store, binds the port and starts all parts.
    ///
    /// # Errors
    /// A data directory that cannot be used, a port that is taken, no way to isolate containers.
    pub(crate) async fn start(settings: Settings, role: Role) -> Result<Self> {
        // Looks at hundreds of files, while this thread waits for the disk.
        let kinds = tokio::task::spawn_blocking({
            let settings = settings.clone();
            move || kinds::discover(&settings)
        });
        let store = match role {
            Role::Standalone => {
                kept_somewhere(&settings)?;
                opening::open(&database(&settings), store_config(&settings)).await
            }
            Role::OneShot => EmbeddedStore::in_memory(store_config(&settings)),
        };
        let store = store.context("could not open the store")?;
        let journal = Arc::new(StoreJournal(store.journal()));
        let bus = EmbeddedBus::open(BusConfig::default(), journal)
            .await
            .context("could not read the journal")?;
        let kinds = kinds.await.context("could not look for interpreters")??;
        let listener = TcpListener::bind(("127.0.0.1", settings.port))
            .await
            .with_context(|| not_listening(settings.port))?;
        let port = listener
            .local_addr()
            .context("could not tell the port")?
            .port();
        let invoker_id = InvokerId {
            instance: 0,
            unique_name: Some("0".to_owned()),
            user_memory: settings.invoker.user_memory.to_string(),
        };
        let config = controller_config(&settings, &invoker_id, &kinds);
        let stores = Stores {
            artifacts: Arc::new(store.clone()),
            activations: Arc::new(store.clone()),
            subjects: Arc::new(store.clone()),
        };
        let shared_bus: Arc<dyn MessageBus> = Arc::new(bus.clone());
        let controller = Arc::new(Controller::new(
            config,
            stores,
            shared_bus,
            Arc::new(SystemClock),
        ));
        let stop = watch::Sender::new(false);
        let acknowledgements = tokio::spawn({
            let controller = Arc::clone(&controller);
            async move {
                if let Err(error) = controller.run().await {
                    tracing::error!(%error, "acknowledgements cannot be received");
                }
            }
        });
        let serving =
            tokio::spawn(Arc::clone(&controller).serve(listener, Origin::Client, stop.subscribe()));
        let work = InvokerWork {
            id: invoker_id,
            port,
            kinds,
            store: store.clone(),
            bus: bus.clone(),
        };
        let administration = match role {
            Role::Standalone => Administration::start(&settings, &store, &controller),
            Role::OneShot => None,
        };
        let invoker = RunningInvoker::start(&settings, work, &controller, role).await?;
        Ok(Self {
            controller,
            store,
            port,
            bus,
            invoker,
            stop,
            acknowledgements,
            serving,
            administration,
        })
    }

    /// Returns the address of the API.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns the identity of the stock namespace `guest`, unless it was deleted or blocked.
    pub(crate) async fn guest(&self) -> Result<Option<Arc<Identity>>> {
        let identity = self.store.identity_by_namespace("guest").await?;
        Ok(identity.map(Arc::new))
    }

    pub(crate) fn epoch_ms(&self) -> u64 {
        SystemClock.epoch_ms()
    }

    /// Waits for the stored record of an activation, with its logs.
    pub(crate) async fn record(
        &self,
        namespace: &EntityPath,
        id: ActivationId,
        patience: Duration,
    ) -> Result<Option<Arc<WhiskActivation>>> {
        let deadline = Instant::now() + patience;
        loop {
            let found = self.store.get(namespace.as_str(), id).await?;
            if found.is_some() || Instant::now() > deadline {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Returns when a part has ended that the others cannot do without: none ends by itself.
    pub(crate) async fn part_ended(&mut self) -> &'static str {
        tokio::select! {
            () = self.invoker.ended() => "the invoker",
            _ended = &mut self.acknowledgements => "the receiver of acknowledgements",
            _ended = &mut self.serving => "the listener",
        }
    }

    /// Stops all parts in order, all within one bound: no more requests, what runs ends, records are written.
    pub(crate) async fn shutdown(self) {
        let Self {
            controller,
            store,
            bus,
            invoker,
            stop,
            acknowledgements,
            serving,
            administration,
            ..
        } = self;
        let deadline = tokio::time::Instant::now() + DRAIN_PATIENCE;
        // Without receivers everything has stopped already.
        let _all_gone = stop.send(true);
        join(serving).await;
        if tokio::time::timeout_at(deadline, controller.drain())
            .await
            .is_err()
        {
            tracing::warn!(
                "sequences or compositions were interrupted at shutdown; the next start records them"
            );
        }
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        invoker.stop(left).await;
        bus.shut_down();
        join(acknowledgements).await;
        // Last, since the store is ours until then.
        if let Some(administration) = administration {
            administration.stop().await;
        }
        drop((controller, bus, store));
    }
}

fn controller_config(
    settings: &Settings,
    invoker: &InvokerId,
    kinds: &kinds::Kinds,
) -> ControllerConfig {
    ControllerConfig {
        id: ControllerId("0".into()),
        invoker: invoker.clone(),
        limits: settings.limits.clone(),
        features: settings.features,
        records: settings.records,
        max_blocking_wait: settings.max_blocking_wait,
        manifest: kinds.manifest.clone(),
        build: BuildInfo {
            date: env!("BUILT_AT").to_owned(),
            number: env!("CARGO_PKG_VERSION").to_owned(),
        },
        api_hosts: settings.api_hosts.clone(),
    }
}

/// Waits for a part, unless it has ended already.
async fn join(part: JoinHandle<()>) {
    if !part.is_finished()
        && let Err(error) = part.await
    {
        tracing::error!(%error, "a part of the server ended badly");
    }
}

fn not_listening(port: u16) -> String {
    format!("could not listen on 127.0.0.1:{port} (port 0 picks a free one)")
}

/// Checks that there is a folder for what must be kept.
///
/// # Errors
/// A user without a home who names none.
pub(crate) fn kept_somewhere(settings: &Settings) -> Result<()> {
    if settings.data_dir.as_os_str().is_empty() {
        bail!(
            "no folder to keep data in: neither HOME nor XDG_STATE_HOME is set; name one with `--data-dir`"
        );
    }
    Ok(())
}

/// Returns the place of the database.
pub(crate) fn database(settings: &Settings) -> PathBuf {
    settings.data_dir.join(DATABASE)
}

/// Opens the database to change users and limits only; makes it with the stock subjects if it is not there.
///
/// No record is removed, whatever its age: the server that serves this database may have been told to keep more
/// than these settings say.
///
/// # Errors
/// [`OpenError`]; one process at a time can have it open.
pub(crate) fn open_for_administration(settings: &Settings) -> Result<EmbeddedStore, OpenError> {
    let config = StoreConfig {
        retention_age: Duration::ZERO,
        retention_bytes: 0,
        ..store_config(settings)
    };
    EmbeddedStore::open(&database(settings), config)
}

fn store_config(settings: &Settings) -> StoreConfig {
    let group_window = match settings.records.durability {
        RecordDurability::Group => StoreConfig::MAX_GROUP_WINDOW,
        RecordDurability::Sync => Duration::ZERO,
    };
    StoreConfig {
        group_window,
        retention_age: settings.retention_age,
        retention_bytes: settings.retention_size.as_bytes(),
        initial_subjects: subjects::stock(),
        ..StoreConfig::default()
    }
}
