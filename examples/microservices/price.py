"""Service "price": what the lines of a basket cost, less the discount for many of one, and the tax that is part of it. Whole cents only."""

from decimal import ROUND_HALF_UP, Decimal


def share(cents, percent, of=100):
    return int((Decimal(cents) * percent / of).quantize(Decimal(1), ROUND_HALF_UP))


def main(args):
    bulk, vat = args["bulk"], args["vatPercent"]
    lines = []
    for line in args["lines"]:
        cents = line["cents"] * line["count"]
        if line["count"] >= bulk["from"]:
            cents -= share(cents, bulk["percent"])
        lines.append({"title": line["title"], "count": line["count"], "cents": cents})
    total = sum(line["cents"] for line in lines)
    return {"lines": lines, "total": total, "vat": share(total, vat, 100 + vat)}
