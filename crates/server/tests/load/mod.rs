//! Requests without pause from many tasks, and what each of them was promised.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use oxwhisk_testing::User;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const TASKS: u32 = 16;
/// Steps of one task in one round; they bound what is to be run afterwards.
const STEPS: u32 = 40;

/// An HTTP server that counts the requests for each path.
#[derive(Debug, Clone)]
pub(crate) struct Counter {
    pub(crate) port: u16,
    counts: Arc<Mutex<HashMap<String, usize>>>,
}

impl Counter {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let counter = Self {
            port: listener.local_addr().unwrap().port(),
            counts: Arc::default(),
        };
        let counts = Arc::clone(&counter.counts);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(count(stream, Arc::clone(&counts)));
            }
        });
        counter
    }

    /// Returns how often an activation has run.
    pub(crate) fn runs(&self, id: &str) -> usize {
        self.counts.lock().unwrap().get(id).copied().unwrap_or(0)
    }

    pub(crate) fn total(&self) -> usize {
        self.counts.lock().unwrap().values().sum()
    }
}

async fn count(stream: TcpStream, counts: Arc<Mutex<HashMap<String, usize>>>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    // A container that dies closes its connection at any point.
    if stream.read_line(&mut line).await.is_err() {
        return;
    }
    let Some(path) = line.split(' ').nth(1) else {
        return;
    };
    *counts
        .lock()
        .unwrap()
        .entry(path.trim_start_matches('/').to_owned())
        .or_default() += 1;
    let _ = stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .await;
}

/// What was promised so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Load(Arc<Mutex<Promises>>);

#[derive(Debug, Default)]
struct Promises {
    accepted: Vec<String>,
    entities: HashMap<String, Entity>,
}

/// The value of an entity, a number; `None` where there is none.
#[derive(Debug, Default, Clone)]
struct Entity {
    acknowledged: Option<u32>,
    /// What was sent since then without an answer, each of which may have been stored.
    uncertain: Vec<Option<u32>>,
}

/// The tasks of one round.
#[derive(Debug)]
pub(crate) struct Working(JoinSet<()>);

impl Working {
    /// Waits until all tasks have noticed that the server is gone.
    pub(crate) async fn ended(mut self) {
        while let Some(ended) = self.0.join_next().await {
            ended.unwrap();
        }
    }
}

impl Load {
    pub(crate) fn start(&self, user: &User, port: u16, round: u32) -> Working {
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            let (load, user) = (self.clone(), user.clone());
            tasks.spawn(async move {
                for step in 0..STEPS {
                    if !load.step(&user, port, (round, task, step)).await {
                        return;
                    }
                }
            });
        }
        Working(tasks)
    }

    pub(crate) fn accepted(&self) -> Vec<String> {
        self.0.lock().unwrap().accepted.clone()
    }

    /// One activation and one change of an entity; false once the server does not answer.
    async fn step(&self, user: &User, port: u16, (round, task, step): (u32, u32, u32)) -> bool {
        let wait = if step % 5 == 4 {
            "?blocking=true&timeout=1"
        } else {
            ""
        };
        let path = format!("/api/v1/namespaces/_/actions/counted{wait}");
        let arguments = json!({"port": port, "ms": step % 3 * 10});
        let Ok(answer) = user.client().post(&path, &arguments).await else {
            return false;
        };
        match answer.status() {
            202 => {
                let id = answer.json().unwrap()["activationId"]
                    .as_str()
                    .unwrap()
                    .to_owned();
                self.0.lock().unwrap().accepted.push(id);
            }
            // The wait did not elapse, or the server is shutting down.
            200 | 503 => {}
            status => panic!("{path}: {status} {}", answer.text()),
        }
        let number = round * STEPS + step;
        let name = format!("t{task}-{}", number % 7);
        let value = (step % 4 != 3).then_some(number);
        self.change(user, &name, value).await
    }

    async fn change(&self, user: &User, name: &str, value: Option<u32>) -> bool {
        let path = format!("/api/v1/namespaces/_/triggers/{name}?overwrite=true");
        let may_be_absent = {
            let mut promises = self.0.lock().unwrap();
            let entity = promises.entities.entry(name.to_owned()).or_default();
            let absent = entity.acknowledged.is_none() || entity.uncertain.contains(&None);
            entity.uncertain.push(value);
            absent
        };
        let answer = match value {
            Some(value) => {
                let parameters = json!({"parameters": [{"key": "number", "value": value}]});
                user.client().put(&path, &parameters).await
            }
            None => user.client().delete(&path).await,
        };
        let Ok(answer) = answer else { return false };
        match (answer.status(), value) {
            (200, _) => {}
            (404, None) => assert!(may_be_absent, "{name} was acknowledged and is missing"),
            (status, _) => panic!("{path}: {status} {}", answer.text()),
        }
        let acknowledged = Entity {
            acknowledged: value,
            uncertain: Vec::new(),
        };
        let mut promises = self.0.lock().unwrap();
        promises.entities.insert(name.to_owned(), acknowledged);
        true
    }

    /// Checks that each entity is as acknowledged last, or as sent without an answer after that.
    pub(crate) async fn check_entities(&self, user: &User) {
        let entities = self.0.lock().unwrap().entities.clone();
        for (name, entity) in entities {
            let path = format!("/api/v1/namespaces/_/triggers/{name}");
            let answer = user.client().get(&path).await.unwrap();
            let found = match answer.status() {
                200 => Some(answer.json().unwrap()["parameters"][0]["value"].clone()),
                404 => None,
                status => panic!("{path}: {status} {}", answer.text()),
            };
            let mut possible = std::iter::once(&entity.acknowledged).chain(&entity.uncertain);
            let fits = possible.any(|value| value.map(Value::from) == found);
            assert!(fits, "{name} is {found:?} and should be {entity:?}");
        }
    }
}
