//! The bodies of `/init` and `/run`. Source: runtime-protocol §2–3, invocation §2.4.

use std::fmt::Write;

use bytes::Bytes;
use oxwhisk_bus::ActivationMessage;
use oxwhisk_entity::json::quoted;
use oxwhisk_entity::{Json, json::JsonKind, json::Members};

use crate::executable::Executable;

/// The entry point of actions that name none.
const DEFAULT_MAIN: &str = "main";
/// Bytes of a `/run` body beside its arguments, the action's part and texts of any length.
const RUN_BODY_REST: usize = 192;

/// Builds the body of `/run`. `deadline_ms` counts from the epoch.
pub(crate) fn run_body(
    message: &ActivationMessage,
    action: &Executable,
    deadline_ms: u64,
) -> Bytes {
    let arguments = run_arguments(message);
    let value = arguments.as_ref().map_or("{}", Json::text);
    let namespace = message.user.namespace.name.as_str();
    let key = &message.user.authkey.api_key;
    let capacity = value.len()
        + namespace.len()
        + action.run_body_part.len()
        + message.transid.id.len()
        + key.len()
        + RUN_BODY_REST;
    let mut body = String::with_capacity(capacity);
    body.push_str("{\"value\":");
    body.push_str(value);
    body.push_str(",\"namespace\":\"");
    body.push_str(namespace);
    body.push('"');
    body.push_str(&action.run_body_part);
    // Writing to a text does not fail.
    let _ = write!(body, "{}\",\"transaction_id\":", message.activation_id);
    body.push_str(&quoted(&message.transid.id));
    let _ = write!(body, ",\"deadline\":\"{deadline_ms}\"");
    if action.is_given_api_key {
        body.push_str(",\"api_key\":");
        body.push_str(&quoted(key));
    }
    body.push('}');
    Bytes::from(body)
}

/// The arguments without those that belong into the environment.
fn run_arguments(message: &ActivationMessage) -> Option<Json> {
    let content = message.content.as_ref()?;
    if message.init_args.is_empty() || content.kind() != JsonKind::Object {
        return Some(content.clone());
    }
    let (_of_the_environment, arguments) = content.members()?.split(&message.init_args);
    Some(arguments.to_json())
}

/// Builds the body of `/init`. `quoted_code` is a JSON string, `deadline_ms` counts from the epoch.
pub(crate) fn init_body(
    message: &ActivationMessage,
    action: &Executable,
    quoted_code: Option<&str>,
    deadline_ms: u64,
) -> Bytes {
    let environment = environment(message, action, deadline_ms).to_json();
    let main = quoted(action.exec.main.as_deref().unwrap_or(DEFAULT_MAIN));
    let name = quoted(action.name.name.as_str());
    let code_length = quoted_code.map_or(0, str::len);
    let mut body = String::with_capacity(code_length + environment.size() + 256);
    body.push_str("{\"value\":{\"name\":");
    body.push_str(&name);
    body.push_str(",\"main\":");
    body.push_str(&main);
    if let Some(code) = quoted_code {
        body.push_str(",\"code\":");
        body.push_str(code);
    }
    body.push_str(",\"binary\":");
    body.push_str(if action.exec.binary { "true" } else { "false" });
    body.push_str(",\"env\":");
    body.push_str(environment.text());
    body.push_str("}}");
    Bytes::from(body)
}

/// The variables at initialisation; the platform's win over parameters of the same name.
fn environment(message: &ActivationMessage, action: &Executable, deadline_ms: u64) -> Members {
    let arguments = message.content.as_ref().and_then(Json::members);
    let (given, _) = arguments.unwrap_or_default().split(&message.init_args);
    let mut environment: Members = given
        .iter()
        .map(|(name, value)| (name.to_owned(), Json::from(variable(value).as_str())))
        .collect();
    let mut set = |name: &str, value: &str| environment.set(name.to_owned(), Json::from(value));
    if action.is_given_api_key {
        set("__OW_API_KEY", &message.user.authkey.api_key);
    }
    set("__OW_NAMESPACE", message.user.namespace.name.as_str());
    set("__OW_ACTION_NAME", &action.name.to_slashed());
    set("__OW_ACTION_VERSION", &action.version.to_string());
    set("__OW_ACTIVATION_ID", &message.activation_id.to_string());
    set("__OW_TRANSACTION_ID", &message.transid.id);
    set("__OW_DEADLINE", &deadline_ms.to_string());
    environment
}

/// A value as a variable: strings as they are, `null` empty, everything else as JSON.
fn variable(value: &Json) -> String {
    match value.kind() {
        JsonKind::String => value.as_str().unwrap_or_default().into_owned(),
        JsonKind::Null => String::new(),
        JsonKind::Bool | JsonKind::Number | JsonKind::Array | JsonKind::Object => {
            value.text().to_owned()
        }
    }
}
