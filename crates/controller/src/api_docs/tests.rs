use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;
use oxwhisk_bus::{ControllerId, InvokerId};
use oxwhisk_entity::{ExecManifest, RecordKeeping};

use super::*;
use crate::config::{BuildInfo, DEFAULT_BLOCKING_WAIT, FeatureFlags, Limits};
use crate::http::ApiHosts;
use crate::router::{ActivationPart, ApiPath, Call, PublicCall, ServerCall, Verb, is_exotic};
use crate::web::WebPath;

/// A method, and a path with its parameters in braces.
type Operation = (String, String);

const METHODS: [Method; 9] = [
    Method::GET,
    Method::PUT,
    Method::POST,
    Method::DELETE,
    Method::HEAD,
    Method::PATCH,
    Method::OPTIONS,
    Method::TRACE,
    Method::CONNECT,
];

/// Words that paths are made of; the last one stands for a name.
const WORDS: [&str; 21] = [
    "",
    "activation",
    "activations",
    "actions",
    "api-docs",
    "count",
    "disable",
    "docs",
    "healthy",
    "index.html",
    "invokers",
    "limits",
    "logs",
    "namespaces",
    "packages",
    "ping",
    "ready",
    "result",
    "rules",
    "triggers",
    "x",
];

fn config() -> ControllerConfig {
    let manifest = br#"{"runtimes":{
        "nodejs":[{"kind":"nodejs:18","image":{"name":"n"},"deprecated":true},{"kind":"nodejs:20","image":{"name":"n"},"default":true}],
        "python":[{"kind":"python:3","image":{"name":"p"},"default":true}]}}"#;
    let mut limits = Limits::default();
    limits.action.memory = Bound { min: 64, max: 1024 };
    ControllerConfig {
        id: ControllerId("0".into()),
        invoker: InvokerId {
            instance: 0,
            unique_name: None,
            user_memory: "1 B".to_owned(),
        },
        limits,
        features: FeatureFlags::default(),
        records: RecordKeeping::default(),
        max_blocking_wait: DEFAULT_BLOCKING_WAIT,
        manifest: ExecManifest::parse(manifest).unwrap(),
        build: BuildInfo {
            date: String::new(),
            number: String::new(),
        },
        api_hosts: ApiHosts::default(),
    }
}

fn described(document: &Value) -> BTreeSet<Operation> {
    let mut operations = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for key in item.as_object().unwrap().keys() {
            let method = key.to_uppercase();
            if METHODS.iter().any(|known| known.as_str() == method) {
                operations.insert((method, path.clone()));
            }
        }
    }
    operations
}

/// The path, as the document writes it, to which the router leads a request below the API's prefix.
fn api_template(method: &Method, below: &str) -> Option<String> {
    if let Some(web) = WebPath::parse(below) {
        let rest = if web.has_rest() { "/{path}" } else { "" };
        return (!is_exotic(method) && *method != Method::CONNECT)
            .then(|| format!("/web/{{namespace}}/{{package}}/{{action}}{rest}"));
    }
    match PublicCall::parse(method, below) {
        Some(PublicCall::Version) => return Some("/".to_owned()),
        Some(PublicCall::ApiDocs) => return Some("/api-docs".to_owned()),
        Some(PublicCall::Docs) => return Some("/docs".to_owned()),
        Some(PublicCall::DocsPage) => return Some("/docs/index.html".to_owned()),
        None => {}
    }
    let segments: Vec<&str> = below.split('/').skip(1).collect();
    let within = match ApiPath::parse(method, &segments)? {
        ApiPath::Namespaces => return Some("/namespaces".to_owned()),
        ApiPath::Within { call, .. } => call_template(call),
    };
    Some(format!("/namespaces/{{namespace}}/{within}"))
}

