"""Orders more of what runs low: once, at the change with which the stock falls below its minimum."""


def main(args):
    item, before, after = args["item"], args["before"], args["after"]
    minimum, full = args["minimum"], args["full"]
    if after is None or after >= minimum:
        return {"item": item, "order": 0}
    if before is not None and before < minimum:
        return {"item": item, "order": 0, "why": "already ordered"}
    print(f"{item} runs low: {after} left")
    return {"item": item, "order": full - after}
