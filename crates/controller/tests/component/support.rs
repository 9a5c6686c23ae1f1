//! A running controller and the invoker that tests play.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use oxwhisk_bus::embedded::{EmbeddedBus, EmbeddedConfig, MemoryJournal};
use oxwhisk_bus::{
    Acknowledgement, ActivationFeed, ActivationMessage, ControllerId, Delivery, InvokerId,
    MessageBus,
};
use oxwhisk_controller::{
    ApiHosts, BuildInfo, Clock, Controller, ControllerConfig, DEFAULT_BLOCKING_WAIT, FeatureFlags,
    Limits, Origin, Stores,
};
use oxwhisk_entity::{
    ActivationResponse, EntityPath, Exec, ExecManifest, FullyQualifiedName, Json, Parameters,
    RecordKeeping, SemVer, WhiskAction, WhiskActivation,
};
use oxwhisk_store::embedded::{EmbeddedConfig as StoreConfig, EmbeddedStore};
use oxwhisk_store::{
    ActivationStore as _, ArtifactQuery, ArtifactStore, Collection, Document, DocumentId,
    NewDocument, Page, Revision, StoreError, Subject, SubjectNamespace, SubjectStore as _,
};
use oxwhisk_testing::RestClient;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

const KINDS: &[u8] = br#"{"runtimes":{"nodejs":[{"kind":"nodejs:20","image":{"name":"n"},
    "attached":{"attachmentName":"c","attachmentType":"text/plain"}}]}}"#;

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub(crate) struct ManualClock(AtomicU64);

impl ManualClock {
    pub(crate) fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn epoch_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A controller that serves until it is dropped.
pub(crate) struct Harness {
    pub(crate) client: RestClient,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) journal: MemoryJournal,
    pub(crate) store: EmbeddedStore,
    bus: EmbeddedBus,
    invoker: InvokerId,
    _stop: watch::Sender<bool>,
}

impl Harness {
    pub(crate) async fn start(limits: Limits) -> Self {
        Self::start_over(limits, |store| Arc::new(store)).await
    }

    /// Starts a controller whose entities are where `artifacts` puts them.
    pub(crate) async fn start_over(
        limits: Limits,
        artifacts: impl FnOnce(EmbeddedStore) -> Arc<dyn ArtifactStore>,
    ) -> Self {
        let store = EmbeddedStore::in_memory(StoreConfig::default()).unwrap();
        let (uuid, key) = ("u-1".to_owned(), "k".repeat(64));
        let namespace = SubjectNamespace {
            name: "guest".to_owned(),
            uuid: uuid.clone(),
            key: key.clone(),
        };
        let subject = Subject {
            subject: "guest".to_owned(),
            namespaces: vec![namespace],
            blocked: false,
        };
        store.put_subject(&subject).await.unwrap();
        let journal = MemoryJournal::default();
        let bus = EmbeddedBus::open(EmbeddedConfig::default(), Arc::new(journal.clone()))
            .await
            .unwrap();
        let invoker = InvokerId {
            instance: 0,
            unique_name: None,
            user_memory: "1 B".to_owned(),
        };
        let config = ControllerConfig {
            id: ControllerId("0".into()),
            invoker: invoker.clone(),
            limits,
            features: FeatureFlags::default(),
            records: RecordKeeping::default(),
            max_blocking_wait: DEFAULT_BLOCKING_WAIT,
            manifest: ExecManifest::parse(KINDS).unwrap(),
            build: BuildInfo {
                date: String::new(),
                number: String::new(),
            },
            api_hosts: ApiHosts::from_iter(["localhost".parse().unwrap()]),
        };
        let stores = Stores {
            artifacts: artifacts(store.clone()),
            activations: Arc::new(store.clone()),
            subjects: Arc::new(store.clone()),
        };
        let clock = Arc::new(ManualClock(AtomicU64::new(1_700_000_000_000)));
        let controller = Controller::new(
            config,
            stores,
            Arc::new(bus.clone()),
            Arc::<ManualClock>::clone(&clock),
        );
        let controller = Arc::new(controller);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = watch::channel(false);
        tokio::spawn({
            let controller = Arc::clone(&controller);
            async move { controller.run().await }
        });
        tokio::spawn(controller.serve(listener, Origin::Client, stopped));
        let client = RestClient::new(&url, &format!("{uuid}:{key}"));
        Self {
            client,
            clock,
            journal,
            store,
            bus,
            invoker,
            _stop: stop,
        }
    }

    /// A client with the key of another subject, whose namespace is `elsewhere`.
    pub(crate) async fn stranger(&self) -> RestClient {
        let (uuid, key) = ("u-2".to_owned(), "s".repeat(64));
        let credentials = format!("{uuid}:{key}");
        let namespace = SubjectNamespace {
            name: "elsewhere".to_owned(),
            uuid,
            key,
        };
        let subject = Subject {
            subject: "stranger".to_owned(),
            namespaces: vec![namespace],
            blocked: false,
        };
        self.store.put_subject(&subject).await.unwrap();
        self.client.with_key(&credentials)
    }

