//! What the actions that a namespace runs may ask for.

use oxwhisk_container::ResponseLimit;
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

/// Returns how much of a result is taken: what the deployment takes, narrowed by a namespace's own limits.
/// Source: runtime-protocol §1.
pub(crate) fn of_response(system: ResponseLimit, own: &UserLimits) -> ResponseLimit {
    ResponseLimit {
        max: own.payload_size(system.max),
        truncation: own.truncation_size(system.truncation),
    }
}

fn narrowed(system: Bound, min: Option<i32>, max: Option<i32>) -> Bound {
    Bound {
        min: min.map_or(system.min, |min| min.max(system.min)),
        max: max.map_or(system.max, |max| max.min(system.max)),
    }
}

#[cfg(test)]
mod tests {
    use oxwhisk_entity::ByteSize;

    use super::*;

    #[test]
    fn a_namespace_narrows_results_and_cannot_widen_them() {
        let system = ResponseLimit {
            max: ByteSize::mib(1),
            truncation: ByteSize::mib(1),
        };
        let own = UserLimits {
            max_payload_size: Some("64 B".parse().unwrap()),
            truncation_size: Some("2 MB".parse().unwrap()),
            ..UserLimits::default()
        };
        let limit = of_response(system, &own);
        assert_eq!(limit.max, ByteSize::bytes(64));
        assert_eq!(limit.truncation, ByteSize::mib(1));
    }
}
