"""Undoes `charge`."""


def main(args):
    print(f"order {args['id']}: {args['cents']} cents given back")
    return {"refunded": args["payment"]}
