//! A running controller and the invoker that tests play.

use std::net::{Ipv4Addr, SocketAddr};
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
    ActivationStore as _, ArtifactQuery, ArtifactStore, Document, DocumentId, NewDocument, Page,
    Revision, StoreError, Subject, SubjectNamespace, SubjectStore as _,
};
use oxwhisk_testing::RestClient;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

/// A current kind, a deprecated one, one that wants `main`, and one whose code is no attachment.
const KINDS: &[u8] =
    br#"{"runtimes":{"nodejs":[{"kind":"nodejs:20","image":{"name":"n"},"default":true,
    "attached":{"attachmentName":"c","attachmentType":"text/plain"}},
    {"kind":"nodejs:18","image":{"name":"n"},"deprecated":true,
    "attached":{"attachmentName":"c","attachmentType":"text/plain"}}],
    "java":[{"kind":"java:8","image":{"name":"j"},"requireMain":true,
    "attached":{"attachmentName":"c","attachmentType":"text/plain"}}],
    "plain":[{"kind":"plain:1","image":{"name":"p"}}]}}"#;

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

/// The path of something in the caller's namespace.
pub(crate) fn path(rest: &str) -> String {
    format!("/api/v1/namespaces/_/{rest}")
}

/// A controller that serves until it is dropped.
pub(crate) struct Harness {
    pub(crate) client: RestClient,
    pub(crate) address: SocketAddr,
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
        let stores = |store: EmbeddedStore| Stores {
            artifacts: artifacts(store.clone()),
            activations: Arc::new(store.clone()),
            subjects: Arc::new(store),
        };
        Self::start_on(limits, stores).await
    }

    /// Starts a controller on these stores.
    pub(crate) async fn start_on(
        limits: Limits,
        stores: impl FnOnce(EmbeddedStore) -> Stores,
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
        let stores = stores(store.clone());
        let clock = Arc::new(ManualClock(AtomicU64::new(1_700_000_000_000)));
        let controller = Controller::new(
            config,
            stores,
            Arc::new(bus.clone()),
            Arc::<ManualClock>::clone(&clock),
        );
        let controller = Arc::new(controller);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("http://{address}");
        let (stop, stopped) = watch::channel(false);
        tokio::spawn({
            let controller = Arc::clone(&controller);
            async move { controller.run().await }
        });
        tokio::spawn(controller.serve(listener, Origin::Client, stopped));
        let client = RestClient::new(&url, &format!("{uuid}:{key}"));
        Self {
            client,
            address,
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

    /// Writes new entities of the caller's namespace, each by its path there.
    pub(crate) async fn put_all<T: AsRef<str>>(
        &self,
        entities: impl IntoIterator<Item = (T, Value)>,
    ) {
        for (rest, body) in entities {
            let rest = rest.as_ref();
            let answer = self.client.put(&path(rest), &body).await.unwrap();
            assert_eq!(answer.status(), 200, "{rest}: {}", answer.text());
        }
    }

    /// Makes the kind of an action one that is deprecated; the controller must not have read it yet.
    pub(crate) async fn deprecate(&self, name: &str) {
        self.change_stored(&format!("guest/{name}"), |text| {
            let text = text.replace("nodejs:20", "nodejs:18");
            Json::parse(text.as_bytes()).unwrap()
        })
        .await;
    }

    /// Turns an action into a sequence behind the controller's back; the controller must not have read it yet.
    pub(crate) async fn make_sequence(&self, name: &str, component: &str) {
        let component = FullyQualifiedName::parse(&format!("guest/{component}")).unwrap();
        self.change_stored(&format!("guest/{name}"), |text| {
            let mut action: WhiskAction = serde_json::from_str(text).unwrap();
            action.exec = Exec::Sequence(vec![component]);
            Json::of(&action)
        })
        .await;
    }

    /// Changes the document `ns/[pkg/]name` behind the controller's back; the controller must not have read it yet.
    pub(crate) async fn change_stored(&self, id: &str, change: impl FnOnce(&str) -> Json) {
        let id = DocumentId::from(id);
        let document = ArtifactStore::get(&self.store, &id).await.unwrap().unwrap();
        let changed = NewDocument {
            id,
            collection: document.collection,
            path: EntityPath::new("guest").unwrap(),
            updated: 1,
            public: false,
            body: change(document.body.text()),
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
        let result = Json::parse(result.as_bytes()).unwrap();
        self.complete_with(delivery, ActivationResponse::success(Some(result), None))
            .await;
    }

    /// Answers an activation that may have failed.
    pub(crate) async fn complete_with(
        &self,
        delivery: &dyn Delivery,
        response: ActivationResponse,
    ) {
        let record = Arc::new(record(delivery.message(), response));
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

/// The record of an activation that ended so.
pub(crate) fn record(message: &ActivationMessage, response: ActivationResponse) -> WhiskActivation {
    WhiskActivation {
        namespace: EntityPath::from(&message.user.namespace.name),
        name: message.action.name.clone(),
        subject: message.user.subject.clone(),
        activation_id: message.activation_id,
        start: message.transid.start_ms,
        end: message.transid.start_ms + 1,
        cause: message.cause,
        response,
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