fn call_template(call: Call<'_>) -> String {
    match call {
        Call::List(collection) => collection.as_str().to_owned(),
        Call::ListPackage { .. } => "actions/{package}/".to_owned(),
        Call::Entity {
            collection,
            package,
            verb: Verb::Get | Verb::Put | Verb::Delete | Verb::Post,
            ..
        } => {
            let package = if package.is_some() { "/{package}" } else { "" };
            format!("{}{package}/{{name}}", collection.as_str())
        }
        Call::ListActivations => "activations".to_owned(),
        Call::Activation { part, .. } => {
            let part = match part {
                ActivationPart::Record => "",
                ActivationPart::Result => "/result",
                ActivationPart::Logs => "/logs",
            };
            format!("activations/{{activationId}}{part}")
        }
        Call::Limits => "limits".to_owned(),
        Call::LimitsInner => "limits/{name}".to_owned(),
    }
}

fn server_template(method: &Method, path: &str) -> Option<String> {
    let template = match ServerCall::parse(method, path)? {
        ServerCall::Info => "/",
        ServerCall::Ping => "/ping",
        ServerCall::ApiDocs => "/api-docs",
        ServerCall::Docs => "/docs",
        ServerCall::DocsPage => "/docs/index.html",
        ServerCall::Invokers => "/invokers",
        ServerCall::HealthyInvokers => "/invokers/healthy/count",
        ServerCall::InvokersReady => "/invokers/ready",
        ServerCall::InFlight => "/activation",
        ServerCall::InFlightCount => "/activation/count",
        ServerCall::Disable => "/disable",
    };
    Some(template.to_owned())
}

/// All paths of up to so many words behind a beginning.
fn paths(beginning: &str, depth: usize) -> Vec<String> {
    let mut all = vec![beginning.to_owned()];
    let mut longest = all.clone();
    for _ in 0..depth {
        longest = longest
            .iter()
            .flat_map(|path| WORDS.map(|word| format!("{path}/{word}")))
            .collect();
        all.extend(longest.iter().cloned());
    }
    all
}

fn routed(
    paths: &[String],
    template: impl Fn(&Method, &str) -> Option<String>,
) -> BTreeSet<Operation> {
    let mut operations = BTreeSet::new();
    for path in paths {
        for method in &METHODS {
            if let Some(template) = template(method, path) {
                operations.insert((method.to_string(), template));
            }
        }
    }
    operations
}

/// `OPTIONS` outside web actions is answered at any path, so that the text says it once.
#[test]
fn every_route_of_the_api_is_described_and_nothing_else() {
    let mut tried = paths("", 2);
    tried.extend(paths("/namespaces/x", 3));
    tried.extend(paths("/namespaces/x/actions", 3));
    tried.extend(paths("/web/x", 3));
    assert_eq!(routed(&tried, api_template), described(&parsed(API)));
}

#[test]
fn every_endpoint_of_the_server_is_described_and_nothing_else() {
    let tried = paths("", 3);
    assert_eq!(routed(&tried, server_template), described(&parsed(SERVER)));
}

#[test]
fn kinds_and_limits_of_the_server_are_filled_in() {
    let document: Value = serde_json::from_str(api(&config()).text()).unwrap();
    let kinds = &document["definitions"]["ExecInput"]["properties"]["kind"]["enum"];
    assert_eq!(
        *kinds,
        json!([
            "nodejs:20",
            "nodejs:default",
            "python:3",
            "python:default",
            "sequence",
            "blackbox"
        ])
    );
    let limits = &document["definitions"]["LimitsInput"]["properties"];
    let bounds = |name: &str| {
        (
            limits[name]["minimum"].clone(),
            limits[name]["maximum"].clone(),
        )
    };
    assert_eq!(bounds("memory"), (json!(64), json!(1024)));
    assert_eq!(bounds("timeout"), (json!(100), json!(300_000)));
    assert_eq!(bounds("logs"), (json!(0), json!(10)));
    assert_eq!(bounds("concurrency"), (json!(1), json!(1)));
}

fn filled(config: &ControllerConfig) -> Value {
    serde_json::from_str(api(config).text()).unwrap()
}

