//! What the actions that a namespace runs may ask for.

use oxwhisk_entity::{Bound, LimitBounds, UserLimits};

/// Returns the deployment's bounds narrowed by those of a namespace. Source: entities §6.1.
pub(crate) fn of(system: &LimitBounds, own: &UserLimits) -> LimitBounds {
    LimitBounds {
        timeout: narrowed(
            system.timeout,
            own.min_action_timeout,
            own.max_action_timeout,
        ),
        memory: narrowed(system.memory, own.min_action_memory, own.max_action_memory),
        logs: narrowed(system.logs, own.min_action_logs, own.max_action_logs),
        concurrency: narrowed(
            system.concurrency,
            own.min_action_concurrency,
            own.max_action_concurrency,
        ),
    }
}

fn narrowed(system: Bound, min: Option<i32>, max: Option<i32>) -> Bound {
    Bound {
        min: min.map_or(system.min, |min| min.max(system.min)),
        max: max.map_or(system.max, |max| max.min(system.max)),
    }
}
