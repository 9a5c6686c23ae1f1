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
/// On the wire `[id, milliseconds since the epoch of the request]`, with a third element `true` for extra logging.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TransactionId {
    /// The text of the header `X-Request-ID`.
    pub id: Arc<str>,
    /// When the request came in; `waitTime` is counted from here.
    pub start_ms: u64,
    /// Whether the request asked for extra logging, and so for a record of whatever comes of it.
    pub extra_logging: bool,
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

impl Serialize for TransactionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.extra_logging {
            (&*self.id, self.start_ms, true).serialize(serializer)
        } else {
            (&*self.id, self.start_ms).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for TransactionId {
    /// Reads what OpenWhisk writes too: the transaction that a step belongs to stands behind the rest, and is dropped.
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
            extra_logging: elements.get(2).is_some_and(oxwhisk_entity::Json::is_true),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The forms of a transaction id on OpenWhisk's bus, and what is written for each.
    #[test]
    fn extra_logging_is_read_and_written() {
        for (wire, extra_logging, written) in [
            (r#"["tid",7]"#, false, r#"["tid",7]"#),
            (r#"["tid",7,true]"#, true, r#"["tid",7,true]"#),
            (r#"["tid",7,false]"#, false, r#"["tid",7]"#),
            (r#"["tid",7,["parent",5,true]]"#, false, r#"["tid",7]"#),
            (
                r#"["tid",7,true,["parent",5,true]]"#,
                true,
                r#"["tid",7,true]"#,
            ),
        ] {
            let read: TransactionId = serde_json::from_str(wire).unwrap();
            assert_eq!(
                (&*read.id, read.start_ms, read.extra_logging),
                ("tid", 7, extra_logging),
                "{wire}"
            );
            assert_eq!(serde_json::to_string(&read).unwrap(), written);
        }
    }
}