/// Method and path of what a server answers otherwise than the default says, and the status of its success.
fn successes(document: &Value) -> BTreeSet<(String, String, String)> {
    let mut found = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["put", "delete"] {
            for (status, answer) in item[method]["responses"].as_object().into_iter().flatten() {
                if status.starts_with('2') {
                    let says = format!("{status} {}", answer["schema"]);
                    found.insert((method.to_owned(), path.clone(), says));
                }
            }
        }
    }
    found
}

/// rest-api §15
#[test]
fn answers_without_payload_are_described_where_the_server_gives_them() {
    let with = successes(&filled(&config()));
    assert_eq!(with, successes(&parsed(API)));
    let mut config = config();
    config.features.require_response_payload = false;
    let document = filled(&config);
    let without = successes(&document);
    for path in WRITTEN {
        let says = |method: &str, says: &str| (method.to_owned(), path.to_owned(), says.to_owned());
        assert!(without.contains(&says("put", r#"200 {"type":"string"}"#)));
        assert!(without.contains(&says("delete", "204 null")));
        assert_eq!(
            document["paths"][path]["put"]["produces"],
            json!(["application/json", "text/plain"])
        );
    }
    assert_eq!(without.difference(&with).count(), 2 * WRITTEN.len());
    assert_eq!(with.difference(&without).count(), 2 * WRITTEN.len());
}

/// rest-api §15
#[test]
fn longest_wait_of_the_server_is_filled_in() {
    let mut config = config();
    for (wait, expected) in [
        (DEFAULT_BLOCKING_WAIT, Some(60_000)),
        (Duration::from_millis(1500), Some(1500)),
        (Duration::ZERO, None),
    ] {
        config.max_blocking_wait = wait;
        let document = filled(&config);
        for path in &WRITTEN[..2] {
            let parameters = document["paths"][path]["post"]["parameters"].as_array();
            let timeout = parameters
                .unwrap()
                .iter()
                .find(|parameter| parameter["name"] == "timeout");
            let told = timeout.map(|timeout| (&timeout["maximum"], &timeout["default"]));
            let expected = expected.map(Value::from);
            assert_eq!(told, expected.as_ref().map(|ms| (ms, ms)));
        }
    }
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(target)) = members.get("$ref") {
                found.insert(target.clone());
            }
            members
                .values()
                .for_each(|member| references(member, found));
        }
        Value::Array(elements) => elements
            .iter()
            .for_each(|element| references(element, found)),
        _ => {}
    }
}

#[test]
fn what_is_defined_is_used_and_what_is_used_is_defined() {
    for text in [API, SERVER] {
        let document = parsed(text);
        let mut used = BTreeSet::new();
        references(&document, &mut used);
        let sections = ["definitions", "parameters", "responses"];
        let defined: BTreeSet<String> = sections
            .iter()
            .filter_map(|section| Some((section, document.get(section)?.as_object()?)))
            .flat_map(|(section, members)| {
                members
                    .keys()
                    .map(move |name| format!("#/{section}/{name}"))
            })
            .collect();
        assert_eq!(used, defined);
    }
}

/// Clients of OpenWhisk look definitions of what a list shows up by these names (rest-api §1).
#[test]
fn what_a_list_shows_is_defined_under_the_names_of_the_original() {
    let document = parsed(API);
    let mut used = BTreeSet::new();
    references(&document, &mut used);
    for name in ["ActionMeta", "ActionExecMeta", "RuleMeta", "TriggerMeta"] {
        assert!(document["definitions"][name].is_object(), "{name}");
        assert!(used.contains(&format!("#/definitions/{name}")), "{name}");
    }
}

#[test]
fn descriptions_are_made_once() {
    let (descriptions, config) = (Descriptions::default(), config());
    let [first, second] = [(); 2].map(|()| descriptions.api(&config));
    assert!(std::ptr::eq(first.text(), second.text()));
    let [first, second] = [(); 2].map(|()| descriptions.server());
    assert!(std::ptr::eq(first.text(), second.text()));
}
