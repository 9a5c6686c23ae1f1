//! Texts that clients compare: OpenWhisk's, to the byte.
//!
//! Sources: rest-api §3–5, invocation §2–8.

/// The entity is missing.
pub(crate) const NOT_FOUND: &str = "The requested resource does not exist.";
/// No route leads there.
pub(crate) const NO_ROUTE: &str = "The requested resource could not be found.";
/// No credentials, or not Basic ones.
pub(crate) const AUTHENTICATION_MISSING: &str =
    "The resource requires authentication, which was not supplied with the request";
/// Credentials that are not known.
pub(crate) const AUTHENTICATION_INVALID: &str = "The supplied authentication is invalid";
/// Default text of 401.
pub(crate) const UNAUTHORIZED: &str =
    "Authentication is possible but has failed or not yet been provided.";
/// Wrong credentials for the switch that disables the controller.
pub(crate) const WRONG_PASSWORD: &str = "username or password are wrong.";
/// Default text of 500.
pub(crate) const INTERNAL_ERROR: &str = "There was an internal server error.";
/// Default text of 503.
pub(crate) const UNAVAILABLE: &str =
    "The server is currently unavailable (because it is overloaded or down for maintenance).";
/// Default text of 413.
pub(crate) const TOO_LARGE: &str =
    "The request content is larger than the server is willing or able to process.";
/// Two `Host` headers, in the words of the original's HTTP layer.
pub(crate) const SEVERAL_HOSTS: &str = "HTTP message must not contain more than one Host header";
/// The name is taken by an entity of another kind.
pub(crate) const OTHER_COLLECTION: &str =
    "Resource by this name exists but is not in this collection.";
/// Create of what exists.
pub(crate) const ALREADY_EXISTS: &str = "resource already exists";
/// The document changed meanwhile.
pub(crate) const CONCURRENT_MODIFICATION: &str = "Concurrent modification to resource detected.";
/// The stored document cannot be read.
pub(crate) const CORRUPT: &str = "Resource is corrupted and cannot be read.";
/// Create of an action without code.
pub(crate) const EXEC_UNDEFINED: &str = "exec undefined";
/// A change through a binding.
pub(crate) const NOT_ON_BINDING: &str = "Operation not permitted on package binding.";
/// A caller names a final or reserved parameter.
pub(crate) const PARAMETERS_NOT_ALLOWED: &str =
    "Request defines parameters that are not allowed (e.g., reserved properties).";
/// `count` together with `docs`.
pub(crate) const DOCS_WITH_COUNT: &str = "The parameter 'docs' is not permitted with 'count'.";
/// A path below the limits.
pub(crate) const LIMITS_INNER: &str =
    "Inner entity level routes for limits are not yet implemented.";
/// Names of namespaces.
pub(crate) const NAMESPACE_ILLEGAL: &str = "The namespace contains illegal characters.";
/// Names of entities.
pub(crate) const NAME_ILLEGAL: &str = "The name of the entity contains illegal characters.";
/// A package that may not be made.
pub(crate) const PACKAGE_RESERVED: &str = "Package name 'default' is reserved.";
/// Target of a binding.
pub(crate) const BINDING_MISSING: &str = "Binding references a package that does not exist.";
/// Target of a binding.
pub(crate) const BINDING_OF_BINDING: &str = "Cannot bind to another package binding.";
/// Target of a binding.
pub(crate) const BINDING_OF_OTHER: &str = "Cannot bind to a resource that is not a package.";
/// A package cannot become a binding.
pub(crate) const PACKAGE_TO_BINDING: &str =
    "Resource is a package and cannot be converted into a binding.";
/// The annotation `feed` of a new trigger.
pub(crate) const FEED_NAME_INVALID: &str = "Feed name is not valid";

/// A body that is not what the endpoint reads.
pub(crate) fn malformed(detail: &str) -> String {
    format!("The request content was malformed:\n{detail}")
}

/// A query parameter that cannot be read.
pub(crate) fn bad_parameter(name: &str, detail: &str) -> String {
    format!("The query parameter '{name}' was malformed:\n{detail}")
}

/// A body of the wrong media type.
pub(crate) fn unsupported_type(found: &str) -> String {
    format!("The request's Content-Type [{found}] is not supported. Expected:\napplication/json")
}

/// An answer that the caller does not accept.
pub(crate) fn not_acceptable(offered: &str) -> String {
    format!("Resource representation is only available with these types:\n{offered}")
}

/// A method that the path does not have.
pub(crate) fn bad_method(allowed: &str) -> String {
    format!("HTTP method not allowed, supported methods: {allowed}")
}

/// Something over its size limit.
pub(crate) fn too_large(what: &str, found: u64, allowed: u64) -> String {
    format!("{what} larger than allowed: {found} > {allowed} bytes.")
}

/// The caller may not use these entities.
pub(crate) fn not_authorized(names: &str) -> String {
    format!("The supplied authentication is not authorized to access '{names}'.")
}

/// The caller may not use this kind.
pub(crate) fn kind_not_allowed(kind: &str) -> String {
    format!("The supplied authentication is not authorized to access actions of kind '{kind}'.")
}

/// A kind that may only be read and deleted.
pub(crate) fn deprecated(kind: &str) -> String {
    format!(
        "The '{kind}' runtime is no longer supported. You may read and delete but not update or invoke this action."
    )
}

/// More requests in this minute than allowed.
pub(crate) fn too_many_requests(count: u64, allowed: u64) -> String {
    format!("Too many requests in the last minute (count: {count}, allowed: {allowed}).")
}

/// More activations in flight than allowed.
pub(crate) fn too_many_in_flight(count: u64, allowed: u64) -> String {
    format!("Too many concurrent requests in flight (count: {count}, allowed: {allowed}).")
}

