//! The invoker with its containers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use oxwhisk_bus::InvokerId;
use oxwhisk_bus::embedded::EmbeddedBus;
use oxwhisk_container::sandbox::{self, ApiListeners, SandboxConfig, SandboxFactory};
use oxwhisk_container::{ContainerFactory as _, ResponseLimit};
use oxwhisk_controller::Controller;
use oxwhisk_invoker::{Invoker, InvokerConfig, InvokerDeps, SystemClock};
use oxwhisk_store::embedded::EmbeddedStore;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Role;
use super::kinds::Kinds;
use super::listeners::ContainerApi;
use crate::settings::{NetworkMode, Settings};

/// How long the API's connections of containers that are gone may take to end.
const LISTENER_PATIENCE: Duration = Duration::from_secs(5);

/// What an invoker works on.
#[derive(Debug)]
pub(super) struct InvokerWork {
    pub(super) id: InvokerId,
    /// Port of the API, the same inside containers.
    pub(super) port: u16,
    pub(super) kinds: Kinds,
    pub(super) store: EmbeddedStore,
    pub(super) bus: EmbeddedBus,
}

/// An invoker at work.
#[derive(Debug)]
pub(super) struct RunningInvoker {
    factory: Arc<SandboxFactory>,
    container_api: Arc<ContainerApi>,
    /// Takes how long running activations may go on.
    stop: oneshot::Sender<Duration>,
    task: JoinHandle<()>,
}

impl RunningInvoker {
    pub(super) async fn start(
        settings: &Settings,
        work: InvokerWork,
        controller: &Arc<Controller>,
        role: Role,
    ) -> Result<Self> {
        let container_api = Arc::new(ContainerApi::new(Arc::clone(controller)));
        let listeners = Arc::<ContainerApi>::clone(&container_api);
        let network = network(settings, work.port, listeners);
        let factory = SandboxFactory::start(SandboxConfig::new(network)).await;
        let factory = Arc::new(
            factory.context("containers cannot be isolated here; `oxwhisk doctor` tells why")?,
        );
        if let Some(refusal) = factory.egress_refusal() {
            tracing::warn!(
                refusal,
                "actions reach the API and nothing else; `oxwhisk doctor` tells how to mend it"
            );
        }
        let config = config(settings, work.id, work.port);
        let manifest = match role {
            Role::Standalone => work.kinds.manifest,
            Role::OneShot => work.kinds.manifest.without_stem_cells(),
        };
        let deps = InvokerDeps {
            bus: Arc::new(work.bus),
            artifacts: Arc::new(work.store.clone()),
            activations: Arc::new(work.store),
            factory: Arc::<SandboxFactory>::clone(&factory),
            runtimes: work.kinds.runtimes,
            manifest: Arc::new(manifest),
            clock: Arc::new(SystemClock),
        };
        let (invoker, _handle) = Invoker::new(config, deps);
        let (stop, stopped) = oneshot::channel::<Duration>();
        let task = tokio::spawn(async move {
            let shutdown = async {
                // A sender that is gone means the same as one that gives all the time there is.
                stopped.await.unwrap_or(Duration::MAX)
            };
            if let Err(error) = invoker.run(shutdown).await {
                tracing::error!(%error, "the invoker gets no activations");
            }
        });
        Ok(Self {
            factory,
            container_api,
            stop,
            task,
        })
    }

    /// Returns when the invoker has ended by itself, which it must not.
    pub(super) async fn ended(&mut self) {
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "the invoker ended badly");
        }
    }

    /// Lets running activations end within `grace`, then removes all containers and stores what records can be stored.
    pub(super) async fn stop(self, grace: Duration) {
        // The invoker may have ended with the bus already.
        let _ended = self.stop.send(grace);
        if !self.task.is_finished()
            && let Err(error) = self.task.await
        {
            tracing::error!(%error, "the invoker ended badly");
        }
        self.factory.shutdown().await;
        if tokio::time::timeout(LISTENER_PATIENCE, self.container_api.ended())
            .await
            .is_err()
        {
            tracing::warn!("connections of containers were cut off at shutdown");
        }
    }
}

/// How containers reach the network by the settings; the API is on a port of their own.
pub(crate) fn network(
    settings: &Settings,
    port: u16,
    listeners: Arc<dyn ApiListeners>,
) -> sandbox::NetworkMode {
    match settings.network {
        NetworkMode::Api => sandbox::NetworkMode::Api { port, listeners },
        NetworkMode::Egress => sandbox::NetworkMode::Egress {
            port,
            listeners,
            policy: settings.egress.clone(),
        },
        NetworkMode::Host => sandbox::NetworkMode::Host,
    }
}

fn config(settings: &Settings, id: InvokerId, port: u16) -> InvokerConfig {
    let payload = settings.limits.payload;
    InvokerConfig {
        user_memory: settings.invoker.user_memory,
        pause_grace: settings.invoker.pause_grace,
        idle_container_timeout: settings.invoker.idle_container_timeout,
        environment: BTreeMap::from([(
            "__OW_API_HOST".to_owned(),
            format!("http://127.0.0.1:{port}"),
        )]),
        limits: settings.limits.action,
        records: settings.records,
        response: ResponseLimit {
            max: payload,
            truncation: payload,
        },
        ..InvokerConfig::new(id)
    }
}
