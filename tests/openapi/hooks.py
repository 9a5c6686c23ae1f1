"""Checks of our own for schemathesis."""

import schemathesis


@schemathesis.check
def server_errors_name_their_activation(ctx, response, case):
    """An invocation may answer 500 or 502, but only with what became of an activation."""
    if case.operation.definition.raw["operationId"] not in ("invokeAction", "invokePackagedAction"):
        return
    if response.status_code >= 500:
        assert "x-openwhisk-activation-id" in response.headers, "a server error without an activation"
