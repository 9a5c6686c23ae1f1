//! The invoker with its containers.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use oxwhisk_bus::InvokerId;
use oxwhisk_bus::embedded::EmbeddedBus;
use oxwhisk_container::sandbox::{self, SandboxConfig, SandboxFactory};
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
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl RunningInvoker {
    pub(super) async fn start(
        settings: &Settings,
        work: InvokerWork,
        controller: &Arc<Controller>,
        role: Role,
    ) -> Result<Self> {
        let network = match settings.network {
            NetworkMode::Api => sandbox::NetworkMode::Api {
                port: work.port,
                listeners: Arc::new(ContainerApi::new(Arc::clone(controller))),
            },
            NetworkMode::Host => sandbox::NetworkMode::Host,
        };
        let factory = SandboxFactory::start(SandboxConfig::new(network)).await;
        let factory = Arc::new(
            factory.context("containers cannot be isolated here; `oxwhisk doctor` tells why")?,
        );
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
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let shutdown = async {
                // A sender that is gone means the same as one that spoke.
                let _either_way = stopped.await;
            };
            if let Err(error) = invoker.run(shutdown).await {
                tracing::error!(%error, "the invoker gets no activations");
            }
        });
        Ok(Self {
            factory,
            stop,
            task,
        })
    }

    /// Lets running activations end, then removes all containers.
    pub(super) async fn stop(self) {
        // The invoker may have ended with the bus already.
        let _ended = self.stop.send(());
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the invoker ended badly");
        }
        self.factory.shutdown().await;
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
        response: ResponseLimit {
            max: payload,
            truncation: payload,
        },
        ..InvokerConfig::new(id)
    }
}
