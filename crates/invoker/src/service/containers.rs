//! The containers of an invoker: how they are made, and what is shown of them.

use std::sync::Arc;

use oxwhisk_container::{ContainerId, ContainerSpec, CreateError};
use oxwhisk_entity::ByteSize;

use super::{Invoker, Member};
use crate::container_task::{ContainerParts, StateCell, container_task};
use crate::pool::{ActionKey, Class, ContainerKey, Occupancy};
use crate::status::{ContainerStatus, InvokerStatus};

/// Tells runtimes that their runs may overlap.
const ALLOW_CONCURRENT: &str = "__OW_ALLOW_CONCURRENT";

impl Invoker {
    pub(super) fn create(&mut self, key: ContainerKey, class: &Arc<Class>) {
        let id = self.container_id(key, class);
        let spec = self.spec(&id, class);
        let cell = StateCell::default();
        let (mailbox, life) = container_task(ContainerParts {
            context: self.context.clone(),
            key,
            id: id.clone(),
            limit: class.concurrency,
            spec,
            notices: self.notices.0.clone(),
            cell: cell.clone(),
        });
        self.members.insert(key, Member { id, mailbox, cell });
        self.tasks.spawn(life);
    }

    fn container_id(&self, key: ContainerKey, class: &Class) -> ContainerId {
        let safe = |text: &str| -> String {
            let keep = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
            text.chars().map(keep).collect()
        };
        let config = &self.context.config;
        let name = config.id.unique_name.as_deref().map(safe);
        ContainerId::new(format!(
            "wsk{}{}_{}_{}",
            name.unwrap_or_default(),
            config.id.instance,
            key.0,
            safe(&class.kind)
        ))
    }

    fn spec(&self, id: &ContainerId, class: &Class) -> Result<ContainerSpec, CreateError> {
        let runtime = self.context.runtimes.get(&*class.kind).cloned();
        let runtime = runtime.ok_or_else(|| match &class.image {
            Some(image) => CreateError::Pull {
                image: image.to_string(),
            },
            None => CreateError::Unsupported {
                kind: class.kind.to_string(),
            },
        })?;
        let mut environment = self.context.config.environment.clone();
        if class.concurrency > 1 {
            environment.insert(ALLOW_CONCURRENT.to_owned(), "true".to_owned());
        }
        Ok(ContainerSpec {
            id: id.clone(),
            runtime,
            memory: ByteSize::mib(class.memory_mb),
            concurrency: class.concurrency,
            environment,
        })
    }

    pub(super) fn status(&self) -> InvokerStatus {
        let containers = self
            .pool
            .containers()
            .filter_map(|(key, class, occupancy)| {
                let member = self.members.get(&key)?;
                let (bound_to, active) = match occupancy {
                    Occupancy::Bound { action, active, .. } => {
                        let names = |key: &ActionKey| {
                            (key.namespace.to_string(), key.code.document.to_string())
                        };
                        (self.pool.action(*action).map(names), *active)
                    }
                    Occupancy::Starting { .. } | Occupancy::Stem { .. } | Occupancy::Leaving => {
                        (None, 0)
                    }
                };
                Some(ContainerStatus {
                    id: member.id.clone(),
                    state: member.cell.get(),
                    kind: class.kind.to_string(),
                    memory_mb: class.memory_mb,
                    bound_to,
                    active,
                })
            });
        InvokerStatus {
            memory_mb: self.context.config.user_memory.as_mib(),
            used_mb: self.pool.used_mb(),
            waiting: self.held,
            stuck: *self.stuck.borrow(),
            containers: containers.collect(),
        }
    }
}
