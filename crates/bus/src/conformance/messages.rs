//! Messages to send.

use std::sync::Arc;

use oxwhisk_entity::{
    ActivationId, AuthKey, EntityName, EntityPath, FullyQualifiedName, Identity, Json, Namespace,
    Privilege, UserLimits,
};

use crate::{ActivationMessage, ControllerId, InvokerId, TransactionId};

/// The invoker of a number.
#[must_use]
pub fn invoker(instance: u32) -> InvokerId {
    InvokerId {
        instance,
        unique_name: None,
        user_memory: "1073741824 B".to_owned(),
    }
}

/// The controller of a name.
#[must_use]
pub fn controller(name: &str) -> ControllerId {
    ControllerId(name.into())
}

/// The identifier of a numbered activation.
#[must_use]
pub fn id(number: u64) -> ActivationId {
    ActivationId::new(number, 1)
}

/// The message of a numbered activation.
#[must_use]
pub fn message(number: u64) -> Arc<ActivationMessage> {
    let name = EntityName::new("guest").unwrap();
    Arc::new(ActivationMessage {
        transid: TransactionId {
            id: format!("transaction-{number}").into(),
            start_ms: number,
            extra_logging: false,
        },
        action: FullyQualifiedName::new(EntityPath::from(&name), EntityName::new("hello").unwrap()),
        revision: Some("7".to_owned()),
        user: Arc::new(Identity {
            subject: "guest".to_owned(),
            namespace: Namespace {
                name,
                uuid: "u1".to_owned(),
            },
            authkey: AuthKey {
                api_key: "u1:k".to_owned(),
            },
            rights: Privilege::ALL.to_vec(),
            limits: UserLimits::default(),
        }),
        activation_id: id(number),
        root_controller_index: controller("0"),
        blocking: false,
        content: Some(Json::from_canonical(format!(r#"{{"n":{number}}}"#))),
        init_args: Vec::new(),
        locked_args: Json::empty_object(),
        cause: None,
    })
}