    /// Turns an action into a sequence behind the controller's back; the controller must not have read it yet.
    pub(crate) async fn make_sequence(&self, name: &str, component: &str) {
        let id = DocumentId::from(format!("guest/{name}").as_str());
        let document = ArtifactStore::get(&self.store, &id).await.unwrap().unwrap();
        let mut action: WhiskAction = serde_json::from_str(document.body.text()).unwrap();
        action.exec = Exec::Sequence(vec![
            FullyQualifiedName::parse(&format!("guest/{component}")).unwrap(),
        ]);
        let changed = NewDocument {
            id,
            collection: Collection::Actions,
            path: action.namespace.clone(),
            updated: action.updated,
            public: false,
            body: Json::of(&action),
            replaces: Some(document.revision),
            attachment: None,
            keep_attachments: false,
        };
        self.store.put(changed).await.unwrap();
    }

    /// The invoker's end of the bus.
    pub(crate) async fn feed(&self) -> Box<dyn ActivationFeed> {
        self.bus.activations(&self.invoker).await.unwrap()
    }

    /// Answers an activation as an invoker does: result, record, completion.
    pub(crate) async fn complete(&self, delivery: &dyn Delivery, result: &str) {
        let record = Arc::new(record(delivery.message(), result));
        self.send(Acknowledgement::Result(Arc::clone(&record)))
            .await;
        self.store.store(Arc::clone(&record)).await.unwrap();
        self.journal.record_stored(record.activation_id);
        self.send(Acknowledgement::Completion {
            activation_id: record.activation_id,
            invoker: self.invoker.clone(),
            is_system_error: false,
        })
        .await;
    }

    /// Completes an activation whose result was lost on the way.
    pub(crate) async fn complete_without_result(&self, delivery: &dyn Delivery) {
        self.send(Acknowledgement::Completion {
            activation_id: delivery.message().activation_id,
            invoker: self.invoker.clone(),
            is_system_error: true,
        })
        .await;
    }

    pub(crate) async fn send(&self, ack: Acknowledgement) {
        self.bus
            .acknowledge(&ControllerId("0".into()), ack)
            .await
            .unwrap();
    }
}

/// The record of an activation that gave a result.
pub(crate) fn record(message: &ActivationMessage, result: &str) -> WhiskActivation {
    WhiskActivation {
        namespace: EntityPath::from(&message.user.namespace.name),
        name: message.action.name.clone(),
        subject: message.user.subject.clone(),
        activation_id: message.activation_id,
        start: message.transid.start_ms,
        end: message.transid.start_ms + 1,
        cause: message.cause,
        response: ActivationResponse::success(Some(Json::parse(result.as_bytes()).unwrap()), None),
        logs: Vec::new(),
        version: SemVer::FIRST,
        publish: false,
        annotations: Parameters::default(),
        duration: Some(1),
    }
}

/// An entity store whose deletes wait until they are let go.
#[derive(Debug)]
pub(crate) struct HeldDeletes {
    pub(crate) store: EmbeddedStore,
    /// Gets a permit with each delete that waits.
    pub(crate) waiting: Semaphore,
    /// Takes a permit for each delete that may go on.
    pub(crate) let_go: Semaphore,
}

impl HeldDeletes {
    pub(crate) fn new(store: EmbeddedStore) -> Self {
        Self {
            store,
            waiting: Semaphore::new(0),
            let_go: Semaphore::new(0),
        }
    }
}

#[async_trait]
impl ArtifactStore for HeldDeletes {
    async fn get(&self, id: &DocumentId) -> Result<Option<Document>, StoreError> {
        ArtifactStore::get(&self.store, id).await
    }

    async fn put(&self, document: NewDocument) -> Result<Revision, StoreError> {
        self.store.put(document).await
    }

    async fn delete(&self, id: &DocumentId, revision: &Revision) -> Result<(), StoreError> {
        self.waiting.add_permits(1);
        self.let_go.acquire().await.unwrap().forget();
        self.store.delete(id, revision).await
    }

    async fn list(&self, query: &ArtifactQuery) -> Result<Page<Document, DocumentId>, StoreError> {
        ArtifactStore::list(&self.store, query).await
    }

    async fn count(&self, query: &ArtifactQuery) -> Result<u64, StoreError> {
        ArtifactStore::count(&self.store, query).await
    }

    async fn attachment(&self, id: &DocumentId, name: &str) -> Result<Bytes, StoreError> {
        self.store.attachment(id, name).await
    }
}
