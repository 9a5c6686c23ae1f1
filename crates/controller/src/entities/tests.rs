use std::sync::Mutex as StdMutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use async_trait::async_trait;
use oxwhisk_entity::{EntityName, EntityPath, Parameters, SemVer};
use oxwhisk_store::embedded::{EmbeddedConfig, EmbeddedStore};
use oxwhisk_store::{Page, Scope};
use tokio::sync::Semaphore;

use super::*;

/// How long a read waits for the serving thread before it fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads of single documents go on only when they are told to.
#[derive(Debug)]
struct HeldUp {
    store: EmbeddedStore,
    /// Gets a permit with each read that waits.
    waiting: Arc<Semaphore>,
    go_on: StdMutex<Receiver<()>>,
}

#[async_trait]
impl ArtifactStore for HeldUp {
    async fn get(&self, id: &DocumentId) -> Result<Option<Document>, StoreError> {
        self.waiting.add_permits(1);
        let told = self.go_on.lock().unwrap().recv_timeout(PATIENCE);
        told.map_err(|error| StoreError::Unavailable(error.into()))?;
        ArtifactStore::get(&self.store, id).await
    }

    async fn put(&self, document: NewDocument) -> Result<Revision, StoreError> {
        self.store.put(document).await
    }

    async fn delete(&self, id: &DocumentId, revision: &Revision) -> Result<(), StoreError> {
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

fn store() -> EmbeddedStore {
    EmbeddedStore::in_memory(EmbeddedConfig::default()).unwrap()
}

/// A public package of some 300 KB.
fn package(number: u64) -> WhiskPackage {
    let note = Json::from("x".repeat(300_000).as_str());
    WhiskPackage {
        namespace: EntityPath::from(&EntityName::new("guest").unwrap()),
        name: EntityName::new(&format!("p{number}")).unwrap(),
        binding: None,
        parameters: Parameters::default().with("note", note),
        version: SemVer::FIRST,
        publish: true,
        annotations: Parameters::default(),
        updated: number,
    }
}

fn query(only_public: bool) -> ArtifactQuery {
    ArtifactQuery {
        collection: Collection::Packages,
        scope: Scope::Namespace("guest".to_owned()),
        skip: 0,
        limit: 0,
        only_public,
    }
}

async fn put_packages(entities: &EntityStore, count: u64) {
    for number in 1..=count {
        let package = WhiskEntity::Package(package(number));
        entities.put(package, None).await.unwrap();
    }
}

/// On one thread, as the server runs: each read is told to go on by what that thread does meanwhile.
#[tokio::test]
async fn others_are_served_while_much_is_collected() {
    let (sender, receiver): (SyncSender<()>, _) = sync_channel(8);
    let waiting = Arc::new(Semaphore::new(0));
    let entities = EntityStore::new(Arc::new(HeldUp {
        store: store(),
        waiting: Arc::clone(&waiting),
        go_on: StdMutex::new(receiver),
    }));
    put_packages(&entities, 8).await;
    let query = query(false);
    let collecting = entities.collect(&query, |package: WhiskPackage| package.name);
    let serving = async {
        loop {
            waiting.acquire().await.unwrap().forget();
            sender.send(()).unwrap();
        }
    };
    let names = tokio::select! {
        names = collecting => names,
        () = serving => unreachable!("it has no end"),
    };
    let names: Vec<String> = names.unwrap().iter().map(ToString::to_string).collect();
    let expected: Vec<String> = (1..=8).rev().map(|number| format!("p{number}")).collect();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn what_is_made_private_while_a_list_is_sent_is_not_shown() {
    for only_public in [true, false] {
        let entities = EntityStore::new(Arc::new(store()));
        put_packages(&entities, 8).await;
        let show = |package: &WhiskPackage| Json::from(package.name.as_str());
        let list = entities.list(&query(only_public), show).await.unwrap();
        let name = package(1).qualified_name();
        let stored = entities.require::<WhiskPackage>(&name).await;
        let Stored { entity, revision } = stored.unwrap();
        let private = WhiskPackage {
            publish: false,
            ..entity
        };
        let private = WhiskEntity::Package(private);
        entities.put(private, Some(revision)).await.unwrap();
        let mut shown = list.first;
        for element in list.rest {
            shown.extend(element.await.unwrap());
        }
        let expected = if only_public { 7 } else { 8 };
        assert_eq!(shown.len(), expected);
        assert_eq!(shown.contains(&Json::from("p1")), !only_public);
    }
}
