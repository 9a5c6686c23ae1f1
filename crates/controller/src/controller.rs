//! The controller's parts, put together.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use oxwhisk_bus::{BusError, MessageBus};
use oxwhisk_store::{ActivationStore, ArtifactStore, SubjectStore};

use tokio::sync::{Mutex, RwLock};
use tokio_util::task::TaskTracker;

use crate::api_docs::Descriptions;
use crate::auth::Authenticator;
use crate::balancer::LoadBalancer;
use crate::config::{Clock, ControllerConfig};
use crate::entities::EntityStore;
use crate::locks::NamespaceLocks;
use crate::request_count::RequestCount;
use crate::throttle::RateThrottle;

/// Where a controller keeps what it knows.
#[derive(Debug, Clone)]
pub struct Stores {
    /// Entities.
    pub artifacts: Arc<dyn ArtifactStore>,
    /// Records.
    pub activations: Arc<dyn ActivationStore>,
    /// Keys.
    pub subjects: Arc<dyn SubjectStore>,
}

/// One controller. Shared by all its connections.
#[derive(Debug)]
pub struct Controller {
    pub(crate) config: ControllerConfig,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) authenticator: Authenticator,
    pub(crate) entities: EntityStore,
    pub(crate) activations: Arc<dyn ActivationStore>,
    pub(crate) balancer: LoadBalancer,
    pub(crate) invocations: RateThrottle,
    pub(crate) fires: RateThrottle,
    pub(crate) bus: Arc<dyn MessageBus>,
    /// Held by whoever changes a rule with its link in the trigger. An async lock: both are written under it.
    pub(crate) rules: NamespaceLocks<Mutex<()>>,
    /// Read by whoever writes a package or an action into one, written by whoever deletes a package: what a package
    /// was found to be and to hold holds until it is gone. An async lock, held while the store writes.
    pub(crate) packages: NamespaceLocks<RwLock<()>>,
    /// What must go on when its caller goes away: writes, sequences and compositions.
    pub(crate) tasks: TaskTracker,
    /// Sequences and compositions that have ended and cannot be told to the store at the moment; nothing new of that kind is
    /// taken meanwhile.
    pub(crate) unstored: AtomicU32,
    /// Requests of all listeners; shared with who watches how busy the server is.
    pub(crate) requests: Arc<RequestCount>,
    pub(crate) descriptions: Descriptions,
}

impl Controller {
    /// Puts a controller together. It answers and sends nothing by itself.
    #[must_use]
    pub fn new(
        config: ControllerConfig,
        stores: Stores,
        bus: Arc<dyn MessageBus>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let balancer = LoadBalancer::new(Arc::clone(&bus), config.invoker.clone());
        Self {
            authenticator: Authenticator::new(stores.subjects, Arc::clone(&clock)),
            entities: EntityStore::new(stores.artifacts),
            activations: stores.activations,
            balancer,
            invocations: RateThrottle::default(),
            fires: RateThrottle::default(),
            config,
            clock,
            bus,
            rules: NamespaceLocks::default(),
            packages: NamespaceLocks::default(),
            tasks: TaskTracker::new(),
            unstored: AtomicU32::new(0),
            requests: Arc::default(),
            descriptions: Descriptions::default(),
        }
    }

    /// Returns the count of the requests that are answered.
    #[must_use]
    pub fn request_count(&self) -> Arc<RequestCount> {
        Arc::clone(&self.requests)
    }

    /// Makes changes of subjects, keys and limits hold for the next request. Without it they hold within a second.
    pub fn forget_identities(&self) {
        self.authenticator.forget();
    }

    /// Waits for the sequences and compositions that are being carried out. Nothing new may be asked for any more.
    pub async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Receives acknowledgements until the bus ends.
    ///
    /// # Errors
    /// [`BusError`] if the topic of this controller cannot be read.
    pub async fn run(&self) -> Result<(), BusError> {
        let acks = self.bus.acknowledgements(&self.config.id).await?;
        self.balancer.run(acks).await;
        Ok(())
    }
}
