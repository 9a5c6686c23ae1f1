"""Decides what has to be built after a push: the parts whose files have changed, on the branches that are built at all."""

from fnmatch import fnmatch


def main(args):
    if not any(fnmatch(args["branch"], pattern) for pattern in args["branches"]):
        return {"repository": args["repository"], "build": [], "why": f"branch {args['branch']} is not built"}
    parts = [part for part, patterns in args["parts"].items() if any(fnmatch(file, pattern) for file in args["changed"] for pattern in patterns)]
    print(f"{args['by']} pushed {args['commit'][:7]} to {args['repository']}: {len(args['changed'])} files")
    return {"repository": args["repository"], "commit": args["commit"], "build": parts}
