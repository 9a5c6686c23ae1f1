//! What the server answers, told in OpenAPI 2.0, the form in which OpenWhisk tells it.
//!
//! `api.json` describes what is below `/api/v1`, `server.json` the rest. Both are kept by hand beside the router, whose
//! tests hold them against each other.

use oxwhisk_entity::{Bound, Json};
use serde_json::{Value, json};

use crate::config::ControllerConfig;

/// The REST API.
const API: &str = include_str!("api.json");
/// The server's own endpoints.
const SERVER: &str = include_str!("server.json");
/// A page that shows the document that its parameter `url` names, for people.
pub(crate) const PAGE: &str = include_str!("page.html");

/// Returns the description of the REST API with the kinds and limits of this server filled in.
pub(crate) fn api(config: &ControllerConfig) -> Json {
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
    Json::of(&document)
}

/// Returns the description of the server's own endpoints.
pub(crate) fn server() -> Json {
    Json::of(&parsed(SERVER))
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
