"""Rule sets in the store: published, versioned, rolled back; and an alarm folded again from the store. Knows `alarms` and the store.

Shared by ingest (what is live), api and command (publish, show, explain). Knows no MQTT, no HTTP and no terminal.
"""

from hoistway.rulebook.sets import Entry, Mode, Published
from hoistway.rulebook.shelf import ensure, go_live, load, newest, publish, refuse, restore, waiting

__all__ = [
    "Entry",
    "Mode",
    "Published",
    "ensure",
    "go_live",
    "load",
    "newest",
    "publish",
    "refuse",
    "restore",
    "waiting",
]
