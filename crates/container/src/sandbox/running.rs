//! A running helper and what belongs to it.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::cgroup::{self, CgroupLayout, CgroupLocks};
use super::config::{NetworkMode, SandboxConfig};
use super::connection::Connection;
use super::egress::process::EgressOrder;
use super::factory::StartError;
use super::wire::{Abilities, Order, RuntimeOrder, Start};
use crate::Runtime;

/// How long a helper may take to end all containers and itself; after that the kernel does it.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// A helper that takes orders, until it ends.
#[derive(Debug)]
pub(super) struct RunningHelper {
    pub(super) connection: Arc<Connection>,
    pub(super) abilities: Abilities,
    pub(super) layout: CgroupLayout,
    reader: Mutex<Option<JoinHandle<()>>>,
    /// Until the helper is replaced. A std lock: never held across an await.
    locks: Mutex<Option<CgroupLocks>>,
    /// Runtimes that the helper knows, by their number. An async lock: whoever adds one tells the
    /// helper before anybody else can name it.
    runtimes: tokio::sync::Mutex<Vec<Arc<Runtime>>>,
}

impl RunningHelper {
    pub(super) async fn start(config: &SandboxConfig) -> Result<Self, StartError> {
        let is_root = rustix::process::geteuid().is_root();
        let (layout, locks) = cgroup::prepare(config.control_groups, is_root);
        let connection = Connection::start(&config.helper.0).map_err(StartError::Start)?;
        let started = connection.expect_started();
        let reader = tokio::spawn(connection.clone().read());
        let egress = match &config.network {
            NetworkMode::Egress { policy, .. } => Some(EgressOrder {
                rules: policy.rules.clone(),
                connections: policy.connections,
            }),
            NetworkMode::Api { .. } | NetworkMode::Host => None,
        };
        let first = Order::Start(Start {
            cgroups: layout.clone(),
            api_port: config.network.api().map(|(port, _)| port),
            network_pool: config.network_pool,
            egress,
        });
        connection
            .order(&first, &[])
            .await
            .map_err(StartError::Start)?;
        let abilities = started.await.map_err(|_| StartError::Refused)?;
        Ok(Self {
            connection,
            abilities,
            layout,
            reader: Mutex::new(Some(reader)),
            locks: Mutex::new(Some(locks)),
            runtimes: tokio::sync::Mutex::default(),
        })
    }

    /// Returns the number of a runtime; the helper prepares a root for it if it has none yet.
    pub(super) async fn number_of(&self, runtime: &Arc<Runtime>) -> io::Result<u32> {
        let mut runtimes = self.runtimes.lock().await;
        let is_known = |known: &Arc<Runtime>| Arc::ptr_eq(known, runtime) || known == runtime;
        if let Some(number) = runtimes.iter().position(is_known) {
            return Ok(u32::try_from(number).unwrap_or(u32::MAX));
        }
        let number = u32::try_from(runtimes.len()).unwrap_or(u32::MAX);
        let order = Order::Runtime(RuntimeOrder {
            number,
            command: runtime.command.clone(),
            readable: runtime.readable.clone(),
            environment: runtime.environment.clone(),
        });
        self.connection.order(&order, &[]).await?;
        runtimes.push(runtime.clone());
        Ok(number)
    }

    /// Gives up the control groups of a helper that has ended; its successor removes them.
    pub(super) fn release(&self) {
        self.locks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    /// Lets the helper end and waits for it; kills one that does not, for it may have been stopped.
    pub(super) async fn end(&self) {
        self.connection.close();
        let reader = self
            .reader
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(mut reader) = reader else { return };
        // The reader ends when the helper has; it does not panic.
        if tokio::time::timeout(END_PATIENCE, &mut reader)
            .await
            .is_err()
        {
            tracing::error!("the sandbox helper did not end and is killed");
            self.connection.kill();
            // The kernel is only slower when it is stuck, and then the server ends before it.
            let _ = tokio::time::timeout(END_PATIENCE, reader).await;
        }
    }
}
