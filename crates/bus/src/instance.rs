//! Who sends and receives.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An invoker. On the wire the object `{"instance": n, "uniqueName": …, "instanceType": "invoker", …}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InvokerId {
    /// Its number; names the topic `invoker<n>`.
    pub instance: u32,
    /// A name that stays when the number changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique_name: Option<String>,
    /// Memory of its pool, as `<n> B`.
    pub user_memory: String,
}

/// A controller. On the wire `{"asString": …, "instanceType": "controller"}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ControllerId(pub Arc<str>);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireController {
    as_string: String,
    instance_type: String,
}

impl Serialize for ControllerId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        WireController {
            as_string: self.0.to_string(),
            instance_type: "controller".to_owned(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ControllerId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        WireController::deserialize(deserializer).map(|wire| Self(wire.as_string.into()))
    }
}

/// The transaction id: what ties all log lines, messages and answers of one request together.
///
/// On the wire `[id, milliseconds since the epoch of the request]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TransactionId {
    /// The text of the header `X-Request-ID`.
    pub id: Arc<str>,
    /// When the request came in; `waitTime` is counted from here.
    pub start_ms: u64,
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

impl Serialize for TransactionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&*self.id, self.start_ms).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for TransactionId {
    /// A third element, which OpenWhisk writes for extra logging, is read and dropped.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let elements = Vec::<oxwhisk_entity::Json>::deserialize(deserializer)?;
        let id = elements
            .first()
            .and_then(|id| id.as_str().map(std::borrow::Cow::into_owned));
        let start_ms = elements.get(1).and_then(|start| start.text().parse().ok());
        let (Some(id), Some(start_ms)) = (id, start_ms) else {
            return Err(serde::de::Error::custom("transaction id malformed"));
        };
        Ok(Self {
            id: id.into(),
            start_ms,
        })
    }
}
