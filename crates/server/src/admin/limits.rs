//! Operations on the limits of single namespaces.

use oxwhisk_entity::UserLimits;
use oxwhisk_store::SubjectStore;

use super::outcome::Outcome;
use super::refusal::Refusal;
use super::users::checked_namespace;

/// Sets what is given and keeps the rest.
pub(super) async fn set(
    store: &dyn SubjectStore,
    namespace: String,
    given: UserLimits,
) -> Result<Outcome, Refusal> {
    let namespace = checked_namespace(&namespace)?;
    let failed = || Refusal::store("set limits");
    let present = store.limits(&namespace).await.map_err(failed())?;
    let limits = merged(given, present.unwrap_or_default());
    let put = store.put_limits(&namespace, Some(&limits)).await;
    put.map_err(failed())?;
    Ok(Outcome::LimitsSet {
        namespace,
        limits: Box::new(limits),
    })
}

pub(super) async fn get(store: &dyn SubjectStore, namespace: String) -> Result<Outcome, Refusal> {
    let limits = store.limits(&namespace).await;
    let limits = limits.map_err(Refusal::store("get limits"))?;
    Ok(Outcome::Limits {
        namespace,
        limits: limits.map(Box::new),
    })
}

pub(super) async fn delete(
    store: &dyn SubjectStore,
    namespace: String,
) -> Result<Outcome, Refusal> {
    let failed = || Refusal::store("delete limits");
    // Limits that cannot be read can be deleted all the same.
    if let Ok(None) = store.limits(&namespace).await {
        return Err(Refusal::missing(
            "delete limits",
            "the namespace has no limits",
        ));
    }
    let put = store.put_limits(&namespace, None).await;
    put.map_err(failed())?;
    Ok(Outcome::LimitsDeleted { namespace })
}

fn merged(given: UserLimits, present: UserLimits) -> UserLimits {
    UserLimits {
        invocations_per_minute: given
            .invocations_per_minute
            .or(present.invocations_per_minute),
        concurrent_invocations: given
            .concurrent_invocations
            .or(present.concurrent_invocations),
        fires_per_minute: given.fires_per_minute.or(present.fires_per_minute),
        allowed_kinds: given.allowed_kinds.or(present.allowed_kinds),
        store_activations: given.store_activations.or(present.store_activations),
        min_action_memory: given.min_action_memory.or(present.min_action_memory),
        max_action_memory: given.max_action_memory.or(present.max_action_memory),
        min_action_logs: given.min_action_logs.or(present.min_action_logs),
        max_action_logs: given.max_action_logs.or(present.max_action_logs),
        min_action_timeout: given.min_action_timeout.or(present.min_action_timeout),
        max_action_timeout: given.max_action_timeout.or(present.max_action_timeout),
        min_action_concurrency: given
            .min_action_concurrency
            .or(present.min_action_concurrency),
        max_action_concurrency: given
            .max_action_concurrency
            .or(present.max_action_concurrency),
        max_parameter_size: given.max_parameter_size.or(present.max_parameter_size),
        max_payload_size: given.max_payload_size.or(present.max_payload_size),
        truncation_size: given.truncation_size.or(present.truncation_size),
    }
}