/// A limit on instances above the namespace's concurrency.
pub(crate) fn too_many_instances(allowed: u32) -> String {
    format!(
        "Max action instance concurrency must not exceed your namespace concurrency of {allowed}."
    )
}

/// A missing package.
pub(crate) fn package_missing(name: &str) -> String {
    format!("The requested resource '{name}' does not exist.")
}

/// A binding that refers to itself.
pub(crate) fn circular_binding(name: &str) -> String {
    format!("Package binding '{name}' contains a circular reference.")
}

/// Delete of a package with content.
pub(crate) fn package_not_empty(count: usize) -> String {
    let entities = if count == 1 { "entity" } else { "entities" };
    format!(
        "Package not empty (contains {count} {entities}). Set force param or delete package contents."
    )
}

/// A sequence without components.
pub(crate) const SEQUENCE_EMPTY: &str = "No component specified for the sequence.";
/// A sequence of too many actions.
pub(crate) const SEQUENCE_TOO_LONG: &str = "Too many actions in the sequence.";
/// A sequence that leads to itself.
pub(crate) const SEQUENCE_CYCLE: &str = "Sequence may not refer to itself.";
/// A component that is not there.
pub(crate) const COMPONENT_MISSING: &str = "Sequence component does not exist.";
/// A component that was not accepted.
pub(crate) const SEQUENCE_FAILED: &str = "Sequence failed.";
/// A composition of too many steps.
pub(crate) const COMPOSITION_TOO_LONG: &str = "Too many actions in the composition.";
/// A step that was not accepted.
pub(crate) const COMPOSITION_FAILED: &str = "Activation failure during composition.";
/// A rule without its parts.
pub(crate) const RULE_INCOMPLETE: &str = "rule requires a valid trigger and a valid action";
/// A rule whose trigger is gone.
pub(crate) const RULE_WITHOUT_TRIGGER: &str = "Only rules with existing triggers can be activated";

/// A web action that failed by itself.
pub(crate) const WEB_FAILED: &str = "There was an error processing your request.";
/// A web action that has not ended.
pub(crate) const WEB_NOT_READY: &str = "Response not yet ready.";
/// A result of a web action without the member that is asked for.
pub(crate) const WEB_PROPERTY_MISSING: &str = "Response does not include requested property.";
/// The media type that a web action declared cannot be read.
pub(crate) const WEB_TYPE_UNKNOWN: &str = "Response did not specify a known content-type.";
/// The media type that a web action declared does not go with its body.
pub(crate) const WEB_TYPE_MISMATCH: &str =
    "Response type in header did not match generated content type.";

/// A result of a web action that cannot be shown as this media type.
pub(crate) fn web_media_invalid(media_type: &str) -> String {
    format!("Response is not valid '{media_type}'.")
}

/// The wait time of a blocking invocation.
pub(crate) fn bad_timeout(max_ms: u128) -> String {
    format!("Timeout must be number of milliseconds up to {max_ms}.")
}

/// An action of a package that others share, where those are only run; `path` is `ns/pkg`.
pub(crate) fn shared_action(path: &str) -> String {
    format!("GET not permitted for '{path}' since it's an action in a shared package")
}

/// The same through a binding of one's own: `name` is `ns/binding/action`.
pub(crate) fn bound_action(name: &str) -> String {
    format!(
        "GET not permitted for '{name}'. Resource does not exist or is an action in a shared package binding."
    )
}

/// A package that others share, where those are only run: `ns/pkg`.
pub(crate) fn shared_package(name: &str) -> String {
    format!("GET not permitted for '{name}' since it's a shared package")
}

/// A binding of one's own to such a package: its bare name.
pub(crate) fn bound_package(name: &str) -> String {
    format!("GET not permitted since {name} is a binding of a shared package")
}

/// A component that did not end in time.
pub(crate) fn component_timeout(id: &str) -> String {
    format!("Timeout reached when retrieving activation {id} for sequence component.")
}

/// A step that did not end in time.
pub(crate) fn composition_timeout(id: &str) -> String {
    format!("Timeout reached when retrieving activation {id} during composition.")
}

/// A step that is no name.
pub(crate) fn composition_bad_name(value: &str) -> String {
    format!("Failed to parse action name from json value {value} during composition.")
}

/// A step that is not there.
pub(crate) fn composition_unresolved(name: &str) -> String {
    format!("Failed to resolve action with name '{name}' during composition.")
}

/// A step that the caller may not use.
pub(crate) fn composition_not_entitled(name: &str) -> String {
    format!("Failed entitlement check for action with name '{name}' during composition.")
}

/// An entity that a rule refers to and that is missing.
pub(crate) fn rule_part_missing(what: &str, name: &str) -> String {
    format!("{what} {name} does not exist")
}

/// A rule that passes nothing on.
pub(crate) fn rule_inactive(rule: &str, action: &str) -> String {
    format!("Rule '{rule}' is inactive, action '{action}' was not activated.")
}

/// A reference to an entity of another kind, as the original's reader of documents reports it.
pub(crate) fn wrong_document(found: &str, expected: oxwhisk_store::Collection) -> String {
    let expected = match expected {
        oxwhisk_store::Collection::Actions => "WhiskAction",
        oxwhisk_store::Collection::Packages => "WhiskPackage",
        oxwhisk_store::Collection::Triggers => "WhiskTrigger",
        oxwhisk_store::Collection::Rules => "WhiskRule",
    };
    let class = "org.apache.openwhisk.core.entity.";
    format!(
        "document type class {class}{found} did not match expected type class {class}{expected}."
    )
}
