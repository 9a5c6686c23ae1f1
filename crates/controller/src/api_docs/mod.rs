//! What the server answers, told in OpenAPI 2.0, the form in which OpenWhisk tells it.
//!
//! `api.json` describes what is below `/api/v1`, `server.json` the rest. Both are kept by hand beside the router, whose
//! tests hold them against each other.

use std::sync::OnceLock;

use oxwhisk_entity::{Bound, Json};
use serde_json::{Map, Value, json};

use crate::config::ControllerConfig;

/// The REST API.
const API: &str = include_str!("api.json");
/// The server's own endpoints.
const SERVER: &str = include_str!("server.json");
/// A page that shows the document that its parameter `url` names, for people.
pub(crate) const PAGE: &str = include_str!("page.html");

/// The paths whose writes and removals may answer without the entity (rest-api §15).
const WRITTEN: [&str; 3] = [
    "/namespaces/{namespace}/actions/{name}",
    "/namespaces/{namespace}/actions/{package}/{name}",
    "/namespaces/{namespace}/packages/{name}",
];

/// The descriptions of one server, made when they are first asked for: that takes longer than most requests, and
/// everybody may ask.
#[derive(Debug, Default)]
pub(crate) struct Descriptions {
    api: OnceLock<Json>,
    server: OnceLock<Json>,
}

impl Descriptions {
    /// Returns the description of the REST API.
    pub(crate) fn api(&self, config: &ControllerConfig) -> Json {
        self.api.get_or_init(|| api(config)).clone()
    }

    /// Returns the description of the server's own endpoints.
    pub(crate) fn server(&self) -> Json {
        self.server
            .get_or_init(|| Json::of(&parsed(SERVER)))
            .clone()
    }
}

/// Describes the REST API with the kinds, limits and feature flags of this server filled in.
fn api(config: &ControllerConfig) -> Json {
    let mut document = parsed(API);
    let limits = &config.limits.action;
    for (name, bound) in [
        ("timeout", limits.timeout),
        ("memory", limits.memory),
        ("logs", limits.logs),
        ("concurrency", limits.concurrency),
    ] {
        let Bound { min, max } = bound;
        let place = format!("/definitions/LimitsInput/properties/{name}");
        fill(&mut document, &format!("{place}/minimum"), json!(min));
        fill(&mut document, &format!("{place}/maximum"), json!(max));
    }
    fill(
        &mut document,
        "/definitions/ExecInput/properties/kind/enum",
        kinds(config).into(),
    );
    fill_wait(&mut document, config);
    if !config.features.require_response_payload {
        for path in WRITTEN {
            leave_payload_out(&mut document, path);
        }
    }
    Json::of(&document)
}

/// How long an invocation may be waited for, where that can be asked for: in both forms of an action's path. Where nothing
/// is waited for, nothing can be asked for.
fn fill_wait(document: &mut Value, config: &ControllerConfig) {
    let max_ms = u64::try_from(config.max_blocking_wait.as_millis()).unwrap_or(u64::MAX);
    let is_wait = |parameter: &Value| parameter.get("name") == Some(&json!("timeout"));
    for path in WRITTEN {
        let parameters =
            operation(document, path, "post").and_then(|post| post.get_mut("parameters"));
        let Some(parameters) = parameters.and_then(Value::as_array_mut) else {
            continue;
        };
        parameters.retain(|parameter| max_ms > 0 || !is_wait(parameter));
        for parameter in parameters.iter_mut().filter(|parameter| is_wait(parameter)) {
            fill(parameter, "/maximum", json!(max_ms));
            fill(parameter, "/default", json!(max_ms));
        }
    }
}

/// A write answers a text, a removal nothing. Neither is a matter of `Accept`.
fn leave_payload_out(document: &mut Value, path: &str) {
    if let Some(put) = operation(document, path, "put") {
        fill(put, "/produces", json!(["application/json", "text/plain"]));
        fill(
            put,
            "/responses/200/description",
            json!("It was written. The text `OK`."),
        );
        fill(put, "/responses/200/schema", json!({"type": "string"}));
        responses(put, |responses| drop(responses.remove("406")));
    }
    if let Some(delete) = operation(document, path, "delete") {
        // A media type would be said of the answer without a body too.
        if let Some(members) = delete.as_object_mut() {
            members.remove("produces");
        }
        responses(delete, |responses| {
            responses.remove("406");
            if let Some(Value::Object(mut gone)) = responses.remove("200") {
                gone.remove("schema");
                gone.insert("description".to_owned(), json!("It was deleted."));
                responses.insert("204".to_owned(), gone.into());
            }
        });
    }
}

fn operation<'a>(document: &'a mut Value, path: &str, method: &str) -> Option<&'a mut Value> {
    document.get_mut("paths")?.get_mut(path)?.get_mut(method)
}

fn responses(operation: &mut Value, change: impl FnOnce(&mut Map<String, Value>)) {
    if let Some(Value::Object(responses)) = operation.get_mut("responses") {
        change(responses);
    }
}

/// The document; its tests show that it can be read.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn fill(document: &mut Value, place: &str, value: Value) {
    if let Some(found) = document.pointer_mut(place) {
        *found = value;
    }
}

/// All names of kinds that a new action may have.
fn kinds(config: &ControllerConfig) -> Vec<String> {
    let manifest = &config.manifest;
    let defaults = manifest
        .runtimes()
        .filter_map(|runtime| runtime.kind.split_once(':'))
        .map(|(family, _)| format!("{family}:default"));
    let named = manifest.kinds().map(str::to_owned);
    let mut kinds: Vec<String> = named
        .chain(defaults)
        .filter(|kind| manifest.resolve(kind).is_some() && !manifest.is_deprecated(kind))
        .collect();
    kinds.sort();
    kinds.dedup();
    kinds.extend(["sequence", "blackbox"].map(str::to_owned));
    kinds
}

#[cfg(test)]
mod tests;
