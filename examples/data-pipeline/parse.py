"""First step: text to records. Lines that are wrong are set aside with the reason, unless nothing is right."""

import csv
import datetime
import io
import math

FIELDS = ["station", "time", "temperature", "unit"]
MOST_RECORDS = 10_000


def main(args):
    text = args.get("__ow_body") or args.get("text")
    if not isinstance(text, str):
        return refusal(400, "send the records as text/csv")
    rows = csv.reader(io.StringIO(text))
    if next(rows, None) != FIELDS:
        return refusal(400, f"the first line is not '{','.join(FIELDS)}'")
    records, rejected = [], []
    for row in rows:
        if not row:
            continue
        if len(records) + len(rejected) == MOST_RECORDS:
            return refusal(413, f"more than {MOST_RECORDS} records")
        try:
            records.append(record(row))
        except ValueError as fault:
            rejected.append({"line": rows.line_num, "why": str(fault)})
    if not records:
        return refusal(422, "there is no good record", rejected=rejected)
    return {"records": records, "rejected": rejected}


def record(row):
    if len(row) != len(FIELDS):
        raise ValueError(f"{len(row)} fields instead of {len(FIELDS)}")
    station, time, temperature, unit = (field.strip() for field in row)
    if not station:
        raise ValueError("no station")
    if unit not in ("C", "F"):
        raise ValueError(f"unit '{unit}' is neither C nor F")
    try:
        day = datetime.datetime.fromisoformat(time).date().isoformat()
    except ValueError:
        raise ValueError(f"'{time}' is no time") from None
    try:
        degrees = float(temperature)
    except ValueError:
        degrees = math.nan
    if not math.isfinite(degrees):
        raise ValueError(f"'{temperature}' is no temperature")
    return {"station": station, "day": day, "degrees": degrees, "unit": unit}


def refusal(status, error, **more):
    return {"error": {"statusCode": status, "body": {"error": error, **more}}}
