"""A warehouse kept in SQLite, whose every change is also written to a table of changes.

    python3 warehouse.py create            makes the database
    python3 warehouse.py set ITEM COUNT    changes the stock of one item
    python3 warehouse.py remove ITEM
"""

import sqlite3
import sys

FILE = "warehouse.db"
SCHEMA = """
CREATE TABLE stock (item TEXT PRIMARY KEY, count INTEGER NOT NULL CHECK (count >= 0));
CREATE TABLE changes (seq INTEGER PRIMARY KEY AUTOINCREMENT, item TEXT NOT NULL, before INTEGER, after INTEGER);
CREATE TABLE feeds (name TEXT PRIMARY KEY, seq INTEGER NOT NULL);
CREATE TRIGGER stock_insert AFTER INSERT ON stock BEGIN INSERT INTO changes (item, after) VALUES (new.item, new.count); END;
CREATE TRIGGER stock_update AFTER UPDATE ON stock WHEN old.count <> new.count
    BEGIN INSERT INTO changes (item, before, after) VALUES (new.item, old.count, new.count); END;
CREATE TRIGGER stock_delete AFTER DELETE ON stock BEGIN INSERT INTO changes (item, before) VALUES (old.item, old.count); END;
"""


def main(verb, *arguments):
    database = sqlite3.connect(FILE)
    with database:
        if verb == "create":
            database.executescript(SCHEMA)
        elif verb == "set":
            item, count = arguments
            database.execute("INSERT INTO stock VALUES (?, ?) ON CONFLICT (item) DO UPDATE SET count = excluded.count", (item, int(count)))
        elif verb == "remove":
            database.execute("DELETE FROM stock WHERE item = ?", arguments)
        else:
            sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (TypeError, ValueError, sqlite3.Error) as fault:
        sys.exit(f"error: {fault}")
