"""Greets whoever `name` names: oxwhisk run examples/hello.py -p name World"""


def main(args):
    name = args.get("name", "stranger")
    print("greeting", name)
    return {"greeting": f"Hello, {name}!"}
