"""The order workflow: reserve, charge, ship; what was done is undone when a later step fails.

A conductor is run before the first step and after each one. It answers with the next `action` and its `params`, or with `params` alone, which end the
workflow. `state` comes back with the next run, beside the result of the step, so the conductor itself remembers nothing.
"""

STEPS = ["reserve", "charge", "ship"]
UNDO = {"reserve": "release", "charge": "refund"}


def main(args):
    state = args.pop("state", None)
    if state is None:
        return run(STEPS[0], {"order": args, "done": []})
    if state["step"] not in STEPS:  # a step was undone
        return undo(state)
    if "error" in args:
        return undo({**state, "why": args["error"]})
    # What a step answers is known to all that follow.
    state = {**state, "done": [*state["done"], state["step"]], "order": {**state["order"], **args}}
    if len(state["done"]) < len(STEPS):
        return run(STEPS[len(state["done"])], state)
    order = state["order"]
    return {"params": {"id": order["id"], "status": "shipped", "parcel": order["parcel"], "cents": order["cents"]}}


def undo(state):
    """Undoes the last step that was done, or ends when there is none left."""
    if not state["done"]:
        return {"params": {"id": state["order"]["id"], "status": "cancelled", "why": state["why"]}}
    *earlier, last = state["done"]
    return run(UNDO[last], {**state, "done": earlier})


def run(step, state):
    return {"action": f"orders/{step}", "params": state["order"], "state": {"state": {**state, "step": step}}}
