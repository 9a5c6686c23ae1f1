//! The administration socket of a running server.

use std::sync::Arc;

use oxwhisk_controller::Controller;
use oxwhisk_store::embedded::EmbeddedStore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::join;
use crate::admin::AdminListener;
use crate::settings::Settings;

/// What answers `oxwhisk admin`.
#[derive(Debug)]
pub(super) struct Administration {
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Administration {
    /// Opens the socket; `None` if that cannot be done, for example on a file system without sockets. The
    /// server is of use without it.
    pub(super) fn start(
        settings: &Settings,
        store: &EmbeddedStore,
        controller: &Arc<Controller>,
    ) -> Option<Self> {
        let listener = match AdminListener::bind(&settings.data_dir) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::warn!(%error, "`oxwhisk admin` cannot reach this server");
                return None;
            }
        };
        let stop = CancellationToken::new();
        let serve = listener.serve(
            Arc::new(store.clone()),
            Arc::clone(controller),
            stop.clone(),
        );
        Some(Self {
            stop,
            serving: tokio::spawn(serve),
        })
    }

    /// Answers what was asked and closes the socket.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        join(self.serving).await;
    }
}
