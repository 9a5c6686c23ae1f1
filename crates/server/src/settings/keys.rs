//! The table of settings; the reference page is made from it.

/// One setting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    /// Its name in the file; a dot separates the table.
    pub(crate) name: &'static str,
    /// Its default as text.
    pub(crate) default: &'static str,
    /// Meaning, unit and effect of zero.
    pub(crate) about: &'static str,
}

impl Key {
    /// Returns the name of the environment variable.
    pub(crate) fn variable(&self) -> String {
        format!("OXWHISK_{}", self.name.replace('.', "_").to_uppercase())
    }
}

const fn key(name: &'static str, default: &'static str, about: &'static str) -> Key {
    Key {
        name,
        default,
        about,
    }
}

/// All settings.
pub(crate) const SETTINGS: &[Key] = &[
    key(
        "port",
        "3233",
        "TCP port on the loopback address. 0 picks a free one.",
    ),
    key(
        "api_hosts",
        "localhost",
        "Names of this server, separated by commas, below which each namespace has a host of its own for its web actions: with `localhost`, `http://guest.localhost:3233/…` is `/api/v1/web/guest/…`. Empty: none has.",
    ),
    key(
        "data_dir",
        "",
        "Folder for the database and all else that is kept. Empty: `oxwhisk` below `$XDG_STATE_HOME`, or below `~/.local/state`.",
    ),
    key(
        "log",
        "warn",
        "Least severe level that is logged to standard error: error, warn, info, debug or trace.",
    ),
    key(
        "workers",
        "1",
        "Threads that serve requests. On two cores one was best (docs/performance.md); containers are processes of their own.",
    ),
    key(
        "busy_poll",
        "true",
        "Whether the thread that serves may look for events for a moment (100 µs at most) instead of going to sleep, where that answers requests that follow each other closely sooner (docs/performance.md). Without effect for several `workers`.",
    ),
    key(
        "controller.max_wait_for_blocking_activation",
        "60s",
        "Longest wait of a blocking invocation, the most that its `timeout` may ask for, and how long a web action may take; then the identifier is answered. 0s answers it at once. OpenWhisk: `whisk.controller.activation.max-wait-for-blocking-activation`.",
    ),
    key(
        "feature_flags.require_response_payload",
        "true",
        "Whether PUT and DELETE of actions and packages answer the entity; `false` answers `200` with the text `OK`, and `204`. OpenWhisk: `whisk.feature-flags.require-response-payload`.",
    ),
    key(
        "feature_flags.require_api_key_annotation",
        "true",
        "Whether new actions that say nothing about it get the annotation `provide-api-key: false`; `false` gives every such action the caller's key. OpenWhisk: `whisk.feature-flags.require-api-key-annotation`.",
    ),
    key(
        "shared_packages_execute_only",
        "false",
        "Whether shared packages and the actions in them can only be used by other namespaces: `GET` of one answers `403`. OpenWhisk: `whisk.shared-packages-execute-only`.",
    ),
    key(
        "limits.invocations_per_minute",
        "60",
        "Invocations that a namespace may make in a minute. 0 refuses all.",
    ),
    key(
        "limits.fires_per_minute",
        "60",
        "Triggers that a namespace may fire in a minute. 0 refuses all.",
    ),
    key(
        "limits.concurrent_invocations",
        "30",
        "Activations that a namespace may have in flight. 0 refuses all.",
    ),
    key(
        "limits.sequence_length",
        "50",
        "Actions that a sequence may have.",
    ),
    key(
        "limits.timeout_min",
        "100ms",
        "Least time limit of an action.",
    ),
    key(
        "limits.timeout_max",
        "5m",
        "Greatest time limit of an action.",
    ),
    key("limits.memory_min", "128MB", "Least memory of an action."),
    key(
        "limits.memory_max",
        "512MB",
        "Greatest memory of an action.",
    ),
    key("limits.logs_min", "0MB", "Least log size of an action."),
    key("limits.logs_max", "10MB", "Greatest log size of an action."),
    key(
        "limits.concurrency_min",
        "1",
        "Least number of activations that a container may run at once.",
    ),
    key(
        "limits.concurrency_max",
        "1",
        "Greatest number of activations that a container may run at once.",
    ),
    key(
        "limits.code",
        "48MB",
        "Greatest size of an action's code, as sent.",
    ),
    key(
        "limits.parameters",
        "1MB",
        "Greatest size of parameters, and of annotations.",
    ),
    key(
        "limits.payload",
        "1MB",
        "Greatest size of the arguments and of the result of an activation.",
    ),
    key(
        "invoker.user_memory",
        "2048MB",
        "Memory of all containers together; an activation waits when it is used up.",
    ),
    key(
        "invoker.pause_grace",
        "10s",
        "Rest after which an idle container is paused. 0s pauses at once.",
    ),
    key(
        "invoker.idle_container_timeout",
        "10m",
        "Rest after which an idle container is removed. 0s removes it at once.",
    ),
    key(
        "invoker.network",
        "egress",
        "How containers reach the network: `api` (only this server's API), `egress` (the API and the internet, never the host or its neighbours) or `host` (whatever the host reaches). See docs/sandbox.md.",
    ),
    key(
        "invoker.egress_allow",
        "",
        "Networks that mode `egress` opens although they are private, neighbours of the host or in `invoker.egress_deny`: addresses or prefixes, separated by commas. The host itself, loopback, link-local and metadata addresses stay shut.",
    ),
    key(
        "invoker.egress_deny",
        "",
        "Networks that mode `egress` refuses besides those that are private, neighbours of the host or never open: addresses or prefixes, separated by commas. Of this list and `invoker.egress_allow` the longest prefix decides.",
    ),
    key(
        "invoker.egress_connections",
        "128",
        "TCP connections beyond the machine that a container may have at once; each, and as many that it has just closed, may take 1.25 MiB of memory. 0 refuses all.",
    ),
    key(
        "runtimes.manifest",
        "",
        "File with a manifest of kinds. Empty: one is made from the interpreters that are found.",
    ),
    key(
        "runtimes.dir",
        "",
        "Folder with the runtimes' launchers. Empty: beside the program, or the source tree it was built from.",
    ),
    key(
        "activations.retention_age",
        "7d",
        "Age at which activation records are removed. 0s keeps them.",
    ),
    key(
        "activations.retention_size",
        "10GB",
        "Size of all activation records above which the oldest are removed. 0B keeps them.",
    ),
    key(
        "activations.durability",
        "group",
        "When the record of an activation whose caller got its result is on the disk: `group`, some 5 ms after the result, with the others of that time; `sync`, before the result. What was answered `202` is on the disk before that in either case.",
    ),
    key(
        "activations.store_blocking_result_level",
        "STORE_ALWAYS",
        "Which records of blocking activations are stored: `STORE_ALWAYS`, `STORE_FAILURES` (no successes) or `STORE_FAILURES_NOT_APPLICATION_ERRORS` (nor errors that the action reported). A request with the header `X-OW-EXTRA-LOGGING: on` is always recorded. OpenWhisk: `whisk.activation.store-blocking-result-level`.",
    ),
    key(
        "activations.store_non_blocking_result_level",
        "STORE_ALWAYS",
        "The same for all other activations, those of triggers and rules among them. OpenWhisk: `whisk.activation.store-non-blocking-result-level`.",
    ),
    key(
        "activations.disable_store_result",
        "false",
        "Deprecated: `true` stands for `STORE_FAILURES` where `activations.store_blocking_result_level` is not set. OpenWhisk: `whisk.activation.disable-store-result`.",
    ),
];
