use std::sync::Arc;

use oxwhisk_bus::{ActivationMessage, ControllerId, TransactionId};
use oxwhisk_entity::{
    ActivationId, AuthKey, EntityName, FullyQualifiedName, Identity, Json, Namespace, Privilege,
    UserLimits,
};

use super::clock::START_MS;

/// An activation id that tests can name.
pub fn id(number: u64) -> ActivationId {
    ActivationId::from(u128::from(number))
}

/// An action's document, with defaults for what a test does not care about.
#[derive(Debug, Clone)]
pub struct ActionSpec {
    pub path: String,
    pub exec: String,
    pub limits: String,
    pub annotations: String,
}

impl ActionSpec {
    pub fn new(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            exec: r#"{"kind":"nodejs:20","code":"function main() {}","binary":false}"#.to_owned(),
            limits: r#"{"timeout":60000,"memory":256,"logs":10,"concurrency":1}"#.to_owned(),
            annotations: r#"[{"key":"provide-api-key","value":false}]"#.to_owned(),
        }
    }

    pub fn limits(mut self, limits: &str) -> Self {
        self.limits = limits.to_owned();
        self
    }

    pub fn exec(mut self, exec: &str) -> Self {
        self.exec = exec.to_owned();
        self
    }

    pub fn annotations(mut self, annotations: &str) -> Self {
        self.annotations = annotations.to_owned();
        self
    }

    pub fn memory(self, memory_mb: u64, concurrency: u32) -> Self {
        self.limits(&format!(
            r#"{{"timeout":60000,"memory":{memory_mb},"logs":10,"concurrency":{concurrency}}}"#
        ))
    }

    pub fn document(&self) -> String {
        let (namespace, name) = self.path.rsplit_once('/').unwrap();
        format!(
            r#"{{"namespace":"{namespace}","name":"{name}","exec":{},"parameters":[],"limits":{},"version":"0.0.1","publish":false,"annotations":{},"updated":1}}"#,
            self.exec, self.limits, self.annotations
        )
    }
}

/// A message, with defaults for what a test does not care about.
#[derive(Debug, Clone)]
pub struct MessageSpec {
    pub message: ActivationMessage,
}

impl MessageSpec {
    pub fn new(number: u64, action: &str) -> Self {
        let name = FullyQualifiedName::parse(action).unwrap();
        Self {
            message: ActivationMessage {
                transid: TransactionId {
                    id: "tid-1".into(),
                    start_ms: START_MS - 5,
                    extra_logging: false,
                },
                action: name,
                revision: Some("1".to_owned()),
                user: Arc::new(identity("guest")),
                activation_id: id(number),
                root_controller_index: ControllerId("0".into()),
                blocking: false,
                content: Some(Json::empty_object()),
                init_args: Vec::new(),
                locked_args: Json::empty_object(),
                cause: None,
            },
        }
    }

    pub fn blocking(mut self) -> Self {
        self.message.blocking = true;
        self
    }

    pub fn revision(mut self, revision: &str) -> Self {
        self.message.revision = Some(revision.to_owned());
        self
    }

    pub fn namespace(mut self, namespace: &str) -> Self {
        self.message.user = Arc::new(identity(namespace));
        self
    }

    pub fn user_limits(mut self, limits: UserLimits) -> Self {
        Arc::make_mut(&mut self.message.user).limits = limits;
        self
    }

    pub fn content(mut self, content: &str) -> Self {
        self.message.content = Some(Json::parse(content.as_bytes()).unwrap());
        self
    }
}

fn identity(namespace: &str) -> Identity {
    Identity {
        subject: format!("{namespace}-subject"),
        namespace: Namespace {
            name: EntityName::new(namespace).unwrap(),
            uuid: format!("{namespace}-uuid"),
        },
        authkey: AuthKey {
            api_key: format!("{namespace}-uuid:key"),
        },
        rights: Privilege::ALL.to_vec(),
        limits: UserLimits::default(),
    }
}
