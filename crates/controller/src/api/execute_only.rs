//! Shared packages that other namespaces can use and not read. Source: rest-api §8.3, §9.2, §15.
//!
//! What is refused is what would show code and parameters: an action and a package by name. Lists go on, and so does
//! everything that runs an action.

use http::StatusCode;
use oxwhisk_entity::{EntityPath, FullyQualifiedName, WhiskPackage};

use super::Caller;
use crate::controller::Controller;
use crate::http::ApiError;
use crate::messages;

impl Controller {
    /// Refuses to show an action of another namespace, be it through a binding of one's own. Does nothing in a
    /// deployment that shows them.
    pub(super) async fn action_may_be_read(
        &self,
        caller: &Caller<'_>,
        name: &FullyQualifiedName,
    ) -> Result<(), ApiError> {
        if !self.config.features.shared_packages_execute_only {
            return Ok(());
        }
        if is_foreign(caller) {
            return Err(refusal(messages::shared_action(name.path.as_str())));
        }
        let Some(package) = name.path.package() else {
            return Ok(());
        };
        let package = FullyQualifiedName::new(EntityPath::from(&caller.namespace), package);
        let package = self.entities.require::<WhiskPackage>(&package).await?;
        match &package.entity.binding {
            Some(binding) if binding.namespace != caller.namespace => {
                Err(refusal(messages::bound_action(&name.to_string())))
            }
            _ => Ok(()),
        }
    }

    /// Refuses to show a package of another namespace, be it through a binding of one's own; likewise.
    pub(super) fn package_may_be_read(
        &self,
        caller: &Caller<'_>,
        package: &WhiskPackage,
    ) -> Result<(), ApiError> {
        if !self.config.features.shared_packages_execute_only {
            return Ok(());
        }
        if is_foreign(caller) {
            return Err(refusal(messages::shared_package(package.path().as_str())));
        }
        match &package.binding {
            Some(binding) if binding.namespace != caller.namespace => {
                Err(refusal(messages::bound_package(package.name.as_str())))
            }
            _ => Ok(()),
        }
    }
}

fn is_foreign(caller: &Caller<'_>) -> bool {
    caller.namespace != caller.identity.namespace.name
}

fn refusal(text: String) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, text)
}
