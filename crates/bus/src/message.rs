//! What travels over the bus.

use std::sync::Arc;

use oxwhisk_entity::{ActivationId, FullyQualifiedName, Identity, Json, WhiskActivation};
use serde::{Deserialize, Serialize};

use crate::{ControllerId, InvokerId, TransactionId};

/// The order to run an action once.
///
/// The JSON form is the one of OpenWhisk's topic `invoker<n>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivationMessage {
    /// The request that caused it.
    pub transid: TransactionId,
    /// The action, with the binding through which it was reached.
    pub action: FullyQualifiedName,
    /// Revision of the action's document when the request came in.
    pub revision: Option<String>,
    /// Who pays for it.
    pub user: Arc<Identity>,
    /// Identifier of the activation.
    pub activation_id: ActivationId,
    /// Who waits for the acknowledgement.
    pub root_controller_index: ControllerId,
    /// Whether a caller waits for the result.
    pub blocking: bool,
    /// Arguments, all merging done: an object or an array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Json>,
    /// Names of arguments that belong into the environment at initialisation.
    #[serde(default)]
    pub init_args: Vec<String>,
    /// Arguments whose stored values are encrypted: name → scheme.
    #[serde(default = "Json::empty_object")]
    pub locked_args: Json,
    /// The sequence or composition that it is a step of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<ActivationId>,
}

/// What an invoker tells the controller that sent an activation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acknowledgement {
    /// The result is there; the container is still busy. Only for blocking activations.
    Result(Arc<WhiskActivation>),
    /// The container is free.
    Completion {
        /// The activation that is done.
        activation_id: ActivationId,
        /// The invoker whose slot is free.
        invoker: InvokerId,
        /// Whether the platform failed.
        is_system_error: bool,
    },
    /// Both at once.
    CombinedCompletionAndResult {
        /// The record of the activation, without its logs.
        activation: Arc<WhiskActivation>,
        /// The invoker whose slot is free.
        invoker: InvokerId,
        /// Whether the platform failed.
        is_system_error: bool,
    },
}

impl Acknowledgement {
    /// Returns the activation that it is about.
    #[must_use]
    pub fn activation_id(&self) -> ActivationId {
        match self {
            Self::Result(activation) | Self::CombinedCompletionAndResult { activation, .. } => {
                activation.activation_id
            }
            Self::Completion { activation_id, .. } => *activation_id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message as a controller of OpenWhisk puts it on the topic `invoker0`.
    #[test]
    fn the_wire_form_of_the_original_is_read_and_written() {
        let wire = r#"{"action":{"name":"a","path":"guest","version":"0.0.1"},"activationId":"0cdac4eb3cf542369ac4eb3cf53236bf",
            "blocking":false,"initArgs":["x"],"lockedArgs":{},"revision":null,"content":{"k":1},
            "rootControllerIndex":{"asString":"0","instanceType":"controller"},"transid":["tid",1795550976841],
            "user":{"authkey":{"api_key":"u:k"},"limits":{},"namespace":{"name":"guest","uuid":"u"},"rights":["READ"],"subject":"guest"}}"#;
        let message: ActivationMessage = serde_json::from_str(wire).unwrap();
        assert_eq!(message.action.to_string(), "guest/a");
        assert_eq!(message.transid.start_ms, 1_795_550_976_841);
        let again: serde_json::Value =
            serde_json::from_str(&serde_json::to_string(&message).unwrap()).unwrap();
        assert_eq!(
            again,
            serde_json::from_str::<serde_json::Value>(wire).unwrap()
        );
    }
}
