"""What schemathesis does not do by itself."""

import schemathesis

INVOCATIONS = ("invokeAction", "invokePackagedAction")
# What is there at the start, and the names that are written and deleted in their place: most requests would find nothing
# otherwise.
KEPT = {
    "hello": "a1",
    "fails": "a2",
    "page": "a1",
    "tools": "p1",
    "bound": "p2",
    "arrival": "t1",
    "welcome": "r1",
}


@schemathesis.hook
def before_call(context, case, kwargs):
    """Keeps what is there at the start, waits for half of the invocations, and accepts what real clients accept."""
    names = case.path_parameters or {}
    if case.method in ("PUT", "DELETE") and "/web/" not in case.path and names.get("name") in KEPT:
        names["name"] = KEPT[names["name"]]
    if case.operation.definition.raw["operationId"] == "invokePackagedAction":
        case.query = {"blocking": "true", **(case.query or {})}
    if "application/json" in case.operation.definition.raw.get("produces", ()) and case.path != "/ping":
        case.headers = {"Accept": "application/json", **(case.headers or {})}


@schemathesis.check
def server_errors_name_their_activation(context, response, case):
    """An invocation may answer 500 or 502, but only with what became of an activation."""
    if case.operation.definition.raw["operationId"] not in INVOCATIONS:
        return
    if response.status_code >= 500:
        assert "x-openwhisk-activation-id" in response.headers, "a server error without an activation"
