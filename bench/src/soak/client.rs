//! One client: what it sends, and what it awaits.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fastrand::Rng;
use oxwhisk_testing::{RestAnswer, RestClient, TestServer, eventually};
use serde_json::Value;

use super::ledger::Ledger;
use super::own::Own;

pub(super) const NAMESPACE: &str = "/api/v1/namespaces/_";
/// How long the record of an accepted activation may take, all that waits before it included.
const RECORD_PATIENCE: Duration = Duration::from_secs(180);
/// So many identifiers are kept before the oldest is looked up.
const KEPT: usize = 8;

/// What an activation must have come to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expected {
    /// Success with this result.
    Result(Value),
    /// A failure of the action with this `error`.
    Failure(Value),
    /// The record of a trigger with so many rules that were active.
    Firing { rules: usize },
    /// A sequence or composition with this result; its record names so many steps.
    Composite { result: Value, steps: usize },
}

/// A client with entities of its own.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) rest: RestClient,
    pub(super) authority: String,
    pub(super) authorization: String,
    pub(super) number: usize,
    pub(super) random: Rng,
    pub(super) own: Own,
    pub(super) ledger: Arc<Ledger>,
    accepted: VecDeque<(String, Expected)>,
}

impl Client {
    pub(super) fn new(server: &TestServer, number: usize, seed: u64, ledger: Arc<Ledger>) -> Self {
        Self {
            rest: server.client(),
            authority: server.url().trim_start_matches("http://").to_owned(),
            authorization: format!("Basic {}", STANDARD.encode(server.guest_key())),
            number,
            random: Rng::with_seed(seed.wrapping_add(number as u64)),
            own: Own::default(),
            ledger,
            accepted: VecDeque::new(),
        }
    }

    /// Sends requests until the end, then looks up what was accepted.
    pub(super) async fn work(mut self, end: Instant) {
        while Instant::now() < end {
            match self.random.u8(0..100) {
                0..30 => self.use_own_entities().await,
                30..75 => self.use_shared_actions().await,
                75..85 => self.list_something().await,
                85..95 => self.send_something_bad().await,
                _ => self.go_away().await,
            }
            if self.accepted.len() > KEPT {
                self.look_up_oldest().await;
            }
        }
        while !self.accepted.is_empty() {
            self.look_up_oldest().await;
        }
        self.remove_own_entities().await;
    }

    /// Sends a request with a JSON body, or none; an answer with another status than these is a fault. Returns the
    /// answer if it is allowed.
    pub(super) async fn call(
        &self,
        kind: &'static str,
        (method, path): (&str, &str),
        body: Option<&Value>,
        allowed: &[u16],
    ) -> Option<RestAnswer> {
        let begin = Instant::now();
        let json = [("content-type", "application/json")];
        let headers: &[(&str, &str)] = if body.is_some() { &json } else { &[] };
        let body = body.map(|body| body.to_string().into_bytes());
        let answer = match self.rest.send(method, path, headers, body).await {
            Ok(answer) => answer,
            Err(error) => {
                self.ledger.fault(format!("{method} {path}: {error:?}"));
                return None;
            }
        };
        let status = answer.status();
        self.ledger.answered(kind, status, begin.elapsed());
        if allowed.contains(&status) {
            return Some(answer);
        }
        self.ledger.fault(format!(
            "{method} {path}: {status}, not one of {allowed:?}: {}",
            answer.text().chars().take(500).collect::<String>()
        ));
        None
    }

    /// The same, for answers that are JSON.
    pub(super) async fn json(
        &self,
        kind: &'static str,
        request: (&str, &str),
        body: Option<&Value>,
        allowed: &[u16],
    ) -> Option<(u16, Value)> {
        let answer = self.call(kind, request, body, allowed).await?;
        match answer.json() {
            Ok(json) => Some((answer.status(), json)),
            Err(error) => {
                self.ledger
                    .fault(format!("{} {}: {error:?}", request.0, request.1));
                None
            }
        }
    }

    /// Notes a fault unless two values are the same.
    pub(super) fn expect(&self, what: &str, found: &Value, expected: &Value) {
        if found != expected {
            self.ledger
                .fault(format!("{what}: {found} and not {expected}"));
        }
    }

    /// Keeps the identifier of an answer to be looked up later.
    pub(super) fn accept(&mut self, what: &str, answer: &Value, expected: Expected) {
        match answer.get("activationId").and_then(Value::as_str) {
            Some(id) => self.accepted.push_back((id.to_owned(), expected)),
            None => self
                .ledger
                .fault(format!("{what}: no identifier in {answer}")),
        }
    }

    async fn look_up_oldest(&mut self) {
        let Some((id, expected)) = self.accepted.pop_front() else {
            return;
        };
        let path = format!("{NAMESPACE}/activations/{id}");
        let found = eventually(RECORD_PATIENCE, async || {
            let found = self
                .json("record", ("GET", &path), None, &[200, 404])
                .await?;
            (found.0 == 200).then_some(found.1)
        });
        let Ok(record) = found.await else {
            return self.ledger.fault(format!("no record of {id}"));
        };
        self.ledger.record_checked();
        if let Err(text) = check(&record, &expected) {
            self.ledger
                .fault(format!("record {id}: {text}, not {expected:?}: {record}"));
        }
    }
}

fn check(record: &Value, expected: &Expected) -> Result<(), &'static str> {
    let response = |path: &str| record.pointer(&format!("/response/{path}"));
    let logs = record.get("logs").and_then(Value::as_array);
    let lines = logs.ok_or("no logs")?;
    let holds = |holds: bool, text| if holds { Ok(()) } else { Err(text) };
    match expected {
        Expected::Result(result) => {
            holds(response("success") == Some(&true.into()), "no success")?;
            holds(response("result") == Some(result), "another result")
        }
        Expected::Failure(error) => {
            holds(response("success") == Some(&false.into()), "no failure")?;
            holds(response("result/error") == Some(error), "another error")
        }
        Expected::Firing { rules } => {
            let entries = lines.iter().filter(|line| {
                line.as_str()
                    .is_some_and(|text| text.contains("\"success\":true"))
            });
            holds(entries.count() == *rules, "another number of rules")
        }
        Expected::Composite { result, steps } => {
            holds(response("result") == Some(result), "another result")?;
            holds(lines.len() == *steps, "another number of steps")
        }
    }
}
