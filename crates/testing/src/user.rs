//! A user whom the platform serves as it should.
#![expect(
    clippy::panic,
    reason = "the wrong answer to a user fails the test that it belongs to"
)]

use std::time::Duration;

use serde_json::{Value, json};

use crate::{RestAnswer, RestClient, eventually};

/// How long a record may take to appear.
const PATIENCE: Duration = Duration::from_secs(60);
/// Most records that one request lists.
const PAGE: usize = 200;

/// Works with the actions of one namespace. Whatever is not the expected answer panics and names it.
#[derive(Debug, Clone)]
pub struct User {
    client: RestClient,
}

impl User {
    /// Acts with the key of `client`.
    #[must_use]
    pub fn new(client: RestClient) -> Self {
        Self { client }
    }

    /// Returns the client below.
    #[must_use]
    pub fn client(&self) -> &RestClient {
        &self.client
    }

    /// Stores an action; `limits` as in the API, for example `{"timeout": 1000}`.
    ///
    /// # Panics
    /// If the answer is not 200.
    pub async fn put_action(&self, name: &str, kind: &str, code: &str, limits: Value) {
        let action = json!({"exec": {"kind": kind, "code": code}, "limits": limits});
        let path = format!("/api/v1/namespaces/_/actions/{name}?overwrite=true");
        expect(self.client.put(&path, &action).await, 200, &path);
    }

    /// Invokes an action, waits for its end, and returns whatever the answer is.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn invoke(&self, name: &str, arguments: &Value) -> RestAnswer {
        let path = format!("/api/v1/namespaces/_/actions/{name}?blocking=true");
        match self.client.post(&path, arguments).await {
            Ok(answer) => answer,
            Err(fault) => panic!("{path}: {fault:?}"),
        }
    }

    /// Invokes an action and returns its result.
    ///
    /// # Panics
    /// If the answer is not 200 with JSON.
    pub async fn result(&self, name: &str, arguments: &Value) -> Value {
        let path = format!("/api/v1/namespaces/_/actions/{name}?blocking=true&result=true");
        expect(self.client.post(&path, arguments).await, 200, &path)
    }

    /// Invokes an action without waiting and returns the id of the activation.
    ///
    /// # Panics
    /// If the answer is not 202 with an id.
    pub async fn accept(&self, name: &str, arguments: &Value) -> String {
        let path = format!("/api/v1/namespaces/_/actions/{name}");
        let accepted = expect(self.client.post(&path, arguments).await, 202, &path);
        id_of(&accepted, &path)
    }

    /// Returns the record of an activation once it is there.
    ///
    /// # Panics
    /// If it is not there within a minute.
    pub async fn record(&self, id: &str) -> Value {
        let path = format!("/api/v1/namespaces/_/activations/{id}");
        let found = eventually(PATIENCE, async || {
            let answer = self.client.get(&path).await.ok()?;
            (answer.status() == 200).then(|| answer.json().ok())?
        });
        match found.await {
            Ok(record) => record,
            Err(fault) => panic!("no record of activation {id}: {fault}"),
        }
    }

    /// Returns the ids of all records, newest first, as the lists show them page by page.
    ///
    /// # Panics
    /// If an answer is not a list.
    pub async fn listed(&self) -> Vec<String> {
        let mut ids = Vec::new();
        loop {
            let path = format!(
                "/api/v1/namespaces/_/activations?limit={PAGE}&skip={}",
                ids.len()
            );
            let page = expect(self.client.get(&path).await, 200, &path);
            let Some(page) = page.as_array() else {
                panic!("{path}: {page} is not a list")
            };
            ids.extend(page.iter().map(|entry| id_of(entry, &path)));
            if page.len() < PAGE {
                return ids;
            }
        }
    }
}

fn id_of(answer: &Value, path: &str) -> String {
    match answer.get("activationId").and_then(Value::as_str) {
        Some(id) => id.to_owned(),
        None => panic!("{path}: {answer} names no activation"),
    }
}

fn expect(answer: Result<RestAnswer, crate::RestError>, status: u16, path: &str) -> Value {
    let answer = match answer {
        Ok(answer) if answer.status() == status => answer,
        Ok(answer) => panic!("{path}: {} {}", answer.status(), answer.text()),
        Err(fault) => panic!("{path}: {fault:?}"),
    };
    match answer.json() {
        Ok(json) => json,
        Err(fault) => panic!("{path}: {fault}"),
    }
}
