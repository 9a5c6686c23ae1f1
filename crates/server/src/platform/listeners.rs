//! The API inside the containers' own networks.

use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

use oxwhisk_container::ContainerId;
use oxwhisk_container::sandbox::ApiListeners;
use oxwhisk_controller::{Controller, Origin};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// Answers on the listener of each container as long as it lives.
#[derive(Debug)]
pub(super) struct ContainerApi {
    controller: Arc<Controller>,
    runtime: Handle,
    /// The listeners and their connections.
    tasks: TaskTracker,
    /// By container; dropping the sender ends the listener. A std lock, held for a few instructions.
    open: Mutex<HashMap<ContainerId, watch::Sender<bool>>>,
}

impl ContainerApi {
    /// Must be called within a runtime.
    pub(super) fn new(controller: Arc<Controller>) -> Self {
        Self {
            controller,
            runtime: Handle::current(),
            tasks: TaskTracker::new(),
            open: Mutex::default(),
        }
    }

    /// Waits until the listeners of all containers have ended.
    pub(super) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn open(&self) -> std::sync::MutexGuard<'_, HashMap<ContainerId, watch::Sender<bool>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ApiListeners for ContainerApi {
    fn opened(&self, container: &ContainerId, listener: TcpListener) {
        let _guard = self.runtime.enter();
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => {
                let (stop, stopped) = watch::channel(false);
                let controller = Arc::clone(&self.controller);
                let serve = controller.serve(listener, Origin::Container, stopped);
                self.tasks.spawn_on(serve, &self.runtime);
                self.open().insert(container.clone(), stop);
            }
            Err(error) => tracing::error!(%container, %error, "a container cannot reach the API"),
        }
    }

    fn closed(&self, container: &ContainerId) {
        self.open().remove(container);
    }
}
