//! Checks on the components of a sequence. Source: entities §3.5, rest-api §8.4.

use http::StatusCode;
use oxwhisk_entity::{Exec, FullyQualifiedName, Identity, Privilege};

use crate::controller::Controller;
use crate::entitlement::{self, Resource};
use crate::http::ApiError;
use crate::invocation::ResolvedAction;
use crate::messages;

fn bad(text: &str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, text)
}

impl Controller {
    /// Checks that the caller may use all entities that these names refer to.
    ///
    /// Packaged actions are refused one by one; of the others one message names all that are refused.
    pub(crate) async fn entitled_to_all(
        &self,
        identity: &Identity,
        privilege: Privilege,
        names: &[FullyQualifiedName],
    ) -> Result<(), ApiError> {
        let mut refused = std::collections::BTreeSet::new();
        let resources: Vec<Resource> = names.iter().filter_map(Resource::of_action).collect();
        let is_packaged =
            |resource: &&Resource| matches!(resource, Resource::PackagedAction { .. });
        for resource in resources.iter().filter(is_packaged) {
            entitlement::check(&self.entities, identity, privilege, resource).await?;
        }
        for resource in resources.iter().filter(|resource| !is_packaged(resource)) {
            if entitlement::check(&self.entities, identity, privilege, resource)
                .await
                .is_err()
            {
                refused.insert(resource.to_string());
            }
        }
        if refused.is_empty() {
            return Ok(());
        }
        let refused: Vec<String> = refused.into_iter().collect();
        Err(ApiError::forbidden(&refused.join(", ")))
    }

    /// Checks that the caller may invoke the direct components of an action, if it is a sequence.
    pub(crate) async fn entitled_to_components(
        &self,
        identity: &Identity,
        resolved: &ResolvedAction,
    ) -> Result<(), ApiError> {
        match &resolved.action.exec {
            Exec::Sequence(components) => {
                self.entitled_to_all(identity, Privilege::Activate, components)
                    .await
            }
            Exec::Code(_) => Ok(()),
        }
    }

    /// Checks the components of a sequence that is about to be stored under a name: all exist, none leads back
    /// to it, and they are not too many.
    pub(crate) async fn check_components(
        &self,
        sequence: &FullyQualifiedName,
        components: &[FullyQualifiedName],
    ) -> Result<(), ApiError> {
        let limit = self.config.limits.sequence_length;
        if components.is_empty() {
            return Err(bad(messages::SEQUENCE_EMPTY));
        }
        if components.len() > usize::try_from(limit).unwrap_or(usize::MAX) {
            return Err(bad(messages::SEQUENCE_TOO_LONG));
        }
        let mut atomic = 0_u32;
        // What is stored already may be cyclic in itself, if it was made so by changes that met.
        let mut expansions = 0_u32;
        let mut open: Vec<FullyQualifiedName> = components.to_vec();
        while let Some(component) = open.pop() {
            if component == *sequence {
                return Err(bad(messages::SEQUENCE_CYCLE));
            }
            expansions += 1;
            if expansions > limit.saturating_mul(limit) {
                return Err(bad(messages::SEQUENCE_TOO_LONG));
            }
            let resolved = self
                .resolve(&component)
                .await
                .map_err(|error| match error.status {
                    StatusCode::NOT_FOUND => bad(messages::COMPONENT_MISSING),
                    _ => error,
                })?;
            if resolved.action.qualified_name() == *sequence {
                return Err(bad(messages::SEQUENCE_CYCLE));
            }
            match resolved.action.exec {
                Exec::Sequence(inner) => open.extend(inner),
                Exec::Code(_) => atomic += 1,
            }
            if atomic > limit {
                return Err(bad(messages::SEQUENCE_TOO_LONG));
            }
        }
        Ok(())
    }
}
