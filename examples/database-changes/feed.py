"""Fires a trigger for each change of the warehouse, in order.

    python3 feed.py TRIGGER             goes on until it is ended
    python3 feed.py TRIGGER --once      ends when there is no more

What was fired is noted in the database after each one. When the feed is ended or the server cannot be reached, it goes on from there the next time: no
change is lost, and at most one is fired twice. An action can tell by `seq`.
"""

import json
import sqlite3
import subprocess
import sys
import time

from warehouse import FILE

PAUSE_SECONDS = 1


def main(trigger, *flags):
    database = sqlite3.connect(FILE)
    with database:
        database.execute("INSERT OR IGNORE INTO feeds VALUES (?, 0)", (trigger,))
    while True:
        change = database.execute(
            "SELECT seq, item, before, after FROM changes WHERE seq > (SELECT seq FROM feeds WHERE name = ?) ORDER BY seq LIMIT 1", (trigger,)
        ).fetchone()
        if change is None:
            if "--once" in flags:
                return
            time.sleep(PAUSE_SECONDS)
            continue
        members = zip(("seq", "item", "before", "after"), change)
        parameters = [part for key, value in members for part in ("-p", key, json.dumps(value))]
        subprocess.run(["wsk", "trigger", "fire", trigger, *parameters], check=True)
        with database:
            database.execute("UPDATE feeds SET seq = ? WHERE name = ?", (change[0], trigger))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (TypeError, sqlite3.Error, subprocess.CalledProcessError) as fault:
        sys.exit(f"error: {fault}")
