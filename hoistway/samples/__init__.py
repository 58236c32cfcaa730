"""Stored samples: rows of the last minutes, blocks of the open hour, chunks of all hours before, and the one way to read them.

The layout and the coding are pure; `reader` and `log` know the store. Who moves samples from one form to the next is `ingest.compactor`.
"""

from hoistway.samples.layout import COLUMNS, ROW, Rows, of_copy, to_engine
from hoistway.samples.log import Log
from hoistway.samples.reader import EVER, Snapshot, Wanted, joined, oldest_ms, snapshot

__all__ = [
    "COLUMNS",
    "EVER",
    "ROW",
    "Log",
    "Rows",
    "Snapshot",
    "Wanted",
    "joined",
    "of_copy",
    "oldest_ms",
    "snapshot",
    "to_engine",
]
