"""Last step: one line for each station and day."""

from collections import defaultdict


def main(args):
    groups = defaultdict(list)
    for record in args["records"]:
        groups[record["station"], record["day"]].append(record["celsius"])
    days = [
        {"station": station, "day": day, "readings": len(found), "min": tenths(min(found)), "mean": tenths(sum(found) / len(found)), "max": tenths(max(found))}
        for (station, day), found in sorted(groups.items())
    ]
    return {"body": {"days": days, "rejected": args["rejected"]}}


def tenths(celsius):
    return round(float(celsius), 1)
